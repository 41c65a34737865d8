//! The imports `http` and `secrets`, linked by hand: what a guest passes is looked at in place, and
//! copied only if it is no more than a request may have.

use std::time::Duration;

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, Linker, WasmList, WasmStr},
};

use super::{
    Credential, Fault, MAX_BODY, MAX_CREDENTIALS, Place, Request, Response, fetch,
    request::not_public,
};
use crate::sandbox::{
    PUBLISHED,
    bindings::{
        http::{Error, Header, Response as WitResponse},
        types::Denial,
    },
    guest::State,
    operation::denial,
};

type Store<'a> = StoreContextMut<'a, State>;

/// Bytes of a name, a method or a URL that are looked at.
const MAX_TEXT: usize = 33 << 10;
/// Header fields that are looked at: more than a request may have.
const MAX_FIELDS: usize = 128;

#[derive(ComponentType, Lift)]
#[component(record)]
struct WitHeader {
    name: WasmStr,
    value: WasmStr,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum WitPlace {
    #[component(name = "bearer")]
    Bearer,
    #[component(name = "header")]
    Header(WasmStr),
    #[component(name = "query")]
    Query(WasmStr),
    #[component(name = "json-pointer")]
    JsonPointer(WasmStr),
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct WitCredential {
    secret: WasmStr,
    place: WitPlace,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct WitRequest {
    method: WasmStr,
    url: WasmStr,
    headers: WasmList<WitHeader>,
    body: Option<WasmList<u8>>,
    credentials: WasmList<WitCredential>,
    redirects: u8,
    timeout: Option<u32>,
}

pub(in crate::sandbox) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut secrets = linker.instance(&format!("tollgate:adapter/secrets@{version}"))?;
        secrets.func_wrap("exists", |store: Store<'_>, (name,): (WasmStr,)| {
            let name = text(&store, &name)?;
            let granted = store
                .data()
                .host()
                .is_some_and(|host| host.component.secrets.contains(&name));
            Ok((granted,))
        })?;
        let mut http = linker.instance(&format!("tollgate:adapter/http@{version}"))?;
        http.func_wrap_async(
            "fetch",
            |mut store: Store<'_>, (request,): (WitRequest,)| {
                let counted = store.data_mut().count_operation();
                let host = store.data().host().cloned();
                let ends = store.data().ends();
                let request = taken(&mut store, &request);
                Box::new(async move {
                    let request = match (request?, host) {
                        (Err(error), _) => Err(error),
                        (_, None) => Err(Error::Failed("there is no call".into())),
                        (Ok(_), _) if !counted => Err(Error::Failed(
                            "this call has asked for too many operations".into(),
                        )),
                        (Ok(request), Some(host)) => fetch(&host, request, ends)
                            .await
                            .map(response)
                            .map_err(error),
                    };
                    Ok((request,))
                })
            },
        )?;
    }
    Ok(())
}

/// A request out of the guest's memory.
///
/// # Errors
/// A trap, if the guest's strings are not UTF-8; within, what is too much of it.
fn taken(store: &mut Store<'_>, request: &WitRequest) -> wasmtime::Result<Result<Request, Error>> {
    let too_much = |what: &str| {
        Ok(Err(Error::InvalidRequest(format!(
            "there are too many {what}"
        ))))
    };
    if request.headers.len() > MAX_FIELDS {
        return too_much("header fields");
    }
    if request.credentials.len() > MAX_CREDENTIALS {
        return too_much("credentials");
    }
    let body = match &request.body {
        Some(body) if body.len() > MAX_BODY => {
            return too_much("bytes in the body; 8 MiB is the most");
        }
        Some(body) => Some(body.as_le_slice(&*store).to_vec()),
        None => None,
    };
    let mut headers = Vec::with_capacity(request.headers.len());
    let mut size = 0_usize;
    let fields: Vec<WitHeader> = request
        .headers
        .iter(&mut *store)?
        .collect::<Result<_, _>>()?;
    for header in fields {
        let (name, value) = (text(store, &header.name)?, text(store, &header.value)?);
        size = size.saturating_add(name.len()).saturating_add(value.len());
        if size > MAX_TEXT * 4 {
            return too_much("bytes in the header");
        }
        headers.push((name, value));
    }
    let mut credentials = Vec::with_capacity(request.credentials.len());
    let wanted: Vec<WitCredential> = request
        .credentials
        .iter(&mut *store)?
        .collect::<Result<_, _>>()?;
    for credential in wanted {
        let place = match &credential.place {
            WitPlace::Bearer => Place::Bearer,
            WitPlace::Header(name) => Place::Header(text(store, name)?),
            WitPlace::Query(name) => Place::Query(text(store, name)?),
            WitPlace::JsonPointer(pointer) => Place::JsonPointer(text(store, pointer)?),
        };
        credentials.push(Credential {
            secret: text(store, &credential.secret)?,
            place,
        });
    }
    Ok(Ok(Request {
        method: text(store, &request.method)?,
        url: text(store, &request.url)?,
        headers,
        body,
        credentials,
        redirects: request.redirects,
        timeout: request
            .timeout
            .map(|millis| Duration::from_millis(millis.into())),
    }))
}

/// As much of a text as it takes to see that it is too long.
fn text(store: &Store<'_>, text: &WasmStr) -> wasmtime::Result<String> {
    let text = text.to_str(store)?;
    let end = text.floor_char_boundary(MAX_TEXT);
    Ok(text.get(..end).unwrap_or_default().to_owned())
}

fn response(response: Response) -> WitResponse {
    let header = |(name, value)| Header { name, value };
    WitResponse {
        status: response.status,
        url: response.url,
        headers: response.headers.into_iter().map(header).collect(),
        body: response.body,
    }
}

/// What the guest is told.
fn error(fault: Fault) -> Error {
    match fault {
        Fault::Invalid(how) => Error::InvalidRequest(how),
        Fault::Refused(refusal) => Error::Denied(denial(*refusal)),
        Fault::RefusedRedirect(refusal, url) => {
            let denial = denial(*refusal);
            Error::Denied(Denial {
                reason: format!("It redirects to {url}. {}", denial.reason),
                ..denial
            })
        }
        Fault::Private(host) => Error::Denied(Denial {
            decision: "none".into(),
            reason: not_public(&host),
            approval: None,
        }),
        Fault::NoSuchSecret(name) => Error::NoSuchSecret(name),
        Fault::Unresolved(how) => Error::Unresolved(how),
        Fault::Unreachable(how) => Error::Unreachable(how),
        Fault::Tls(how) | Fault::Certificate(how) => Error::Tls(how),
        Fault::Timeout => Error::Timeout,
        Fault::TooLarge => Error::TooLarge,
        Fault::TooManyRedirects => Error::TooManyRedirects,
        Fault::Malformed(how) => Error::Malformed(how),
        Fault::Failed(how) => Error::Failed(how),
        Fault::CallOver => Error::Failed("the call was over".into()),
    }
}
