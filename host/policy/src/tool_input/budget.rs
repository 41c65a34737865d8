//! Limits for the work of a validator.
//!
//! A validator compares each value with every schema that applies to it, and a schema can apply many times:
//! forty definitions, each with an `allOf` that refers to the previous one twice, apply 2^40 times. So the
//! evaluations of one value are bounded for each depth of the arguments, when the schema is accepted and
//! again for each call.

use std::collections::HashMap;

use serde_json::Value;
use tollgate_model::canonical::MAX_DEPTH;

use super::{
    ArgumentProblem, InputError,
    reference::{Document, REFERENCES, SchemaLocation},
};

/// The most schemas that one value near the root may be compared with, for a schema to be accepted.
const MAX_EVALUATIONS: u64 = 10_000;
/// The depth up to which a value is near the root.
const NEAR: usize = 3;
/// The most evaluations of all values of one call.
const MAX_CALL_EVALUATIONS: u64 = 1_000_000;

/// Keywords whose schemas apply to the value itself.
const IN_PLACE: &[&str] = &["allOf", "anyOf", "oneOf", "not", "if", "then", "else"];

/// Bounds for one schema.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    /// Evaluations of one value, by its depth.
    by_depth: Vec<u64>,
}

/// The parts of a schema that determine its cost. Numbers refer to other nodes.
#[derive(Debug, Default)]
struct Node {
    in_place: Vec<usize>,
    /// Schemas that can apply to the same member or item at once.
    members: Vec<Vec<usize>>,
}

impl Budget {
    /// The bounds for `schema`.
    ///
    /// # Errors
    /// [`InputError`] if it has a reference that cannot be resolved or forms a circle, or costs too much.
    pub(super) fn of(schema: &Value) -> Result<Self, InputError> {
        let document = Document::new(schema)?;
        let graph = Graph::of(&document)?;
        let order = graph.in_place_order()?;
        let mut by_depth = Vec::with_capacity(MAX_DEPTH + 1);
        let mut above: Vec<u64> = Vec::new();
        for depth in 0..=MAX_DEPTH {
            let mut costs = vec![0_u64; graph.nodes.len()];
            for &number in &order {
                let cost = graph.cost(number, depth, &costs, &above);
                if let Some(slot) = costs.get_mut(number) {
                    *slot = cost;
                }
            }
            let cost = costs.first().copied().unwrap_or(1);
            if depth <= NEAR && cost > MAX_EVALUATIONS {
                return Err(InputError::TooCostly {
                    limit: MAX_EVALUATIONS,
                });
            }
            by_depth.push(cost);
            above = costs;
        }
        Ok(Self { by_depth })
    }

