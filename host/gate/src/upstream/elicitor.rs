//! What a server asks a person during one call, on its way to that person.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{Mutex, watch};

use super::{scrubber::Scrubber, timer::CallTimer};
use crate::{
    capability::Capabilities,
    elicitation::{Elicitation, ElicitationAnswer, ElicitationError},
};

/// The most bytes of a question, as its server writes it.
const MAX_PARAMS: usize = 64 << 10;

/// Puts the questions of one call to people. The call's time stands still while they are asked, and not while a question
/// is read.
#[derive(Debug)]
pub struct Elicitor {
    effects: Arc<Capabilities>,
    upstream: Scrubber,
    timer: CallTimer,
    /// Held while a question is read: one of a call at a time.
    reading: Mutex<()>,
    /// Becomes true when the call ends.
    end: watch::Receiver<bool>,
}

impl Elicitor {
    pub(super) fn new(
        effects: Arc<Capabilities>,
        upstream: Scrubber,
        timer: CallTimer,
        end: watch::Receiver<bool>,
    ) -> Self {
        Self {
            effects,
            upstream,
            timer,
            reading: Mutex::default(),
            end,
        }
    }

    /// Has a person asked what the parameters of `elicitation/create` say, and returns what the server gets.
    /// `withdrawn` is ready when the server asks no longer.
    ///
    /// # Errors
    /// [`ElicitationError`]: the question is malformed, or beyond the limits, and no person was asked.
    pub async fn elicit(
        &self,
        params: Value,
        withdrawn: impl Future<Output = ()>,
    ) -> Result<ElicitationAnswer, ElicitationError> {
        // Before it is read: what the server writes costs time, also if no person is asked.
        if let Some(answer) = self.effects.count_question() {
            return Ok(answer);
        }
        let elicitation = self.read(params).await?;
        let mut end = self.end.clone();
        if *end.borrow() {
            return Err(ElicitationError::new("its call has ended"));
        }
        let over = async {
            tokio::select! {
                // An error means that the sender is gone, and so is the call.
                _ = end.wait_for(|ended| *ended) => {}
                () = withdrawn => {}
            }
        };
        let _pause = self.timer.pause();
        Ok(self.effects.elicit(elicitation, over).await)
    }

    /// The question, within the limits. The time of the call runs.
    async fn read(&self, params: Value) -> Result<Elicitation, ElicitationError> {
        let _reading = self.reading.lock().await;
        if *self.end.borrow() {
            return Err(ElicitationError::new("its call has ended"));
        }
        let text = params.to_string();
        if text.len() > MAX_PARAMS {
            let problem = format!("it is larger than {MAX_PARAMS} bytes");
            return Err(ElicitationError(problem));
        }
        // Without its secrets it would be another question.
        self.upstream.prepare().await;
        if self.upstream.text(&text) != text {
            let problem = "it contains a secret that the server was sent";
            return Err(ElicitationError::new(problem));
        }
        // The server writes the patterns that are compiled here.
        let parsed = tokio::task::spawn_blocking(move || Elicitation::parse(&params)).await;
        parsed.map_err(|_| ElicitationError::new("it cannot be read"))?
    }
}
