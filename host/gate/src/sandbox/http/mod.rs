//! Requests over HTTP, as the host sends them for a component.
//!
//! [`fetch`] is the one way out, whichever interface a component uses. For each request, and again for each
//! redirect: would policy allow it, what addresses has the name, which secrets may go there, is it allowed
//! with all that known; only then, with everything recorded, is a connection made to one of those very
//! addresses. What comes back is bounded, decoded and without secrets.
//!
//! Nothing here decides, reads a proxy from the environment, keeps a connection or a cookie.

mod address;
mod credential;
mod decode;
mod exchange;
mod headers;
mod import;
mod network;
mod redirect;
mod request;
mod resolve;
mod target;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::watch, task};
use tollgate_core::record::{EffectDetails, HttpEffect, SecretEffect};

pub(super) use self::{
    credential::{Credential, Place},
    import::add_to_linker,
    request::{Fault, Request, Response},
};
use self::{exchange::Answer, request::Hop, target::Target};
pub use self::{network::Network, resolve::Resolver};
use super::guest::Host;
use crate::{
    config::HostConfig,
    enforce::{Done, HttpAct, Permitted, Place as Destination, SecretAct},
    secrets::Secret,
};

/// The most bytes of a request's body, and of a response's, decoded.
pub(super) const MAX_BODY: usize = 8 << 20;
/// The most redirects of one request.
pub(super) const MAX_REDIRECTS: u8 = 10;
/// The most secrets in one request.
pub(super) const MAX_CREDENTIALS: usize = 8;
/// What is scrubbed where it stands; more is done where waiting harms nobody.
const SMALL: usize = 64 << 10;

/// The name of a host as decisions know it, if it is one.
pub(crate) fn host_name(text: &str) -> Option<String> {
    let bracketed = match text.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("https://[{text}]/"),
        Err(_) => format!("https://{text}/"),
    };
    let target = Target::parse(&bracketed).ok()?;
    let bare = target.path() == "/" && target.port() == 443 && target.url().query().is_none();
    (bare && !text.contains(['/', '?', '#', '\\', ':', '@'])
        || target.address().is_some_and(|a| a.is_ipv6()))
    .then(|| target.host().to_owned())
}

/// Send a request and follow its redirects, each decided and recorded before it is sent. Ends by `ends`,
/// and as soon as nobody waits for it any more.
///
/// # Errors
/// [`Fault`].
pub(super) async fn fetch(host: &Host, request: Request, ends: Instant) -> Result<Response, Fault> {
    // Dropped with this future: then the task below begins nothing more.
    let (alive, over) = watch::channel(());
    let until = Until { ends, over };
    let (host, broken) = (host.clone(), || {
        Fault::Failed("the host could not do it".into())
    });
    // On a stack of its own, and so that a fault of the host ends this and not the gate.
    let line = task::spawn(async move { follow(&host, request, until).await });
    let result = line.await.unwrap_or_else(|_| Err(broken()));
    drop(alive);
    result
}

/// When a request is over, done or not.
struct Until {
    ends: Instant,
    over: watch::Receiver<()>,
}

impl Until {
    /// `work`, unless time is up or the call over.
    async fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        let mut over = self.over.clone();
        tokio::select! {
            biased;
            _ = over.changed() => Err(Fault::CallOver),
            done = tokio::time::timeout_at(self.ends.into(), work) => done.unwrap_or(Err(Fault::Timeout)),
        }
    }
}

async fn follow(host: &Host, request: Request, until: Until) -> Result<Response, Fault> {
    let until = until.within(request.timeout);
    let mut hop = Hop::first(&request, &host.component.secrets)?;
    // What is never attached may come back too: somebody else's request may have left it there.
    host.capabilities
        .snapshot()
        .secrets
        .know(&host.component.secrets)
        .await;
    loop {
        let answer = match send(host, &mut hop, &until).await {
            Err(Fault::Refused(refusal)) if hop.redirects > 0 => {
                return Err(Fault::RefusedRedirect(refusal, hop.target.redacted()));
            }
            answer => answer?,
        };
        let next = hop.redirected(&answer)?;
        match next {
            Some(_) if request.redirects == 0 => return Ok(answer.response(&hop)),
            Some(_) if hop.redirects >= u64::from(request.redirects) => {
                return Err(Fault::TooManyRedirects);
            }
            Some(next) => hop = next,
            None => return Ok(answer.response(&hop)),
        }
    }
}