    /// Whether these arguments can be compared with the schema in time.
    pub(super) fn check(&self, arguments: &Value) -> Result<(), ArgumentProblem> {
        let mut total = 0_u64;
        let mut left = vec![(arguments, 0_usize)];
        while let Some((value, depth)) = left.pop() {
            let cost = self.by_depth.get(depth).copied().unwrap_or(u64::MAX);
            total = total.saturating_add(cost);
            if total > MAX_CALL_EVALUATIONS {
                return Err(ArgumentProblem::new(
                    "",
                    "too many or too deeply nested values for this tool's schema; pass fewer",
                ));
            }
            match value {
                Value::Array(items) => left.extend(items.iter().map(|item| (item, depth + 1))),
                Value::Object(members) => {
                    left.extend(members.values().map(|member| (member, depth + 1)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The schemas of a document that can apply to a value.
struct Graph {
    nodes: Vec<Node>,
    locations: Vec<String>,
}

impl Graph {
    fn of(document: &Document<'_>) -> Result<Self, InputError> {
        let mut builder = Builder {
            document,
            numbers: HashMap::new(),
            nodes: Vec::new(),
            locations: Vec::new(),
            left: Vec::new(),
        };
        builder.number(document.root().clone());
        while let Some((number, at)) = builder.left.pop() {
            let node = builder.node(&at)?;
            if let Some(slot) = builder.nodes.get_mut(number) {
                *slot = node;
            }
        }
        Ok(Self {
            nodes: builder.nodes,
            locations: builder.locations,
        })
    }

    /// Evaluations at `depth` below a value to which the schema `number` applies.
    fn cost(&self, number: usize, depth: usize, costs: &[u64], above: &[u64]) -> u64 {
        let Some(node) = self.nodes.get(number) else {
            return 0;
        };
        let sum = |numbers: &[usize], of: &[u64]| {
            numbers
                .iter()
                .filter_map(|number| of.get(*number))
                .fold(0_u64, |sum, cost| sum.saturating_add(*cost))
        };
        let own = match depth {
            0 => 1,
            _ => node
                .members
                .iter()
                .map(|numbers| sum(numbers, above))
                .max()
                .unwrap_or(0),
        };
        own.saturating_add(sum(&node.in_place, costs))
    }

    /// The schemas in topological order: each comes after those that it applies in place.
    fn in_place_order(&self) -> Result<Vec<usize>, InputError> {
        #[derive(Clone, Copy, PartialEq)]
        enum Visit {
            Not,
            Open,
            Done,
        }
        let mut visits = vec![Visit::Not; self.nodes.len()];
        let mut order = Vec::with_capacity(self.nodes.len());
        for start in 0..self.nodes.len() {
            let mut stack = vec![(start, 0_usize)];
            while let Some((number, next)) = stack.pop() {
                let (Some(node), Some(visit)) = (self.nodes.get(number), visits.get_mut(number))
                else {
                    continue;
                };
                if next == 0 {
                    match *visit {
                        Visit::Done => continue,
                        Visit::Open => {
                            return Err(InputError::Circular {
                                pointer: self.locations.get(number).cloned().unwrap_or_default(),
                            });
                        }
                        Visit::Not => *visit = Visit::Open,
                    }
                }
                match node.in_place.get(next) {
                    Some(below) => {
                        stack.push((number, next + 1));
                        stack.push((*below, 0));
                    }
                    None => {
                        *visit = Visit::Done;
                        order.push(number);
                    }
                }
            }
        }
        Ok(order)
    }
}

struct Builder<'d, 'a> {
    document: &'d Document<'a>,
    /// By the address of the schema.
    numbers: HashMap<usize, usize>,
    nodes: Vec<Node>,
    locations: Vec<String>,
    left: Vec<(usize, SchemaLocation<'a>)>,
}

impl<'a> Builder<'_, 'a> {
    fn number(&mut self, at: SchemaLocation<'a>) -> usize {
        let address = std::ptr::from_ref(at.schema).addr();
        if let Some(known) = self.numbers.get(&address) {
            return *known;
        }
        let number = self.nodes.len();
        self.numbers.insert(address, number);
        self.nodes.push(Node::default());
        self.locations.push(at.location.clone());
        self.left.push((number, at));
        number
    }

    fn numbers(&mut self, schemas: impl IntoIterator<Item = SchemaLocation<'a>>) -> Vec<usize> {
        let schemas = schemas.into_iter();
        schemas.map(|at| self.number(at)).collect()
    }

    fn node(&mut self, at: &SchemaLocation<'a>) -> Result<Node, InputError> {
        let mut in_place = Vec::new();
        for keyword in REFERENCES {
            if let Some(reference) = at.schema.get(*keyword).and_then(Value::as_str) {
                let target = self.document.resolve(reference, &at.location)?;
                in_place.push(self.number(target));
            }
        }
        for keyword in IN_PLACE {
            let schemas = schemas_at(at, keyword);
            in_place.extend(self.numbers(schemas));
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            let schemas = at.each(keyword).into_iter().map(|(_, at)| at);
            in_place.extend(self.numbers(schemas.filter(|at| at.schema.is_object())));
        }
        let patterns: Vec<SchemaLocation<'a>> = at
            .each("patternProperties")
            .into_iter()
            .map(|(_, at)| at)
            .collect();
        let patterns = self.numbers(patterns);
        let mut members = Vec::new();
        for (_, property) in at.each("properties") {
            let mut both = patterns.clone();
            both.push(self.number(property));
            members.push(both);
        }
        let mut others = patterns;
        others.extend(self.at_once(at, &["additionalProperties", "unevaluatedProperties"]));
        members.push(others);
        let always = self.at_once(at, &["contains", "unevaluatedItems", "additionalItems"]);
        let tuple =
            ["prefixItems", "items"]
                .into_iter()
                .flat_map(|keyword| match at.schema.get(keyword) {
                    Some(Value::Array(_)) => at.each(keyword),
                    _ => Vec::new(),
                });
        for (_, item) in tuple {
            let mut both = always.clone();
            both.push(self.number(item));
            members.push(both);
        }
        let mut items = always;
        if at.schema.get("items").is_some_and(Value::is_object) {
            items.extend(self.at_once(at, &["items"]));
        }
        members.push(items);
        Ok(Node { in_place, members })
    }

    fn at_once(&mut self, at: &SchemaLocation<'a>, keywords: &[&str]) -> Vec<usize> {
        let schemas: Vec<SchemaLocation<'a>> = keywords
            .iter()
            .filter_map(|keyword| at.keyword(keyword))
            .filter(|at| at.schema.is_object())
            .collect();
        self.numbers(schemas)
    }
}

/// The schema, or the list of schemas, at a keyword.
fn schemas_at<'a>(at: &SchemaLocation<'a>, keyword: &str) -> Vec<SchemaLocation<'a>> {
    match at.schema.get(keyword) {
        Some(Value::Array(_)) => at.each(keyword).into_iter().map(|(_, at)| at).collect(),
        Some(Value::Object(_)) => at.keyword(keyword).into_iter().collect(),
        _ => Vec::new(),
    }
}
