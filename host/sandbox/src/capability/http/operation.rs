//! HTTP requests that the host sends for a component.
//!
//! [`fetch`] is the only way out, for every interface that a component may use. Each request, and each
//! redirect of it, takes four steps: [`preauthorize_lookup`](Exchange::preauthorize_lookup),
//! [`resolve`](Exchange::resolve), [`authorize_with_addresses`](Exchange::authorize_with_addresses),
//! [`send_to_pinned_address`](Exchange::send_to_pinned_address). The response is bounded, decoded and
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
    Credential, Destination, FetchRequest, FetchResponse, HttpAct, HttpError, HttpPolicy,
    OutboundRequest, effect::HttpEffect, request::RequestHop,
};
use crate::{
    call::Host,
    capability::secrets::SecretAct,
    port::{EffectReport, Permit, SecretValue},
};

/// Bodies up to this size are scrubbed on the current thread; larger ones on a blocking thread.
const SMALL_BODY: usize = 64 << 10;

/// Sends a request and follows its redirects; each is decided and recorded before it is sent. Stops at
/// `ends`, and as soon as its future is dropped.
///
/// # Errors
/// [`HttpError`].
pub(super) async fn fetch<P: HttpPolicy + ?Sized>(
    host: &Host<P>,
    request: FetchRequest,
    ends: Instant,
) -> Result<FetchResponse, HttpError> {
    // Dropped with this future: then the task below begins nothing more.
    let (alive, over) = watch::channel(());
    let deadline = CallDeadline { ends, over }.within(request.timeout);
    let host = host.clone();
    // A separate task has its own stack, and a panic of the host ends only the task.
    let runtime = host.runtime.clone();
    let work = runtime.spawn(async move { follow(&host, request, &deadline).await });
    let result = work.await.unwrap_or_else(|_| Err(broken()));
    drop(alive);
    result
}

fn broken() -> HttpError {
    HttpError::Failed("the host could not do it".into())
}

/// When a request must have ended.
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

    /// Runs `work` unless the time is up or the call has ended.
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

async fn follow<P: HttpPolicy + ?Sized>(
    host: &Host<P>,
    request: FetchRequest,
    deadline: &CallDeadline,
) -> Result<FetchResponse, HttpError> {
    let mut hop = RequestHop::first(&request, &host.resources.secrets)?;
    // Scrub all secrets, also those that this request does not attach: another request may have left one
    // there.
    let load = async {
        host.policy.secrets().load(&host.resources.secrets).await;
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
struct Exchange<'a, P: ?Sized> {
    host: &'a Host<P>,
    hop: &'a mut RequestHop,
    deadline: &'a CallDeadline,
    settings: HostConfig,
    outgoing: Arc<OutboundRequest>,
    begun: Instant,
}

/// Whether the name may be looked up.
struct LookupPermit {
    /// The request was decided as one to a private network, or to a public one.
    assumed_private: bool,
    /// Present if this needed a real decision instead of a preview: it may have consumed an approval.
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

impl<'a, P: HttpPolicy + ?Sized> Exchange<'a, P> {
    fn new(host: &'a Host<P>, hop: &'a mut RequestHop, deadline: &'a CallDeadline) -> Self {
        Self {
            settings: host.resources.hosts.host(hop.target.host()),
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

    /// A name is looked up only if it may be contacted, because a lookup reveals it to others. If the
    /// operator allows a private network for the host, this is assumed when a public one would be denied.
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

    /// The addresses of the host. A failure is recorded as the failure of the effect.
    async fn resolve(
        &self,
        lookup: LookupPermit,
    ) -> Result<(LookupPermit, Vec<IpAddr>), HttpError> {
        let network = &self.host.resources.network;
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

    /// Decides with the known addresses, the only ones that will be connected to. A request is never sent
    /// without its intended secrets; they are decided first if that wastes no approval.
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

    /// Attaches the secrets, sends the request, and reports the result.
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
        let network = &self.host.resources.network;
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

    /// The secrets of a request, each decided. A secret that is denied after a redirect to another origin
    /// is dropped for all later redirects.
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

/// The response without secrets.
async fn scrub<P: HttpPolicy + ?Sized>(
    host: &Host<P>,
    mut response: WireResponse,
) -> Result<WireResponse, HttpError> {
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
