//! Requests over HTTP, as the host sends them for a component.
//!
//! [`fetch`] is the one way out, whichever interface a component uses. Each request, and each redirect of it,
//! goes four steps: [`preauthorize_lookup`](Exchange::preauthorize_lookup),
//! [`resolve`](Exchange::resolve), [`authorize_with_addresses`](Exchange::authorize_with_addresses),
//! [`send_to_pinned_address`](Exchange::send_to_pinned_address). What comes back is bounded, decoded and
//! without secrets.
//!
//! Nothing here decides, reads a proxy from the environment, or keeps a connection or a cookie.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task};
use tollgate_egress::{HostConfig, WireRequest, WireResponse, is_global};
use tollgate_model::record::{EffectDetails, SecretEffect};

use super::{
    Destination, FetchRequest, FetchResponse, HttpAct, HttpError, OutboundRequest,
    effect::HttpEffect, request::RequestHop,
};
use crate::{
    capability::secrets::{Credential, SecretAct},
    guest::Host,
    port::{EffectReport, Permit, SecretValue},
};

/// Bytes of a body that are scrubbed on the spot; more is done on a blocking thread.
const SMALL_BODY: usize = 64 << 10;

/// Send a request and follow its redirects, each decided and recorded before it is sent. Ends by `ends`, and
/// as soon as its future is dropped.
///
/// # Errors
/// [`HttpError`].
pub(crate) async fn fetch(
    host: &Host,
    request: FetchRequest,
    ends: Instant,
) -> Result<FetchResponse, HttpError> {
    // Dropped with this future: then the task below begins nothing more.
    let (alive, over) = watch::channel(());
    let deadline = CallDeadline { ends, over }.within(request.timeout);
    let host = host.clone();
    // On a stack of its own, and so that a fault of the host ends this and not the gate.
    let runtime = host.runtime.clone();
    let work = runtime.spawn(async move { follow(&host, request, &deadline).await });
    let result = work.await.unwrap_or_else(|_| Err(broken()));
    drop(alive);
    result
}

fn broken() -> HttpError {
    HttpError::Failed("the host could not do it".into())
}

/// When a request must be over, finished or not.
struct CallDeadline {
    ends: Instant,
    over: watch::Receiver<()>,
}

impl CallDeadline {
    fn within(mut self, timeout: Option<Duration>) -> Self {
        let requested = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.ends = requested.map_or(self.ends, |requested| requested.min(self.ends));
        self
    }

    /// `work`, unless time is up or the call over.
    async fn wait<T, E: Into<HttpError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, HttpError> {
        let mut over = self.over.clone();
        tokio::select! {
            biased;
            _ = over.changed() => Err(HttpError::CallOver),
            done = tokio::time::timeout_at(self.ends.into(), work) => match done {
                Ok(result) => result.map_err(Into::into),
                Err(_) => Err(HttpError::Timeout),
            },
        }
    }
}

async fn follow(
    host: &Host,
    request: FetchRequest,
    deadline: &CallDeadline,
) -> Result<FetchResponse, HttpError> {
    let mut hop = RequestHop::first(&request, &host.component.secrets)?;
    // A secret that this request does not attach may come back too: another request may have left it there.
    let load = async {
        host.policy.secrets().load(&host.component.secrets).await;
        Ok::<(), HttpError>(())
    };
    deadline.wait(load).await?;
    loop {
        let exchange = Exchange::new(host, &mut hop, deadline);
        let response = match exchange.run().await {
            Err(HttpError::Denied(denial)) if hop.redirects > 0 => {
                return Err(HttpError::DeniedRedirect(denial, hop.target.redacted()));
            }
            response => response?,
        };
        if request.redirects == 0 {
            return Ok(hop.response(response));
        }
        match hop.redirected(&response)? {
            Some(_) if hop.redirects >= u64::from(request.redirects) => {
                return Err(HttpError::TooManyRedirects);
            }
            Some(next) => hop = next,
            None => return Ok(hop.response(response)),
        }
    }
}

/// One request and its response.
struct Exchange<'a> {
    host: &'a Host,
    hop: &'a mut RequestHop,
    deadline: &'a CallDeadline,
    settings: HostConfig,
    outgoing: Arc<OutboundRequest>,
    begun: Instant,
}

