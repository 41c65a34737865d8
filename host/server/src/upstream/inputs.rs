//! Input that a server requires before it answers (MCP 2026-07-28, Multi Round-Trip Requests): its questions are put to
//! people, and the request is sent again with what they gave. This continues the call that was decided: the first
//! request has been answered, and nothing is repeated whose outcome is not known.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rmcp::model::InputResponses;
use serde_json::{Map, Value};
use tollgate::{
    text::printable,
    upstream::{CallInterruption, CallResult, Elicitor, Stop},
};

use super::wire::ELICITATION;

/// How often a server may ask before it answers.
pub(super) const MAX_ROUNDS: u32 = 8;
/// The most questions at a time.
const MAX_QUESTIONS: usize = 8;
/// The most bytes of a question's key.
const MAX_KEY: usize = 256;
/// The most bytes of the server's state.
const MAX_STATE: usize = 64 << 10;
/// How long the request of a server that only wants it again waits; it doubles each time.
const PAUSE: Duration = Duration::from_millis(100);

/// What people gave, and what the server wants back.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    pub(super) responses: Option<InputResponses>,
    pub(super) state: Option<String>,
}

/// What a server requires.
#[derive(Debug, PartialEq)]
struct RequiredInput {
    /// Parameters of questions, by the server's keys.
    questions: BTreeMap<String, Value>,
    state: Option<String>,
}

/// Whether a result says that input is required.
pub(super) fn is_input_required(result: &Value) -> bool {
    result
        .get("resultType")
        .is_some_and(|kind| kind == "input_required")
}

impl RequiredInput {
    /// Reads a result that requires input.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(result: &Value) -> Result<Self, String> {
        let state = match result.get("requestState") {
            None => None,
            Some(Value::String(state)) if state.len() <= MAX_STATE => Some(state.clone()),
            Some(_) => return Err("its state is not usable".into()),
        };
        let none = Map::new();
        let requests = match result.get("inputRequests") {
            None => &none,
            Some(Value::Object(requests)) => requests,
            Some(_) => return Err("its requests are not an object".into()),
        };
        if requests.is_empty() && state.is_none() {
            return Err("it does not say what for".into());
        }
        if requests.len() > MAX_QUESTIONS {
            return Err(format!("it asks more than {MAX_QUESTIONS} questions at once"));
        }
        let mut questions = BTreeMap::new();
        for (key, request) in requests {
            let method = request.get("method").and_then(Value::as_str);
            if method != Some(ELICITATION) {
                let method = printable(method.unwrap_or("nothing"), 100);
                return Err(format!("it asks for `{method}`, which this gate refuses"));
            }
            if key.len() > MAX_KEY {
                return Err("a key of its requests is too long".into());
            }
            let params = request.get("params").cloned().unwrap_or_default();
            questions.insert(key.clone(), params);
        }
        Ok(Self { questions, state })
    }
}

/// Puts to people what a result requires. `round` counts the results before it.
///
/// # Errors
/// How the call ended, if not with answers.
pub(super) async fn answers(
    elicitor: &Arc<Elicitor>,
    result: &Value,
    round: u32,
    stop: &mut Stop,
) -> Result<Inputs, CallResult> {
    let unusable =
        |why: String| CallResult::Unusable(format!("the server asks for input, and {why}"));
    let RequiredInput { questions, state } = RequiredInput::parse(result).map_err(unusable)?;
    if questions.is_empty() {
        let pause = PAUSE.saturating_mul(1 << round.min(MAX_ROUNDS));
        tokio::select! {
            biased;
            stopped = stop.wait() => return Err(CallResult::Stopped(stopped)),
            () = tokio::time::sleep(pause) => {}
        }
        return Ok(Inputs {
            responses: None,
            state,
        });
    }
    // Each in a task of its own: a question that is given up is still recorded to its end.
    let asked: Vec<_> = questions
        .into_iter()
        .map(|(key, params)| {
            let elicitor = Arc::clone(elicitor);
            let asking = async move { elicitor.elicit(params, std::future::pending()).await };
            (key, tokio::spawn(asking))
        })
        .collect();
    let mut responses = InputResponses::new();
    for (key, asking) in asked {
        let answer = tokio::select! {
            biased;
            stopped = stop.wait() => return Err(CallResult::Stopped(stopped)),
            answer = asking => answer,
        };
        match answer {
            Ok(Ok(answer)) => drop(responses.insert(key, answer.to_json())),
            Ok(Err(error)) => return Err(unusable(format!("it cannot be carried: {error}"))),
            Err(_) => return Err(CallResult::Stopped(CallInterruption::Timeout)),
        }
    }
    Ok(Inputs {
        responses: Some(responses),
        state,
    })
}

#[cfg(test)]
mod tests;
