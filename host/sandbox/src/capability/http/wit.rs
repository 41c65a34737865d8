//! The import `http`, linked by hand: a guest's values are checked in place, and copied only if they are
//! within the limits of a request.

use std::time::Duration;

use wasmtime::{
    StoreContextMut,
    component::{ComponentType, Lift, Linker, WasmList, WasmStr},
};

use super::{
    Credential, FetchRequest, FetchResponse, HttpError, HttpPolicy, MAX_BODY, MAX_CREDENTIALS,
    SecretPlacement, error::not_public, fetch,
};
use crate::{
    PUBLISHED,
    bindings::{
        http::{Error, Header, Response as WitResponse},
        types::Denial,
    },
    call::GuestState,
    capability::{denial, interface},
};

/// Bytes of a name, a method or a URL that are read.
const MAX_TEXT: usize = 33 << 10;
/// Header fields that are read: more than a request may have.
const MAX_FIELDS: usize = 128;
/// Bytes of all header fields that are read: more than a request may have.
const MAX_HEADER: usize = 4 * MAX_TEXT;

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

pub(crate) fn add_to_linker<T: GuestState<Policy: HttpPolicy>>(
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    for version in PUBLISHED {
        let mut http = linker.instance(&interface("http", version))?;
        http.func_wrap_async(
            "fetch",
            |mut store: StoreContextMut<'_, T>, (request,): (WitRequest,)| {
                let counted = store.data_mut().call_mut().take_operation();
                let host = store.data().call().host().cloned();
                let ends = store.data().call().operation_deadline();
                // Nothing is copied for a request that is one too many.
                let request = match counted {
                    true => lift_request(&mut store, &request),
                    false => Ok(Err(Error::Failed(
                        "this call has asked for too many operations".into(),
                    ))),
                };
                Box::new(async move {
                    let request = match (request?, host) {
                        (Err(error), _) => Err(error),
                        (_, None) => Err(Error::Failed("there is no call".into())),
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

/// Reads a request from the guest's memory.
///
/// # Errors
/// A trap if the guest's strings are not UTF-8; the inner error says which limit is exceeded.
fn lift_request<T: GuestState>(
    store: &mut StoreContextMut<'_, T>,
    request: &WitRequest,
) -> wasmtime::Result<Result<FetchRequest, Error>> {
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
            let most = MAX_BODY >> 20;
            return too_much(&format!("bytes in the body; {most} MiB is the most"));
        }
        body => body,
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
        if size > MAX_HEADER {
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
        let placement = match &credential.place {
            WitPlace::Bearer => SecretPlacement::Bearer,
            WitPlace::Header(name) => SecretPlacement::Header(text(store, name)?),
            WitPlace::Query(name) => SecretPlacement::Query(text(store, name)?),
            WitPlace::JsonPointer(pointer) => SecretPlacement::JsonPointer(text(store, pointer)?),
        };
        credentials.push(Credential {
            secret: text(store, &credential.secret)?,
            placement,
        });
    }
    Ok(Ok(FetchRequest {
        method: text(store, &request.method)?,
        url: text(store, &request.url)?,
        headers,
        body: body.as_ref().map(|body| body.as_le_slice(&*store).to_vec()),
        credentials,
        redirects: request.redirects,
        timeout: request
            .timeout
            .map(|millis| Duration::from_millis(millis.into())),
    }))
}

fn text<T: GuestState>(store: &StoreContextMut<'_, T>, text: &WasmStr) -> wasmtime::Result<String> {
    crate::capability::text(store, text, MAX_TEXT)
}

fn response(response: FetchResponse) -> WitResponse {
    let header = |(name, value)| Header { name, value };
    WitResponse {
        status: response.status,
        url: response.url,
        headers: response.headers.into_iter().map(header).collect(),
        body: response.body,
    }
}

/// The guest's error.
fn error(fault: HttpError) -> Error {
    match fault {
        HttpError::Invalid(how) => Error::InvalidRequest(how),
        HttpError::Denied(reason) => Error::Denied(denial(reason)),
        HttpError::DeniedRedirect(reason, url) => {
            let denial = denial(reason);
            Error::Denied(Denial {
                reason: format!("It redirects to {url}. {}", denial.reason),
                ..denial
            })
        }
        HttpError::Private(host) => Error::Denied(Denial {
            decision: "none".into(),
            reason: not_public(&host),
            approval: None,
        }),
        HttpError::NoSuchSecret(name) => Error::NoSuchSecret(name),
        HttpError::Unresolved(how) => Error::Unresolved(how),
        HttpError::Unreachable(how) => Error::Unreachable(how),
        HttpError::Tls(how) | HttpError::Certificate(how) => Error::Tls(how),
        HttpError::Timeout => Error::Timeout,
        HttpError::TooLarge => Error::TooLarge,
        HttpError::TooManyRedirects => Error::TooManyRedirects,
        HttpError::Malformed(how) => Error::Malformed(how),
        HttpError::Failed(how) => Error::Failed(how),
        HttpError::CallOver => Error::Failed("the call was over".into()),
    }
}
