//! Buttons: what pressing one means, proved to be made by this gate.

use serde_json::{Map, Value, json};
use tollgate::gate::Gate;
use tollgate_model::ids::ApprovalId;

use super::proof::{Purpose, is_proved, prove};
use crate::reply::ApprovalView;

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Approve,
    Reject,
    /// Shows the arguments to the person who pressed it.
    Show,
    /// Approves all calls of the question.
    ApproveAll,
    RejectAll,
    /// Shows the arguments of all calls of the question.
    ShowAll,
}

impl Verb {
    const ALL: [Self; 6] = [
        Self::Approve,
        Self::Reject,
        Self::Show,
        Self::ApproveAll,
        Self::RejectAll,
        Self::ShowAll,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Show => "show",
            Self::ApproveAll => "approve_all",
            Self::RejectAll => "reject_all",
            Self::ShowAll => "show_all",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Reject => "Deny",
            Self::Show => "Show arguments",
            Self::ApproveAll => "Approve all",
            Self::RejectAll => "Deny all",
            Self::ShowAll => "Show all arguments",
        }
    }

    /// What it does to a question: to one call, or to all of them if the question has others.
    pub(super) fn of_question(self, is_of_several: bool) -> Self {
        match self {
            Self::Approve if is_of_several => Self::ApproveAll,
            Self::Reject if is_of_several => Self::RejectAll,
            Self::Show if is_of_several => Self::ShowAll,
            other => other,
        }
    }

    /// What a person agrees to before it counts.
    fn confirmation(self) -> Option<&'static str> {
        match self {
            Self::Approve => Some("Let exactly this happen, once?"),
            Self::ApproveAll => Some("Let exactly these calls happen, each once?"),
            Self::Reject | Self::RejectAll | Self::Show | Self::ShowAll => None,
        }
    }
}

/// A button of a message: about an approval, as it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Button {
    pub(super) verb: Verb,
    pub(super) approval: ApprovalId,
    /// Digest of the call, or of the question with all its calls.
    pub(super) digest: String,
}

/// For whom a button is: everyone who reads the channel, or one user, to whom alone its message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience<'a> {
    Channel,
    User(&'a str),
}

impl Audience<'_> {
    fn name(self) -> String {
        match self {
            Self::Channel => "channel".into(),
            Self::User(user) => format!("user {user}"),
        }
    }
}

impl Button {
    /// The value that comes back when it is pressed.
    pub(super) fn value(&self, gate: &Gate, audience: Audience<'_>) -> String {
        let (verb, id) = (self.verb.name(), self.approval.to_string());
        let parts = [verb, &id, &self.digest, &audience.name()];
        let proof = prove(gate, Purpose::Button, &parts);
        format!("{verb} {id} {} {proof}", self.digest)
    }

    /// The button with this value, which `user` has pressed; absent if this gate did not make it, or made it for
    /// another user.
    pub(super) fn pressed(gate: &Gate, value: &str, user: &str) -> Option<Self> {
        let mut words = value.split(' ');
        let (verb, id, digest, proof) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        let audiences = [Audience::Channel, Audience::User(user)];
        let proved = audiences.into_iter().any(|audience| {
            let parts = [verb, id, digest, &audience.name()];
            is_proved(gate, Purpose::Button, &parts, proof)
        });
        let known = Verb::ALL.into_iter().find(|known| known.name() == verb);
        known.filter(|_| proved).and_then(|verb| {
            Some(Self {
                verb,
                approval: id.parse().ok()?,
                digest: digest.to_owned(),
            })
        })
    }

    /// The button as an element of a block.
    fn element(&self, gate: &Gate, audience: Audience<'_>) -> Value {
        let mut element = Map::from_iter([
            ("type".to_owned(), json!("button")),
            (
                "action_id".to_owned(),
                json!(format!("tollgate_{}", self.verb.name())),
            ),
            (
                "text".to_owned(),
                json!({ "type": "plain_text", "text": self.verb.label() }),
            ),
            ("value".to_owned(), json!(self.value(gate, audience))),
        ]);
        if let Some(text) = self.verb.confirmation() {
            element.insert("style".to_owned(), json!("primary"));
            let confirm = json!({
                "title": { "type": "plain_text", "text": self.verb.label() },
                "text": { "type": "plain_text", "text": text },
                "confirm": { "type": "plain_text", "text": self.verb.label() },
                "deny": { "type": "plain_text", "text": "Cancel" },
            });
            element.insert("confirm".to_owned(), confirm);
        }
        if matches!(self.verb, Verb::Reject | Verb::RejectAll) {
            element.insert("style".to_owned(), json!("danger"));
        }
        Value::Object(element)
    }
}

/// A block with a button for each verb: about the call, or about all calls of its question as the view lists them.
pub(super) fn block(
    gate: &Gate,
    view: &ApprovalView,
    verbs: &[Verb],
    audience: Audience<'_>,
) -> Value {
    let question = view.question_digest.as_ref();
    let elements = verbs.iter().map(|verb| {
        let button = Button {
            verb: verb.of_question(question.is_some()),
            approval: view.id,
            digest: question.unwrap_or(&view.digest).clone(),
        };
        button.element(gate, audience)
    });
    json!({ "type": "actions", "elements": elements.collect::<Vec<_>>() })
}
