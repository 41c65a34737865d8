//! The record of a request that was permitted.

use std::{net::IpAddr, time::Instant};

use tollgate_egress::WireResponse;
use tollgate_model::{
    ids::SpanId,
    record::{EffectDetails, HttpEffect as HttpDetails},
};

use super::{HttpAct, HttpError, request::RequestHop};
use crate::{
    call::Host,
    port::{Authorize, CallPort, EffectReport, Permit},
};

/// A request in flight.
pub(in crate::capability::http) struct HttpEffect {
    begun: Instant,
    span: SpanId,
    details: HttpDetails,
}

impl HttpEffect {
    pub(in crate::capability::http) fn begin(
        host: &Host<impl CallPort + ?Sized>,
        hop: &RequestHop,
        begun: Instant,
    ) -> Self {
        let details = HttpDetails {
            address: None,
            host: hop.target.host().into(),
            method: hop.method.to_string(),
            port: hop.target.port(),
            redirects: hop.redirects,
            status: None,
        };
        Self {
            begun,
            span: host.policy.new_span(),
            details,
        }
    }

    /// Its own span, which the request carries as its trace context.
    pub(in crate::capability::http) fn span(&self) -> SpanId {
        self.span
    }

    pub(in crate::capability::http) fn begun(&self) -> Instant {
        self.begun
    }

    /// Reports the response, or why there is none.
    pub(in crate::capability::http) fn complete(
        mut self,
        host: &Host<impl Authorize<HttpAct> + ?Sized>,
        permit: Permit<HttpAct>,
        result: Result<&WireResponse, &HttpError>,
    ) {
        let address = result.ok().map(|response| response.address);
        self.details.address = address.as_ref().map(IpAddr::to_string);
        self.details.status = result.ok().map(|response| response.status);
        let size = result.map(|response| response.body.len() as u64);
        let effect = EffectReport {
            begun: self.begun,
            result: size.map_err(HttpError::description),
            span: Some(self.span),
            details: Some(EffectDetails::Http(self.details)),
        };
        host.policy.complete(permit, effect);
    }
}
