//! Texts of answers for the caller: safe and useful, without hints how to circumvent a denial.

use tollgate_model::{decision::Basis, record::Status};

use super::{Answer, Verdict};
use crate::{enforce::Refusal, text::printable};

impl Answer {
    /// The text for the caller; `None` for a result, which needs none.
    #[must_use]
    pub fn message(&self) -> Option<String> {
        let message = self.own_message()?;
        Some(match self.notice() {
            Some(notice) => format!("{message} {notice}"),
            None => message,
        })
    }

    /// What the caller has to know of a call that ran with other arguments than its own.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        let edit = self.edit.as_ref()?;
        let pointers: Vec<&str> = edit.pointers.iter().map(String::as_str).collect();
        Some(format!(
            "[A person changed {} of this call before approving it. It ran with these arguments: {}]",
            printable(&pointers.join(", "), 500),
            printable(&edit.arguments, usize::MAX),
        ))
    }

    fn own_message(&self) -> Option<String> {
        match &self.verdict {
            Verdict::Released { .. } => None,
            Verdict::ToolError(failure) => Some(failure.message.clone()),
            Verdict::Withheld { decision, basis } => Some(format!(
                "The tool ran, but its result is withheld: {} Do not retry. ({}decision {decision})",
                basis.reason(),
                policies(basis),
            )),
            Verdict::Refused(refusal) => Some(refusal.message()),
            Verdict::Ended { status, effects } => Some(ended(*status, *effects)),
        }
    }
}

impl Refusal {
    /// The text for a person who operates the gate. Unlike an agent, they decide themselves whether to try
    /// again.
    #[must_use]
    pub fn message_for_person(&self) -> String {
        match self {
            Self::Denied { decision, basis } | Self::Undecidable { decision, basis } => format!(
                "you may not do this: {} ({}decision {decision})",
                basis.reason(),
                policies(basis),
            ),
            Self::Unrecorded { reason } => {
                format!("this was not done, because it could not be recorded: {reason}")
            }
            other => other.message(),
        }
    }

    /// The text for the caller.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Denied { decision, basis } | Self::Undecidable { decision, basis } => format!(
                "Denied: {} Do not retry it unchanged. ({}decision {decision})",
                basis.reason(),
                policies(basis),
            ),
            Self::Pending {
                decision,
                basis,
                approval,
                requirement,
                happened,
                ..
            } => format!(
                "Waiting for {requirement}: {} Pending approval {approval}; repeat the identical call to resume \
                 once it is approved.{} ({}decision {decision})",
                basis.reason(),
                effects_so_far(happened),
                policies(basis),
            ),
            Self::TooManyPending { decision, most } => format!(
                "Denied: this needs an approval, and {most} of your calls already wait for one. Try again when some are \
                 answered. (decision {decision})"
            ),
            Self::Rejected { approval, until } => format!(
                "Denied: a person rejected this call. It stays denied until {until}; do not retry it. ({approval})"
            ),
            Self::UnknownTool { tool, nearest } => format!(
                "Not called: there is no tool `{tool}`.{}",
                did_you_mean(nearest.as_deref())
            ),
            Self::Invalid { problem, nearest } => {
                let end = if problem.ends_with('?') { "" } else { "." };
                let near = did_you_mean(nearest.as_deref());
                format!("Not called: {problem}{end}{near}")
            }
            Self::Halted { reason } => format!("Denied: {reason}. Do not retry it."),
            Self::RunEnded => "Denied: this run has ended. Begin a new one.".into(),
            Self::Unrecorded { reason } => {
                format!("Denied, because it could not be recorded: {reason}.")
            }
        }
    }
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |near| format!(" Did you mean `{near}`?"))
}

fn policies(basis: &Basis) -> String {
    let ids: Vec<&str> = basis.ids().collect();
    match ids.len() {
        0 => String::new(),
        1 => format!("policy {}, ", ids.join("")),
        _ => format!("policies {}, ", ids.join(", ")),
    }
}

/// The effects of a suspended call before it was stopped.
fn effects_so_far(happened: &[String]) -> String {
    match happened {
        [] => String::new(),
        _ => format!(
            " It was stopped in the middle and will run again from the beginning; already done: {}.",
            happened.join("; ")
        ),
    }
}

fn ended(status: Status, effects: bool) -> String {
    let what = match status {
        Status::Trap => "The tool crashed.",
        Status::Timeout => "The tool ran out of time.",
        Status::FuelExhausted => "The tool used up its computing budget.",
        Status::MemoryExhausted => "The tool asked for more memory than it may have.",
        Status::Halted => "An operator halted it.",
        Status::Ok | Status::ToolError | Status::Pending | Status::Indeterminate => {
            "Its outcome is not known."
        }
    };
    if effects || status == Status::Indeterminate {
        format!(
            "{what} Some of its effects may have happened: do not retry before a person has checked."
        )
    } else {
        format!("{what} Nothing was changed.")
    }
}
