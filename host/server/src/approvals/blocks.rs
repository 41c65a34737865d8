//! Messages in Slack's Block Kit.

use serde_json::{Value, json};
use tollgate::{config::SlackConfig, gate::Gate};
use tollgate_model::ids::ApprovalId;

use super::button::{self, Audience, Verb};
use crate::reply::ApprovalView;

/// The most characters of a text in a block. Slack accepts 3000.
const MAX_TEXT: usize = 2900;
/// The most blocks of text. Slack accepts 50 blocks.
const MAX_BLOCKS: usize = 40;
/// The most characters of arguments that are shown in Slack.
const MAX_ARGUMENTS: usize = 12_000;

/// Blocks with `text`, which is in Slack's mark-up.
pub(super) fn text(text: &str) -> Vec<Value> {
    let block =
        |text: String| json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } });
    let mut pieces: Vec<String> = vec![String::new()];
    for line in text.lines() {
        let line = shortened(line);
        match pieces.last_mut() {
            Some(piece) if piece.len() + line.len() < MAX_TEXT => {
                if !piece.is_empty() {
                    piece.push('\n');
                }
                piece.push_str(&line);
            }
            _ => pieces.push(line),
        }
    }
    pieces.into_iter().take(MAX_BLOCKS).map(block).collect()
}

/// A line that fits into a block. An entity of the mark-up is not cut.
fn shortened(line: &str) -> String {
    if line.len() < MAX_TEXT {
        return line.to_owned();
    }
    let mut end = MAX_TEXT - '…'.len_utf8() - 1;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let kept = line.get(..end).unwrap_or_default();
    let kept = match kept.rfind('&') {
        Some(start) if !kept.get(start..).is_some_and(|entity| entity.contains(';')) => {
            kept.get(..start).unwrap_or_default()
        }
        _ => kept,
    };
    format!("{kept}…")
}

/// The buttons of a request, for everyone who reads the channel.
pub(super) fn request_buttons(gate: &Gate, config: &SlackConfig, view: &ApprovalView) -> Value {
    let verbs: &[Verb] = match config.show_arguments {
        true => &[Verb::Show, Verb::Reject],
        false => &[Verb::Approve, Verb::Reject],
    };
    button::block(gate, view, verbs, Audience::Channel)
}

/// The whole arguments of a call, or of all calls of its question, for one user, with buttons. Without the one to
/// approve if the arguments do not fit.
pub(super) fn arguments(
    gate: &Gate,
    view: &ApprovalView,
    arguments: &[(ApprovalId, &str)],
    user: &str,
) -> Vec<Value> {
    let length = |(_, text): &(ApprovalId, &str)| text.chars().count();
    let whole = arguments.iter().map(length).sum::<usize>() <= MAX_ARGUMENTS;
    let mut blocks = match (whole, arguments) {
        (true, [(_, only)]) => preformatted(only),
        (true, several) => several
            .iter()
            .flat_map(|(id, one)| {
                text(&format!("`{id}`"))
                    .into_iter()
                    .chain(preformatted(one))
            })
            .collect(),
        (false, _) => text(&format!(
            "The arguments are too long for Slack. See them whole, and answer, with `tollgate approvals show {}`.",
            view.id
        )),
    };
    let verbs: &[Verb] = match whole {
        true => &[Verb::Approve, Verb::Reject],
        false => &[Verb::Reject],
    };
    let audience = Audience::User(user);
    blocks.push(button::block(gate, view, verbs, audience));
    blocks
}

/// Blocks with `text` as it is: such blocks have no mark-up.
fn preformatted(text: &str) -> Vec<Value> {
    let characters: Vec<char> = text.chars().collect();
    let pieces = characters.chunks(MAX_TEXT).map(|piece| {
        let piece: String = piece.iter().collect();
        json!({ "type": "rich_text", "elements": [{
            "type": "rich_text_preformatted",
            "elements": [{ "type": "text", "text": piece }],
        }]})
    });
    pieces.collect()
}

#[cfg(test)]
mod tests;
