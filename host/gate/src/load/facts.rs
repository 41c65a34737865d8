//! Whether history facts name tools, labels and arguments that exist.

use std::sync::Arc;

use serde_json::Value;
use tollgate_policy::policy::nearest;

use super::LoadError;
use crate::{
    config::Config,
    history::{Dimension, Field, HistoryFact, Pointer, matches},
    tool::{Feature, Tool, Tools},
};

/// Requires that what facts name exists.
pub(super) fn check(config: &Config, tools: &Tools, others: &Tools) -> Result<(), LoadError> {
    for fact in config.facts.values() {
        let check = FactCheck {
            config,
            fact,
            tools,
            others,
        };
        check.names()?;
        check.labels()?;
        check.places()?;
        check.arguments()?;
    }
    Ok(())
}

struct FactCheck<'a> {
    config: &'a Config,
    fact: &'a HistoryFact,
    tools: &'a Tools,
    others: &'a Tools,
}

impl<'a> FactCheck<'a> {
    fn error(&self, key: &'static str, problem: String, near: Option<&str>) -> LoadError {
        LoadError::Fact {
            fact: self.fact.name.clone(),
            key,
            problem,
            near: near.map(str::to_owned),
            file: self.config.file.clone(),
            line: self.fact.line,
        }
    }

    fn callables(&self) -> impl Iterator<Item = &'a Arc<Tool>> {
        self.tools.values().chain(self.others.values())
    }

    /// Whether a tool of this name may be there: a server that was not reached offers nothing yet.
    fn may_exist(&self, name: &str) -> bool {
        let source = name
            .trim_start_matches("prompt:")
            .trim_start_matches("resource:");
        let source = source.split("__").next().unwrap_or(source);
        let upstream = self.config.upstreams.contains_key(source);
        upstream && !self.callables().any(|tool| tool.source.name == source)
    }

    fn unknown(&self, key: &'static str, name: &str) -> LoadError {
        let names = self.callables().map(|tool| tool.name.as_str());
        let near = nearest(name, names);
        self.error(key, format!("there is no tool `{name}`"), near)
    }

    fn names(&self) -> Result<(), LoadError> {
        let unknown = self.fact.of.names.iter().find(|name| {
            let known = self.callables().any(|tool| matches(name, &tool.name));
            !known && !self.may_exist(name)
        });
        unknown.map_or(Ok(()), |name| Err(self.unknown("of", name)))
    }

    fn labels(&self) -> Result<(), LoadError> {
        let known = self.config.labels();
        match self.fact.of.labels.difference(&known).next() {
            None => Ok(()),
            Some(label) => {
                let near = nearest(label, known.iter().map(String::as_str));
                let problem = format!("no tool has the label `{label}`");
                Err(self.error("labels", problem, near))
            }
        }
    }

    /// The tools of `places`, and the arguments there.
    fn places(&self) -> Result<(), LoadError> {
        for (name, own) in &self.fact.places {
            let Some(tool) = self.callables().find(|tool| tool.name == *name) else {
                if self.may_exist(name) {
                    continue;
                }
                return Err(self.unknown("places", name));
            };
            for field in own.values() {
                self.has("places", tool, field)?;
            }
        }
        Ok(())
    }

    /// Each tool that is named has the arguments that the fact reads; of other tools, one has.
    fn arguments(&self) -> Result<(), LoadError> {
        let by = self.fact.by.iter().filter_map(|dimension| match dimension {
            Dimension::Argument(pointer) => Some(("by", Field::Argument(pointer.clone()))),
            _ => None,
        });
        let argument = self.fact.argument.iter().map(|f| ("argument", f.clone()));
        let conditions = self.fact.conditions.iter();
        let conditions = conditions.map(|(field, _)| ("where", field.clone()));
        for (key, field) in by.chain(argument).chain(conditions) {
            self.argument(key, &field)?;
        }
        Ok(())
    }

    fn argument(&self, key: &'static str, field: &Field) -> Result<(), LoadError> {
        let selected = self
            .callables()
            .filter(|tool| self.fact.of.has(&tool.name, &tool.labels));
        let mut missing = None;
        let mut found = false;
        for tool in selected {
            let own = self.fact.places.get(&tool.name);
            let elsewhere = own.is_some_and(|own| own.contains_key(field.pointer()));
            match if elsewhere {
                Ok(())
            } else {
                self.has(key, tool, field)
            } {
                Ok(()) => found = true,
                Err(error) if self.fact.of.names.contains(&tool.name) => return Err(error),
                Err(error) => missing = Some(error),
            }
        }
        match missing {
            Some(error) if !found => Err(error),
            _ => Ok(()),
        }
    }

    /// Requires that a tool may have an argument.
    fn has(&self, key: &'static str, tool: &Tool, field: &Field) -> Result<(), LoadError> {
        let Field::Argument(pointer) = field else {
            return Ok(());
        };
        match (arguments(tool), pointer.first()) {
            (Some(known), Some(name)) if !known.contains(&name) => {
                let problem = format!("`{}` has no argument `{pointer}`", tool.name);
                let near = nearest(name, known.iter().copied());
                let near = near.and_then(|near| Pointer::parse(&format!("/{near}")).ok());
                let near = near.map(|near| near.to_string());
                Err(self.error(key, problem, near.as_deref()))
            }
            _ => Ok(()),
        }
    }
}

/// The names of a tool's arguments, if it takes no others.
fn arguments(tool: &Tool) -> Option<Vec<&str>> {
    if tool.feature == Feature::Resources {
        return Some(vec!["uri"]);
    }
    let schema = tool.input_schema.as_object()?;
    let plain = [
        "type",
        "properties",
        "required",
        "additionalProperties",
        "title",
        "description",
        "$schema",
    ];
    let is_plain = schema.keys().all(|key| plain.contains(&key.as_str()));
    let is_open = schema
        .get("additionalProperties")
        .is_some_and(|more| *more != Value::Bool(false));
    if !is_plain || is_open {
        return None;
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let names = properties.into_iter().flatten();
    Some(names.map(|(name, _)| name.as_str()).collect())
}
