//! The request after a redirect (Fetch standard, "HTTP-redirect fetch").

use hyper::{Method, StatusCode};

use tollgate_egress::{WireResponse, header_text};

use super::{HttpError, headers, request::RequestHop};

impl RequestHop {
    /// The request that a redirect asks for, or `None` if the response is not a redirect.
    pub(in crate::capability::http) fn redirected(
        &self,
        answer: &WireResponse,
    ) -> Result<Option<Self>, HttpError> {
        let Ok(status) = StatusCode::from_u16(answer.status) else {
            return Ok(None);
        };
        let (Some(location), true) = (answer.header("location"), is_redirect(status)) else {
            return Ok(None);
        };
        let mut next = self.clone();
        next.target = self.target.join(&header_text(location.to_vec()))?;
        next.redirects += 1;
        let rewritten = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD && self.method != Method::GET,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if rewritten {
            next.method = Method::GET;
            next.body = None;
            headers::without_body(&mut next.headers);
            next.credentials
                .retain(|credential| !credential.placement.is_in_body());
        }
        if !next.target.is_same_origin(&self.target) {
            next.is_elsewhere = true;
            headers::leave_origin(&mut next.headers);
        }
        Ok(Some(next))
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    )
}

#[cfg(test)]
mod tests;
