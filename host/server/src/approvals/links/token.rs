//! The text of a link: its id, and a proof over all that it is bound to. Only the gate's key makes the proof, so a
//! link can be sent again without being stored.

use tollgate::gate::{Gate, OperateError};
use tollgate_ledger::ApprovalLink;
use tollgate_model::time::Timestamp;

use super::super::proof::{Purpose, is_proved, prove};

/// How long a form that was shown may be sent, in microseconds.
const FORM_LASTS: u64 = 15 * 60 * 1_000_000;

/// What a link is bound to.
fn bound(link: &ApprovalLink) -> [String; 5] {
    [
        link.id.to_string(),
        link.approval.to_string(),
        link.arguments.to_string(),
        link.user.to_string(),
        link.expires.0.to_string(),
    ]
}

/// The text of a link.
pub(in super::super) fn text(gate: &Gate, link: &ApprovalLink) -> String {
    let bound = bound(link);
    let proof = prove(gate, Purpose::Link, &bound.each_ref().map(String::as_str));
    format!("{}.{proof}", link.id)
}

/// The link with this text; absent if this gate made no such link. It may not be usable any more.
///
/// # Errors
/// [`OperateError`] if the store cannot be read.
pub(super) fn find(gate: &Gate, text: &str) -> Result<Option<ApprovalLink>, OperateError> {
    let Some((id, proof)) = text.split_once('.') else {
        return Ok(None);
    };
    let Ok(id) = id.parse() else { return Ok(None) };
    let link = gate.approval_link(id)?;
    Ok(link.filter(|link| {
        let bound = bound(link);
        is_proved(
            gate,
            Purpose::Link,
            &bound.each_ref().map(String::as_str),
            proof,
        )
    }))
}

/// Whether a form may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormAge {
    /// It was shown a short time ago.
    Fresh,
    /// It was shown too long ago.
    Stale,
    /// This gate did not show it.
    Unknown,
}

/// A proof that the call of a link was shown at `now`, for the form that answers it.
pub(super) fn form(gate: &Gate, link: &ApprovalLink, now: Timestamp) -> String {
    let at = now.0.to_string();
    let proof = prove_form(gate, link, &at);
    format!("{at}.{proof}")
}

/// Whether `form` proves that the call of this link was shown recently.
pub(super) fn age(gate: &Gate, link: &ApprovalLink, form: &str, now: Timestamp) -> FormAge {
    let Some((at, proof)) = form.split_once('.') else {
        return FormAge::Unknown;
    };
    let bound = bound(link);
    let mut parts: Vec<&str> = bound.iter().map(String::as_str).collect();
    parts.push(at);
    let Ok(shown) = at.parse::<i64>() else {
        return FormAge::Unknown;
    };
    if !is_proved(gate, Purpose::Form, &parts, proof) {
        return FormAge::Unknown;
    }
    match Timestamp(shown).plus(FORM_LASTS) >= now {
        true => FormAge::Fresh,
        false => FormAge::Stale,
    }
}

fn prove_form(gate: &Gate, link: &ApprovalLink, at: &str) -> String {
    let bound = bound(link);
    let mut parts: Vec<&str> = bound.iter().map(String::as_str).collect();
    parts.push(at);
    prove(gate, Purpose::Form, &parts)
}
