//! What a server offers at one time, and how that differs from the accepted definitions.

use std::collections::BTreeMap;

use serde_json::Value;
use tollgate_model::canonical::Sha256Digest;

use super::{Definition, digest_of};

/// The most tools of a server.
pub const MAX_TOOLS: usize = 256;

/// The offer of a server: each tool with its definition, or why it cannot be used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Offer(BTreeMap<String, Result<Definition, String>>);

impl Offer {
    /// The entries of a `tools/list` result, all pages together. Tools beyond 256 are not looked at, and it is said how
    /// many those are.
    #[must_use]
    pub fn new(tools: &[Value]) -> Self {
        let mut offer = BTreeMap::new();
        for tool in tools.iter().take(MAX_TOOLS) {
            let (name, definition) = match Definition::read(tool) {
                Ok(definition) => (definition.name.clone(), Ok(definition)),
                Err((name, problem)) => (name, Err(problem)),
            };
            offer
                .entry(name)
                .and_modify(|twice| *twice = Err("two tools have this name".to_owned()))
                .or_insert(definition);
        }
        if let Some(surplus @ 1..) = tools.len().checked_sub(MAX_TOOLS) {
            let problem = format!(
                "only {MAX_TOOLS} tools of a server are taken; choose with `tools = [\"NAME\", ..]` in its table"
            );
            offer.insert(format!("({surplus} more)"), Err(problem));
        }
        Self(offer)
    }

    pub(super) fn get(&self, own_name: &str) -> Option<&Result<Definition, String>> {
        self.0.get(own_name)
    }

    /// The usable definitions, by the server's own names.
    #[must_use]
    pub fn definitions(&self) -> BTreeMap<String, Definition> {
        let usable = |(name, definition): (&String, &Result<Definition, String>)| {
            Some((name.clone(), definition.as_ref().ok()?.clone()))
        };
        self.0.iter().filter_map(usable).collect()
    }

    /// Tools that cannot be used, with reasons.
    #[must_use]
    pub fn left_out(&self) -> BTreeMap<String, String> {
        let unusable = |(name, definition): (&String, &Result<Definition, String>)| {
            Some((name.clone(), definition.as_ref().err()?.clone()))
        };
        self.0.iter().filter_map(unusable).collect()
    }
}

/// The server's offer now, compared with the accepted definitions.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Difference {
    /// Digest of the offer.
    pub digest: Sha256Digest,
    /// Digest of the accepted definitions; `None` if there are none.
    pub accepted: Option<Sha256Digest>,
    /// Tools that it offers and that were not accepted.
    pub added: Vec<Definition>,
    /// Tools whose definitions have changed: the accepted and the current definition.
    pub changed: Vec<(Definition, Definition)>,
    /// Accepted tools that it no longer offers.
    pub vanished: Vec<Definition>,
    /// Unchanged tools, by name.
    pub same: Vec<String>,
    /// Tools that cannot be used, with reasons.
    pub left_out: BTreeMap<String, String>,
}

impl Difference {
    /// The difference between the accepted definitions and the offer.
    #[must_use]
    pub fn between(accepted: Option<&BTreeMap<String, Definition>>, offer: &Offer) -> Self {
        let now = offer.definitions();
        let nothing = BTreeMap::new();
        let before = accepted.unwrap_or(&nothing);
        let (mut added, mut changed, mut same) = (Vec::new(), Vec::new(), Vec::new());
        for (name, definition) in &now {
            match before.get(name) {
                None => added.push(definition.clone()),
                Some(old) if old == definition => same.push(name.clone()),
                Some(old) => changed.push((old.clone(), definition.clone())),
            }
        }
        let gone =
            |(name, old): (&String, &Definition)| (!now.contains_key(name)).then(|| old.clone());
        Self {
            digest: digest_of(&now),
            accepted: accepted.map(digest_of),
            vanished: before.iter().filter_map(gone).collect(),
            left_out: offer.left_out(),
            added,
            changed,
            same,
        }
    }

    /// Whether the server offers exactly what was accepted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.accepted == Some(self.digest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool(name: &str, description: &str) -> Value {
        json!({"name": name, "description": description, "inputSchema": {"type": "object"}})
    }

    #[test]
    fn it_is_said_how_many_tools_are_not_taken() {
        let tools: Vec<Value> = (0..300).map(|n| tool(&format!("t{n}"), "")).collect();
        let offer = Offer::new(&tools);
        assert_eq!(offer.definitions().len(), MAX_TOOLS);
        let left_out = offer.left_out();
        assert!(
            left_out
                .get("(44 more)")
                .is_some_and(|why| why.contains("tools = ["))
        );
    }

    #[test]
    fn each_tool_stands_for_itself() {
        let before = Offer::new(&[tool("same", ""), tool("changed", "a"), tool("gone", "")]);
        let now = Offer::new(&[
            tool("same", ""),
            tool("changed", "b"),
            tool("new", ""),
            tool("twice", ""),
            tool("twice", ""),
            json!({"name": "bad", "inputSchema": {"properties": {"a": {"$ref": "#/$defs/Gone"}}}}),
            json!(7),
        ]);
        let difference = Difference::between(Some(&before.definitions()), &now);
        assert_eq!(difference.same, ["same"]);
        assert_eq!(difference.added.len(), 1);
        assert_eq!(difference.changed[0].1.description, "b");
        assert_eq!(difference.vanished[0].name, "gone");
        let left_out: Vec<&String> = difference.left_out.keys().collect();
        assert_eq!(left_out, ["", "bad", "twice"]);
        assert!(!difference.is_none());
        assert!(Difference::between(Some(&now.definitions()), &now).is_none());
        assert!(!Difference::between(None, &Offer::default()).is_none());
    }
}