impl Until {
    fn within(mut self, timeout: Option<Duration>) -> Self {
        let asked = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.ends = asked.map_or(self.ends, |asked| asked.min(self.ends));
        self
    }
}

/// One request, decided, recorded and sent.
async fn send(host: &Host, hop: &mut Hop, until: &Until) -> Result<Answer, Fault> {
    let capabilities = &host.capabilities;
    let snapshot = capabilities.snapshot();
    let settings = snapshot.config.network.host(hop.target.host());
    let literal = (hop.target.address()).is_some_and(|address| !address::is_global(address));

    // A name that may not be asked for is not looked up either: a lookup tells the world about it. Where
    // the operator expects a private network, so does this.
    let begun = Instant::now();
    let could = |private| {
        let act = act(host, hop, &settings, private);
        capabilities.could(&act).map_err(Fault::Refused)
    };
    let assumed = literal || settings.allow_private && !could(false)?;
    let asked = act(host, hop, &settings, assumed);
    let early = if could(assumed)? {
        None
    } else {
        Some(enforce(host, asked.clone()).await?)
    };
    let addresses = match until.wait(snapshot.network.resolve(&hop.target)).await {
        Ok(addresses) => addresses,
        Err(fault) => {
            let permitted = match early {
                Some(permitted) => permitted,
                None => enforce(host, asked).await?,
            };
            Sent::begin(host, hop, begun).done(host, permitted, Err(&fault), None);
            return Err(fault);
        }
    };

    // Decided with what is known now; those very addresses are connected to.
    let private = addresses
        .iter()
        .any(|address| !address::is_global(*address));
    let asked = act(host, hop, &settings, private);
    let secrets = if capabilities.could(&asked).map_err(Fault::Refused)? {
        secrets(host, hop, asked.place()).await?
    } else {
        Vec::new()
    };
    let permitted = match early {
        Some(permitted) if private == assumed => permitted,
        _ => enforce(host, asked).await?,
    };
    let sent = Sent::begin(host, hop, begun);
    if private && !settings.allow_private {
        let fault = Fault::Private(hop.target.host().to_owned());
        sent.done(host, permitted, Err(&fault), None);
        return Err(fault);
    }
    let answer = sent
        .exchange(host, hop, secrets, &settings, &addresses, until)
        .await;
    match answer {
        Ok(answer) => {
            sent.done(host, permitted, Ok(&answer), Some(answer.address));
            Ok(answer)
        }
        Err(fault) => {
            sent.done(host, permitted, Err(&fault), None);
            Err(fault)
        }
    }
}

fn act(host: &Host, hop: &Hop, settings: &HostConfig, private: bool) -> HttpAct {
    let target = &hop.target;
    let destination = Destination {
        host: target.host().into(),
        is_address: target.address().is_some(),
        scheme: target.scheme().into(),
        port: target.port(),
        labels: settings.labels.clone(),
    };
    let size = hop.body.as_ref().map_or(0, |body| body.len() as u64);
    let act = HttpAct::new(
        host.capabilities.tool(),
        hop.method.as_str(),
        destination,
        (target.redacted(), target.path()),
        size,
        settings,
    );
    if private {
        act.to_private_network()
    } else {
        act
    }
}

async fn enforce(host: &Host, act: HttpAct) -> Result<Permitted<HttpAct>, Fault> {
    host.capabilities.enforce(act).await.map_err(Fault::Refused)
}

type Admitted = (Permitted<SecretAct>, Place, Arc<Secret>);

