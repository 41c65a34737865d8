//! Bodies of forms that strangers may send: bounded in size and time, and each field given once.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tollgate_model::record::AnswerRefusal;
use url::form_urlencoded;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bodies that arrive at once on one channel.
const MAX_BODIES: usize = 64;

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

/// Bodies that arrive, oldest first. Strangers can begin them and never end them, so a new one displaces the oldest:
/// they take a bounded amount of memory, and a body that arrives whole is not kept out.
#[derive(Debug, Default)]
pub(super) struct BodyQueue(Mutex<VecDeque<CancellationToken>>);

/// The place of a body in the queue, until it is dropped.
struct BodyPlace<'q> {
    queue: &'q BodyQueue,
    displaced: CancellationToken,
}

impl BodyQueue {
    fn places(&self) -> std::sync::MutexGuard<'_, VecDeque<CancellationToken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) -> BodyPlace<'_> {
        let displaced = CancellationToken::new();
        let mut places = self.places();
        if places.len() >= MAX_BODIES
            && let Some(oldest) = places.pop_front()
        {
            oldest.cancel();
        }
        places.push_back(displaced.clone());
        BodyPlace {
            queue: self,
            displaced,
        }
    }

    /// A body of at most `limit` bytes.
    ///
    /// # Errors
    /// [`AnswerRefusal::Oversized`] also if it is too slow, or was displaced.
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Bytes, AnswerRefusal> {
        let place = self.enter();
        let bytes = tokio::select! {
            biased;
            bytes = to_bytes(body, limit) => bytes,
            () = place.displaced.cancelled() => return Err(AnswerRefusal::Oversized),
            () = tokio::time::sleep(PATIENCE) => return Err(AnswerRefusal::Oversized),
        };
        bytes.map_err(|error| {
            let source = std::error::Error::source(&error);
            match source {
                Some(e) if e.is::<http_body_util::LengthLimitError>() => AnswerRefusal::Oversized,
                _ => AnswerRefusal::Malformed,
            }
        })
    }
}

impl Drop for BodyPlace<'_> {
    fn drop(&mut self) {
        self.displaced.cancel();
        self.queue.places().retain(|place| !place.is_cancelled());
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