/// Whether the name may be looked up.
struct LookupPermit {
    /// The request was decided for a private network, or for a public one.
    assumed_private: bool,
    /// Present if deciding needed more than asking what would be allowed: an approval may have been used.
    permit: Option<Permit<HttpAct>>,
}

/// A request that was decided with its addresses, and its secrets.
struct AuthorizedRequest {
    permit: Permit<HttpAct>,
    effect: HttpEffect,
    secrets: Vec<AuthorizedSecret>,
    addresses: Vec<IpAddr>,
}

/// A secret that was decided for one request.
struct AuthorizedSecret {
    permit: Permit<SecretAct>,
    credential: Credential,
    value: SecretValue,
}

impl<'a> Exchange<'a> {
    fn new(host: &'a Host, hop: &'a mut RequestHop, deadline: &'a CallDeadline) -> Self {
        Self {
            settings: host.component.hosts.host(hop.target.host()),
            outgoing: Arc::new(hop.outgoing()),
            begun: Instant::now(),
            host,
            hop,
            deadline,
        }
    }

    async fn run(mut self) -> Result<WireResponse, HttpError> {
        let lookup = self.preauthorize_lookup().await?;
        let (lookup, addresses) = self.resolve(lookup).await?;
        let authorized = self.authorize_with_addresses(lookup, addresses).await?;
        self.send_to_pinned_address(authorized).await
    }

    /// A name that may not be contacted is not looked up either, because a lookup reveals it to others. Where
    /// the operator expects a private network, that is assumed if a public one would be denied.
    async fn preauthorize_lookup(&self) -> Result<LookupPermit, HttpError> {
        let literal = (self.hop.target.address()).is_some_and(|address| !is_global(address));
        let assumed_private =
            literal || self.settings.allow_private && !self.would_allow(&self.act(false))?;
        let act = self.act(assumed_private);
        let permit = match self.would_allow(&act)? {
            true => None,
            false => Some(self.authorize(act).await?),
        };
        Ok(LookupPermit {
            assumed_private,
            permit,
        })
    }

    /// The addresses of the host. A failure is recorded as the effect's.
    async fn resolve(
        &self,
        lookup: LookupPermit,
    ) -> Result<(LookupPermit, Vec<IpAddr>), HttpError> {
        let network = &self.host.component.network;
        let error = match self.deadline.wait(network.resolve(&self.hop.target)).await {
            Ok(addresses) => return Ok((lookup, addresses)),
            Err(error) => error,
        };
        let permit = match lookup.permit {
            Some(permit) => permit,
            None => self.authorize(self.act(lookup.assumed_private)).await?,
        };
        let effect = HttpEffect::begin(self.host, self.hop, self.begun);
        effect.complete(self.host, permit, Err(&error));
        Err(error)
    }

    /// Decide with the addresses known, which are the only ones that will be connected to. A request never
    /// leaves without the secrets that it was to have; they are decided first where that wastes no approval.
    async fn authorize_with_addresses(
        &mut self,
        lookup: LookupPermit,
        addresses: Vec<IpAddr>,
    ) -> Result<AuthorizedRequest, HttpError> {
        let is_private = addresses.iter().any(|address| !is_global(*address));
        let act = self.act(is_private);
        let destination = act.destination.clone();
        let early_secrets = match self.would_allow(&act)? {
            true => Some(self.authorize_secrets(&destination).await?),
            false => None,
        };
        let permit = match lookup.permit {
            Some(permit) if is_private == lookup.assumed_private => permit,
            _ => self.authorize(act).await?,
        };
        let effect = HttpEffect::begin(self.host, self.hop, self.begun);
        let secrets = match early_secrets {
            Some(secrets) => Ok(secrets),
            None => self.authorize_secrets(&destination).await,
        };
        let refused = is_private && !self.settings.allow_private;
        match secrets {
            Ok(secrets) if !refused => Ok(AuthorizedRequest {
                permit,
                effect,
                secrets,
                addresses,
            }),
            other => {
                let error = match other {
                    Err(error) => error,
                    Ok(_) => HttpError::Private(self.hop.target.host().to_owned()),
                };
                effect.complete(self.host, permit, Err(&error));
                Err(error)
            }
        }
    }

    /// Attach the secrets, send, and report what came back.
    async fn send_to_pinned_address(
        &self,
        authorized: AuthorizedRequest,
    ) -> Result<WireResponse, HttpError> {
        let AuthorizedRequest {
            permit,
            effect,
            secrets,
            addresses,
        } = authorized;
        let response = self.exchange(&effect, secrets, &addresses).await;
        effect.complete(self.host, permit, response.as_ref());
        response
    }

