//! What is kept of that which others report: every attribute, name and text that comes in passes here, once,
//! before anything is stored or searched.

use tollgate_model::capture::AttributeFilter;

use crate::store::Attributes;

/// The prefix of the gate's own attributes.
const OWN: &str = "tollgate.";
/// The prefix under which a sender's attributes of that name are kept.
const THEIRS: &str = "reported.tollgate.";

/// What is kept of a reported span's, event's, link's, log's, resource's or scope's attributes: what the
/// configuration says, and no secrets. What claims to be the gate's is kept under another name.
#[must_use]
pub fn reported(attributes: Attributes, filter: &dyn AttributeFilter) -> Attributes {
    filter.attributes(renamed(attributes))
}

/// The name of a reported event: none claims to be the gate's.
#[must_use]
pub fn event_name(name: String) -> String {
    match name.strip_prefix(OWN) {
        Some(rest) => format!("{THEIRS}{rest}"),
        None => name,
    }
}

fn renamed(attributes: Attributes) -> Attributes {
    if !attributes.keys().any(|name| name.starts_with(OWN)) {
        return attributes;
    }
    attributes
        .into_iter()
        .map(|(name, value)| match name.strip_prefix(OWN) {
            Some(rest) => (format!("{THEIRS}{rest}"), value),
            None => (name, value),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reported_attributes_cannot_pass_for_the_gates() {
        let given = json!({"tollgate.decision.outcome": "allow", "tollgate": 1, "a.tollgate.b": 2, "gen_ai.system": "x"});
        let serde_json::Value::Object(given) = given else {
            unreachable!()
        };
        let kept = serde_json::Value::Object(renamed(given));
        assert_eq!(
            kept,
            json!({"reported.tollgate.decision.outcome": "allow", "tollgate": 1, "a.tollgate.b": 2, "gen_ai.system": "x"})
        );
    }
}
