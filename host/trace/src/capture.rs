//! Cleans reports before they are stored or searched: every reported attribute, name and text passes here once.

use tollgate_model::capture::AttributeFilter;

use crate::store::Attributes;

/// The prefix of the gate's own attributes.
const OWN: &str = "tollgate.";
/// The prefix of a sender's attributes with such a name.
const THEIRS: &str = "reported.tollgate.";

/// The attributes of a reported span, event, link, log, resource or scope, as the configuration keeps them, without
/// secrets. Attributes with names of the gate's own are renamed.
#[must_use]
pub fn reported(attributes: Attributes, filter: &dyn AttributeFilter) -> Attributes {
    filter.attributes(renamed(attributes))
}

/// The name of a reported event; a name of the gate's own events is changed.
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
mod tests;
