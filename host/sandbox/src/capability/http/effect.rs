//! A request that was permitted: what goes along, what comes back, and the record of it.

use std::{net::IpAddr, sync::Arc, time::Instant};

use tokio::task;
use tollgate_model::{
    ids::SpanId,
    record::{EffectDetails, HttpEffect, SecretEffect},
};

use super::{
    Admitted, Fault, Until,
    exchange::{self, Answer},
    request::Hop,
};
use crate::{
    enforce::{Done, HttpAct, Permitted},
    sandbox::{HostConfig, guest::Host},
};

/// What is scrubbed where it stands; more is done where waiting harms nobody.
const SMALL: usize = 64 << 10;

/// A request that is under way, for its record.
pub(super) struct Sent {
    begun: Instant,
    span: SpanId,
    effect: HttpEffect,
}

impl Sent {
    pub(super) fn begin(host: &Host, hop: &Hop, begun: Instant) -> Self {
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
    pub(super) async fn exchange(
        &self,
        host: &Host,
        hop: &Hop,
        secrets: Vec<Admitted>,
        settings: &HostConfig,
        addresses: &[IpAddr],
        until: &Until,
    ) -> Result<Answer, Fault> {
        let capabilities = &host.capabilities;
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
            .wait(exchange::exchange(
                &host.component.network,
                hop,
                wire,
                addresses,
            ))
            .await?;
        scrubbed(host, exchanged).await
    }

    pub(super) fn done(
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
    let vault = Arc::clone(&host.capabilities.ruleset().secrets);
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