    async fn exchange(
        &self,
        effect: &HttpEffect,
        secrets: Vec<AuthorizedSecret>,
        addresses: &[IpAddr],
    ) -> Result<WireResponse, HttpError> {
        let policy = &self.host.policy;
        let trace = self.settings.trace;
        let trace = trace.then(|| policy.traceparent(effect.span()));
        let mut wire = self.hop.wire(trace.as_deref())?;
        for secret in secrets {
            self.attach(secret, &mut wire, effect.begun())?;
        }
        let network = &self.host.component.network;
        let sent = network.send(&self.hop.target, wire, addresses);
        let response = self.deadline.wait(sent).await?;
        scrub(self.host, response).await
    }

    fn attach(
        &self,
        secret: AuthorizedSecret,
        wire: &mut WireRequest,
        begun: Instant,
    ) -> Result<(), HttpError> {
        let filled = secret.credential.placement.fill(wire, &secret.value);
        let details = SecretEffect {
            host: self.hop.target.host().into(),
            name: secret.value.name,
            version: secret.value.version,
        };
        let result = filled.as_ref().map(|()| 0).map_err(HttpError::description);
        let effect = EffectReport {
            details: Some(EffectDetails::Secret(details)),
            ..EffectReport::new(begun, result)
        };
        self.host.policy.complete(secret.permit, effect);
        filled
    }

    /// The secrets of a request, each decided. One that is denied after a redirect to another origin is left
    /// behind for good.
    async fn authorize_secrets(
        &mut self,
        destination: &Destination,
    ) -> Result<Vec<AuthorizedSecret>, HttpError> {
        let mut authorized = Vec::new();
        let mut attached = Vec::new();
        for credential in std::mem::take(&mut self.hop.credentials) {
            let act = SecretAct {
                secret: credential.secret.clone(),
                destination: destination.clone(),
                path: self.hop.target.path().to_owned(),
                request: Arc::clone(&self.outgoing),
            };
            let permit = match self.host.policy.authorize(act).await {
                Ok(permit) => permit,
                Err(_) if self.hop.is_elsewhere => continue,
                Err(denial) => return Err(HttpError::Denied(denial)),
            };
            let read = async {
                let value = self.host.policy.secrets().value(&credential.secret).await;
                value.map_err(HttpError::Failed)
            };
            let value = self.deadline.wait(read).await?;
            attached.push(credential.clone());
            authorized.push(AuthorizedSecret {
                permit,
                credential,
                value,
            });
        }
        self.hop.credentials = attached;
        Ok(authorized)
    }

    fn act(&self, is_private: bool) -> HttpAct {
        let target = &self.hop.target;
        HttpAct {
            method: self.hop.method.to_string(),
            destination: Destination {
                host: target.host().into(),
                is_address: target.address().is_some(),
                is_private,
                scheme: target.scheme().into(),
                port: target.port(),
                labels: self.settings.labels.clone(),
            },
            url: target.redacted(),
            path: target.path().to_owned(),
            request: Arc::clone(&self.outgoing),
            taints: self.settings.taints.clone(),
        }
    }

    fn would_allow(&self, act: &HttpAct) -> Result<bool, HttpError> {
        let allowed = self.host.policy.would_allow(act);
        allowed.map_err(HttpError::Denied)
    }

    async fn authorize(&self, act: HttpAct) -> Result<Permit<HttpAct>, HttpError> {
        let permit = self.host.policy.authorize(act).await;
        permit.map_err(HttpError::Denied)
    }
}

/// The response without any secret.
async fn scrub(host: &Host, mut response: WireResponse) -> Result<WireResponse, HttpError> {
    let policy = Arc::clone(&host.policy);
    let is_small = response.body.len() <= SMALL_BODY;
    let scrub = move || {
        let secrets = policy.secrets();
        for (name, value) in &mut response.headers {
            *name = secrets.scrub_text(name);
            *value = secrets.scrub(std::mem::take(value));
        }
        response.body = secrets.scrub(std::mem::take(&mut response.body));
        response
    };
    if is_small {
        return Ok(scrub());
    }
    task::spawn_blocking(scrub).await.map_err(|_| broken())
}
