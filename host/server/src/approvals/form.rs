//! Bodies of forms that strangers may send: bounded in size and time, and each field given once.

use std::{collections::BTreeMap, time::Duration};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use tollgate_model::record::AnswerRefusal;
use url::form_urlencoded;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a request has exactly one content type, and it is that of a form.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return false;
    };
    let kind = kind.to_str().unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// A body of at most `limit` bytes.
pub(super) async fn body(body: Body, limit: usize) -> Result<Bytes, AnswerRefusal> {
    match tokio::time::timeout(PATIENCE, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) => {
            let source = std::error::Error::source(&error);
            Err(match source {
                Some(e) if e.is::<http_body_util::LengthLimitError>() => AnswerRefusal::Oversized,
                _ => AnswerRefusal::Malformed,
            })
        }
        Err(_) => Err(AnswerRefusal::Oversized),
    }
}

/// The fields of a form; absent if one is given twice.
pub(super) fn fields(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(body) {
        if fields
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return None;
        }
    }
    Some(fields)
}
