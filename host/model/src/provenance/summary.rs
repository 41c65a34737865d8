//! What a record keeps of a call's provenance: pointers, origins and places, and no content.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use super::{DeclaredNames, Origin, Place, ProvenanceFacts, Source, ValueOrigin};
use crate::text::printable;

/// The most values that a record has: those with a role, and the least safe, come first.
pub const MAX_RECORDED: usize = 32;
/// The most sources that it has of a value.
const MAX_SOURCES: usize = 2;
/// The longest shown pointer, in bytes.
const MAX_POINTER: usize = 120;
/// The longest shown name of a tool, in bytes.
const MAX_TOOL: usize = 64;

/// Where the values of a call came from, as its record keeps it.
///
/// Bounded, and without content: names of members that no one declares are `*`. All of it is in the sealed facts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProvenanceSummary {
    /// Whether the user's request has a word that asks for the tool.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
    /// Whether the user's request and everything that was read were seen.
    pub known: bool,
    /// Whether the user's request is known.
    pub request: bool,
    /// How many more values there were.
    #[serde(skip_serializing_if = "is_zero")]
    pub omitted: u64,
    /// The least safe origin of each argument with a role.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub sinks: BTreeSet<Origin>,
    /// The values, by pointer.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, ValueOrigin>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ProvenanceFacts {
    /// What the record keeps of it. `arguments` are the names that the tool's arguments declare, `results` those
    /// of another tool's results. `None` if nothing was known or found.
    pub fn summary<'a>(
        &self,
        arguments: &DeclaredNames,
        results: impl Fn(&str) -> Option<&'a DeclaredNames>,
    ) -> Option<ProvenanceSummary> {
        let is_found = |value: &ValueOrigin| value.origin != Origin::Model;
        if !self.known && !self.values.values().any(is_found) {
            return None;
        }
        let mut ranked: Vec<(&String, &ValueOrigin)> = self.values.iter().collect();
        ranked.sort_by_key(|(_, value)| std::cmp::Reverse((value.role.is_some(), value.origin)));
        let mut values: BTreeMap<String, ValueOrigin> = BTreeMap::new();
        for (pointer, value) in ranked.iter().take(MAX_RECORDED) {
            let own = ValueOrigin {
                sources: redacted(&value.sources, &results),
                ..(*value).clone()
            };
            let held = values
                .entry(arguments.redact(pointer))
                .or_insert_with(|| own.clone());
            // Of values that share a pointer now, the least safe one counts.
            if held.origin < own.origin {
                *held = own;
            }
        }
        Some(ProvenanceSummary {
            asked: self.asked,
            known: self.known,
            request: self.request,
            omitted: ranked.len().saturating_sub(MAX_RECORDED) as u64,
            sinks: self.sinks.clone(),
            values,
        })
    }
}

/// The first sources, with pointers that have no content.
fn redacted<'a>(
    sources: &[Source],
    names: &impl Fn(&str) -> Option<&'a DeclaredNames>,
) -> Vec<Source> {
    let none = DeclaredNames::default();
    let place = |place: &Place| Place {
        pointer: names(&place.tool).unwrap_or(&none).redact(&place.pointer),
        ..place.clone()
    };
    let sources = sources.iter().take(MAX_SOURCES);
    let redacted = sources.map(|source| Source {
        origin: source.origin,
        place: source.place.as_ref().map(place),
    });
    redacted.collect()
}

impl ProvenanceFacts {
    /// A sentence for each value, the least safe first, and one if not everything is known. Pointers may have
    /// content.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        sentences(&self.values, 0, (self.request, self.known))
    }
}

impl ProvenanceSummary {
    /// A sentence for each value, the least safe first, and one for what is not known or left out.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        sentences(&self.values, self.omitted, (self.request, self.known))
    }

    /// Each value with its origin in two words, in the order of the pointers.
    #[must_use]
    pub fn marks(&self) -> Vec<String> {
        let values = self.values.iter();
        let mark = |(pointer, value): (&String, &ValueOrigin)| {
            format!("{} {}", shown(pointer, MAX_POINTER), value.origin)
        };
        values.map(mark).collect()
    }

    /// Each place that a value was read from, with the value's pointer and the origin that the place gives it.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let mut places = Vec::new();
        for (pointer, value) in &self.values {
            for source in &value.sources {
                if let Some(place) = &source.place {
                    let pointer = shown(pointer, MAX_POINTER);
                    places.push(format!("{pointer} {}: {place}", source.origin));
                }
            }
        }
        places
    }
}

fn sentences(
    values: &BTreeMap<String, ValueOrigin>,
    omitted: u64,
    (request, known): (bool, bool),
) -> Vec<String> {
    let mut ranked: Vec<(&String, &ValueOrigin)> = values.iter().collect();
    ranked.sort_by_key(|(_, value)| std::cmp::Reverse((value.origin, value.role.is_some())));
    let values = ranked.into_iter();
    let mut sentences: Vec<String> = values
        .map(|(pointer, value)| value.sentence(pointer))
        .collect();
    if omitted > 0 {
        sentences.push(format!("{omitted} more values are not named here"));
    }
    // Where everything is known, the request is.
    if !request && !known {
        sentences.push("what the user asked for is not known".into());
    } else if !known {
        sentences.push("not everything that the run has read was seen".into());
    }
    sentences
}

impl ValueOrigin {
    /// Where the value at this pointer of the arguments comes from, as a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self, pointer: &str) -> String {
        let what = match self.role {
            Some(role) => format!("{} {}", role.as_str(), shown(pointer, MAX_POINTER)),
            None => format!("value {}", shown(pointer, MAX_POINTER)),
        };
        let of = |origin: Origin| {
            let mut sources = self.sources.iter();
            sources.find_map(|source| source.place.as_ref().filter(|_| source.origin == origin))
        };
        match (self.origin, of(self.origin)) {
            (Origin::User, _) => format!("the {what} is in the user's request"),
            (Origin::Operator, _) => format!("the {what} is in the operator's configuration"),
            (Origin::Trusted, place) => {
                let field = place.map_or_else(String::new, |place| format!(", {place}"));
                let echo = of(Origin::Untrusted);
                let echo = echo.map_or_else(String::new, |place| {
                    format!("; strangers name it, too, in {place}")
                });
                format!("the {what} is from a trusted field{field}{echo}")
            }
            (Origin::Model, _) => format!("the {what} was made by the model"),
            (Origin::Untrusted, Some(place)) => {
                format!("the {what} first appeared in {place} (untrusted)")
            }
            (Origin::Untrusted, None) => {
                format!("the {what} is untrusted: it cannot be looked up")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tool = shown(&self.tool, MAX_TOOL);
        let field = match self.pointer.as_str() {
            "" => "text".to_owned(),
            pointer => shown(pointer, MAX_POINTER),
        };
        write!(f, "{tool}'s {field}, step {}", self.step)
    }
}

/// Foreign text in one line.
fn shown(text: &str, max: usize) -> String {
    printable(text, max).replace(['\n', '\t'], " ")
}

#[cfg(test)]
mod tests;