/// The secrets of a request, each decided. One that may not follow a redirect to another origin is left
/// behind for good.
async fn secrets(
    host: &Host,
    hop: &mut Hop,
    destination: &Destination,
) -> Result<Vec<Admitted>, Fault> {
    let capabilities = &host.capabilities;
    let mut admitted = Vec::new();
    let mut kept = Vec::new();
    for credential in std::mem::take(&mut hop.credentials) {
        let act = SecretAct::new(capabilities.tool(), &credential.secret, destination);
        let permitted = match capabilities.enforce(act).await {
            Ok(permitted) => permitted,
            Err(_) if hop.is_elsewhere => continue,
            Err(refusal) => return Err(Fault::Refused(refusal)),
        };
        let secret = capabilities
            .snapshot()
            .secrets
            .secret(&credential.secret)
            .await;
        let secret = secret.map_err(|e| Fault::Failed(e.to_string()))?;
        admitted.push((permitted, credential.place.clone(), secret));
        kept.push(credential);
    }
    hop.credentials = kept;
    Ok(admitted)
}

/// A request that is under way, for its record.
struct Sent {
    begun: Instant,
    span: tollgate_core::ids::SpanId,
    effect: HttpEffect,
}

impl Sent {
    fn begin(host: &Host, hop: &Hop, begun: Instant) -> Self {
        let effect = HttpEffect {
            address: None,
            host: hop.target.host().into(),
            method: hop.method.to_string(),
            port: hop.target.port(),
            redirects: hop.redirects,
            status: None,
        };
        Self {
            begun,
            span: host.capabilities.new_span(),
            effect,
        }
    }

    /// Attach what goes along, and exchange it for an answer.
    async fn exchange(
        &self,
        host: &Host,
        hop: &Hop,
        secrets: Vec<Admitted>,
        settings: &HostConfig,
        addresses: &[IpAddr],
        until: &Until,
    ) -> Result<Answer, Fault> {
        let capabilities = &host.capabilities;
        let snapshot = capabilities.snapshot();
        let trace = settings.trace.then(|| capabilities.traceparent(self.span));
        let mut wire = hop.wire(trace.as_deref())?;
        for (permitted, place, secret) in secrets {
            let filled = place.fill(&mut wire, &secret);
            let details = SecretEffect {
                host: hop.target.host().into(),
                name: secret.name().into(),
                version: capabilities.secret_version(&secret),
            };
            let done = Done {
                span: capabilities.new_span(),
                details: Some(EffectDetails::Secret(details)),
            };
            let said = filled.as_ref().map(|()| 0).map_err(Fault::description);
            capabilities.done_with(
                permitted,
                self.begun,
                said.as_ref().map_or_else(|e| Err(e.as_str()), |n| Ok(*n)),
                done,
            );
            filled?;
        }
        let exchanged = until
            .wait(exchange::exchange(&snapshot.network, hop, wire, addresses))
            .await?;
        scrubbed(host, exchanged).await
    }

    fn done(
        mut self,
        host: &Host,
        permitted: Permitted<HttpAct>,
        result: Result<&Answer, &Fault>,
        address: Option<IpAddr>,
    ) {
        self.effect.address = address.map(|address| address.to_string());
        self.effect.status = result.ok().map(|answer| answer.status);
        let said = result
            .map(|answer| answer.body.len() as u64)
            .map_err(Fault::description);
        let done = Done {
            span: self.span,
            details: Some(EffectDetails::Http(self.effect)),
        };
        let said = said.as_ref().map_or_else(|e| Err(e.as_str()), |n| Ok(*n));
        host.capabilities
            .done_with(permitted, self.begun, said, done);
    }
}

/// The answer without any secret.
async fn scrubbed(host: &Host, mut answer: Answer) -> Result<Answer, Fault> {
    let vault = Arc::clone(&host.capabilities.snapshot().secrets);
    let is_small = answer.body.len() <= SMALL;
    let clean = move || {
        for (name, value) in &mut answer.headers {
            *name = vault.scrub_text(name);
            *value = vault.scrub(std::mem::take(value));
        }
        answer.body = vault.scrub(std::mem::take(&mut answer.body));
        answer
    };
    if is_small {
        return Ok(clean());
    }
    task::spawn_blocking(clean)
        .await
        .map_err(|_| Fault::Failed("the host could not do it".into()))
}
