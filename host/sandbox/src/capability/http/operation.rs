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
mod sent;
mod settings;
mod target;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;

pub(super) use self::{
    credential::{Credential, Place},
    headers::is_hosts_own,
    import::add_to_linker,
    request::{Fault, Request, Response},
};
use self::{exchange::Answer, request::Hop, sent::Sent, target::Target};
pub use self::{
    network::Network,
    resolve::Resolver,
    settings::{HostConfig, NetworkConfig},
};
use super::guest::Host;
use crate::{
    enforce::{HttpAct, Outgoing, Permitted, Place as Destination, Refusal, SecretAct},
    secrets::Secret,
};

/// The most bytes of a request's body, and of a response's, decoded.
pub(super) const MAX_BODY: usize = 8 << 20;
/// The most redirects of one request.
pub(super) const MAX_REDIRECTS: u8 = 10;
/// The most secrets in one request.
pub(super) const MAX_CREDENTIALS: usize = 8;

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
    let runtime = host.runtime.clone();
    let line = runtime.spawn(async move { follow(&host, request, until).await });
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
    let vault = Arc::clone(&host.capabilities.ruleset().secrets);
    let known = async {
        vault.know(&host.component.secrets).await;
        Ok(())
    };
    until.wait(known).await?;
    loop {
        let answer = match send(host, &mut hop, &until).await {
            Err(Fault::Refused(refusal)) if hop.redirects > 0 => {
                return Err(Fault::RefusedRedirect(refusal, hop.target.redacted()));
            }
            answer => answer?,
        };
        if request.redirects == 0 {
            return Ok(answer.response(&hop));
        }
        match hop.redirected(&answer)? {
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
    let ruleset = capabilities.ruleset();
    let settings = ruleset.config.network.host(hop.target.host());
    let literal = (hop.target.address()).is_some_and(|address| !address::is_global(address));

    // A name that may not be asked for is not looked up either: a lookup tells the world about it. Where
    // the operator expects a private network, so does this.
    let begun = Instant::now();
    let outgoing = Arc::new(hop.outgoing());
    let could = |private| {
        let act = act(host, hop, &outgoing, &settings, private);
        capabilities.could(&act).map_err(refused)
    };
    let assumed = literal || settings.allow_private && !could(false)?;
    let asked = act(host, hop, &outgoing, &settings, assumed);
    let early = if could(assumed)? {
        None
    } else {
        Some(enforce(host, asked.clone()).await?)
    };
    let addresses = match until
        .wait(host.component.network.resolve(&hop.target))
        .await
    {
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
    let asked = act(host, hop, &outgoing, &settings, private);
    let destination = asked.place().clone();
    let first = if capabilities.could(&asked).map_err(refused)? {
        Some(secrets(host, hop, (&destination, &outgoing), until).await?)
    } else {
        None
    };
    let permitted = match early {
        Some(permitted) if private == assumed => permitted,
        _ => enforce(host, asked).await?,
    };
    let sent = Sent::begin(host, hop, begun);
    // A request never leaves without the secrets that it was to have.
    let secrets = match first {
        Some(secrets) => Ok(secrets),
        None => secrets(host, hop, (&destination, &outgoing), until).await,
    };
    let secrets = match secrets {
        Ok(secrets) => secrets,
        Err(fault) => {
            sent.done(host, permitted, Err(&fault), None);
            return Err(fault);
        }
    };
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

fn act(
    host: &Host,
    hop: &Hop,
    outgoing: &Arc<Outgoing>,
    settings: &HostConfig,
    private: bool,
) -> HttpAct {
    let target = &hop.target;
    let destination = Destination {
        host: target.host().into(),
        is_address: target.address().is_some(),
        scheme: target.scheme().into(),
        port: target.port(),
        labels: settings.labels.clone(),
    };
    let act = HttpAct::new(
        host.capabilities.tool(),
        hop.method.as_str(),
        destination,
        (target.redacted(), target.path()),
        outgoing,
        settings,
    );
    if private {
        act.to_private_network()
    } else {
        act
    }
}

fn refused(refusal: Refusal) -> Fault {
    Fault::Refused(Box::new(refusal))
}

async fn enforce(host: &Host, act: HttpAct) -> Result<Permitted<HttpAct>, Fault> {
    host.capabilities.enforce(act).await.map_err(refused)
}

type Admitted = (Permitted<SecretAct>, Place, Arc<Secret>);

/// The secrets of a request, each decided. One that may not follow a redirect to another origin is left
/// behind for good.
async fn secrets(
    host: &Host,
    hop: &mut Hop,
    (destination, outgoing): (&Destination, &Arc<Outgoing>),
    until: &Until,
) -> Result<Vec<Admitted>, Fault> {
    let capabilities = &host.capabilities;
    let mut admitted = Vec::new();
    let mut kept = Vec::new();
    for credential in std::mem::take(&mut hop.credentials) {
        let act = SecretAct::new(
            capabilities.tool(),
            &credential.secret,
            destination,
            outgoing,
        );
        let permitted = match capabilities.enforce(act).await {
            Ok(permitted) => permitted,
            Err(_) if hop.is_elsewhere => continue,
            Err(refusal) => return Err(refused(refusal)),
        };
        let vault = &capabilities.ruleset().secrets;
        let read = async {
            let secret = vault.secret(&credential.secret).await;
            secret.map_err(|e| Fault::Failed(e.to_string()))
        };
        let secret = until.wait(read).await?;
        admitted.push((permitted, credential.place.clone(), secret));
        kept.push(credential);
    }
    hop.credentials = kept;
    Ok(admitted)
}
