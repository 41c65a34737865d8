//! The options of `tollgate approvals approve` that make a standing approval.

use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::commands::time_arg;

/// What is approved besides the call that waits.
#[derive(Debug, Args)]
pub(crate) struct Terms {
    /// Approve the calls like this one as well, for this long: 30m, 8h.
    #[arg(long, value_name = "TIME", value_parser = time_arg::duration, requires = "uses")]
    standing: Option<Duration>,
    /// How many more calls the standing approval may allow.
    #[arg(long, value_name = "N", requires = "standing")]
    uses: Option<u64>,
    /// What may differ from this call: `/amount=at-most:500`, `/path=prefix:/srv/docs/`,
    /// `/currency=one-of:["EUR","USD"]`, `/reason=any`. All else is as in this call.
    #[arg(long, value_name = "ARGUMENT", value_parser = difference, requires = "standing")]
    differ: Vec<(String, Value)>,
    /// Let it count in other runs, too.
    #[arg(long, requires = "standing")]
    any_run: bool,
}

impl Terms {
    /// The member `standing` of an answer; `None` if this call alone is approved.
    pub(super) fn body(&self) -> Option<Value> {
        let lifetime = self.standing?;
        let scope = if self.any_run { "principal" } else { "run" };
        let arguments: Map<String, Value> = self.differ.iter().cloned().collect();
        Some(json!({
            "arguments": arguments, "lifetime": lifetime.as_secs(), "scope": scope, "uses": self.uses,
        }))
    }

    /// What is agreed to, for the question.
    pub(super) fn prompt(&self) -> String {
        match (self.standing, self.uses) {
            (Some(lifetime), Some(uses)) => format!(
                "Let this happen once, and up to {uses} calls like it within {}?",
                crate::units::duration(u64::try_from(lifetime.as_micros()).unwrap_or(u64::MAX))
            ),
            _ => "Let exactly this happen, once?".into(),
        }
    }
}

/// An argument that may differ, and how.
fn difference(text: &str) -> Result<(String, Value), String> {
    let form = "write it as /amount=at-most:500, /path=prefix:/srv/docs/, /currency=one-of:[\"EUR\"] or /reason=any";
    let (pointer, how) = text
        .split_once('=')
        .filter(|(pointer, _)| pointer.starts_with('/'))
        .ok_or(form)?;
    let allowance = match how.split_once(':') {
        None if how == "any" => json!("any"),
        Some(("prefix", prefix)) => json!({ "prefix": prefix }),
        Some(("at-most", most)) => {
            let most: serde_json::Number = most
                .parse()
                .map_err(|_| format!("`{most}` is not a number; {form}"))?;
            json!({ "at_most": most })
        }
        Some(("one-of", values)) => {
            let values: Vec<Value> = serde_json::from_str(values)
                .map_err(|_| format!("`{values}` is not a JSON array; {form}"))?;
            json!({ "one_of": values })
        }
        _ => return Err(form.into()),
    };
    Ok((pointer.to_owned(), allowance))
}

#[cfg(test)]
mod tests;
