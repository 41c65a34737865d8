//! `[facts.NAME]`: what earlier calls have done, for policies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tollgate_model::{canonical::Sha256Digest, record::CountedCalls};
use tollgate_policy::policy;

use super::{ConfigError, line_and_column, raw, validate::Validation};
use crate::history::{
    CallSelection, Condition, Dimension, FactKind, Field, Fold, HistoryFact, MAX_FACTS, MAX_WINDOW,
    Pointer, SumType,
};

/// Words that are not identifiers in Cedar.
const RESERVED: &[&str] = &[
    "true", "false", "if", "then", "else", "in", "is", "like", "has", "__cedar",
];
const KINDS: &[&str] = &["count", "sum", "distinct", "last"];
const DIMENSIONS: &[&str] = &["run", "principal", "user", "tenant", "tool"];

/// A table `[facts.NAME]`, to say where an error is.
#[derive(Clone, Copy)]
struct Table<'a> {
    validation: &'a Validation<'a>,
    name: &'a str,
}

impl Table<'_> {
    /// Where it begins.
    fn begin(&self) -> Option<usize> {
        let headers = [
            format!("[facts.{}]", self.name),
            format!("[facts.{}.", self.name),
            format!("{} = {{", self.name),
        ];
        let mut headers = headers.iter();
        headers.find_map(|header| self.validation.text.find(header))
    }

    /// An error at `needle` in the table.
    fn error(&self, needle: &str, message: String, help: &str) -> ConfigError {
        let (text, begin) = (self.validation.text, self.begin());
        let at = begin.and_then(|begin| Some(begin + text.get(begin..)?.find(needle)?));
        match at.or(begin) {
            Some(offset) => self.validation.error_at(offset, message, help),
            None => self.validation.error(needle, message, help),
        }
    }

    /// An error about a word that is not one of `valid`.
    fn unknown(&self, key: &str, word: &str, valid: &[&str]) -> ConfigError {
        let message = format!("`{key}` of the fact `{}` cannot be `{word}`", self.name);
        let help = match policy::nearest(word, valid.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("use one of {}", valid.join(", ")),
        };
        self.error(&format!("\"{word}\""), message, &help)
    }

    fn field(&self, text: &str) -> Result<Field, ConfigError> {
        Field::parse(text).map_err(|e| {
            let help = "write a pointer into the arguments, or one into the result after `result:`";
            self.error(text, e.to_string(), help)
        })
    }

    fn pointer(&self, text: &str) -> Result<Pointer, ConfigError> {
        match Pointer::parse(text) {
            Ok(pointer) if !pointer.is_pattern() => Ok(pointer),
            Ok(_) => {
                let message = format!("`{text}` stands for several values");
                let help = "name one argument; only `argument` may have `*`";
                Err(self.error(text, message, help))
            }
            Err(e) => Err(self.error(text, e.to_string(), "write a pointer such as \"/customer\"")),
        }
    }
}

impl Validation<'_> {
    pub(super) fn facts(
        &self,
        tables: BTreeMap<String, raw::Fact>,
    ) -> Result<BTreeMap<String, HistoryFact>, ConfigError> {
        if tables.len() > MAX_FACTS {
            let message = format!("there are {} facts", tables.len());
            let help = format!("use at most {MAX_FACTS}");
            return Err(self.error("[facts.", message, &help));
        }
        let mut facts = BTreeMap::new();
        for (name, raw) in tables {
            let table = Table {
                validation: self,
                name: &name,
            };
            let fact = table.fact(raw)?;
            facts.insert(name.clone(), fact);
        }
        for fact in facts.values() {
            let table = Table {
                validation: self,
                name: &fact.name,
            };
            table.check_since(fact, &facts)?;
        }
        Ok(facts)
    }
}

impl Table<'_> {
    fn fact(&self, raw: raw::Fact) -> Result<HistoryFact, ConfigError> {
        self.check_name()?;
        let counts = self.counts(raw.outcome.as_deref())?;
        let kind = self.kind(raw.kind.as_deref(), raw.number.as_deref())?;
        let argument = raw.argument.as_deref().map(|text| self.field(text));
        let fact = HistoryFact {
            name: self.name.to_owned(),
            id: Sha256Digest::of(&[]),
            line: self
                .begin()
                .map_or(0, |begin| line_and_column(self.validation.text, begin).0),
            kind,
            of: CallSelection {
                names: raw.of,
                labels: self.validation.names("label", raw.labels)?,
            },
            counts,
            argument: argument.transpose()?,
            negative: raw.negative.unwrap_or(false),
            fold: self.fold(raw.fold.as_deref())?,
            by: self.by(&raw.by)?,
            conditions: self.conditions(raw.conditions)?,
            places: self.places(raw.places)?,
            within: self.within(raw.within.as_deref())?,
            since: raw.since,
            with_call: raw.with_call,
        }
        .identified();
        self.check_argument(&fact)?;
        self.check_negative(&fact, raw.negative)?;
        self.check_window(&fact)?;
        self.check_result(&fact)?;
        Ok(fact)
    }

    fn check_name(&self) -> Result<(), ConfigError> {
        let name = self.name;
        let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let legal = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if begins && legal && name.len() <= 64 && !RESERVED.contains(&name) {
            return Ok(());
        }
        let message = format!("`{}` is not a name for a fact", name.escape_debug());
        let help = "policies write context.facts.NAME: use ASCII letters, digits and `_`, at most 64, and no word of Cedar";
        Err(self.validation.error(name, message, help))
    }

    fn counts(&self, outcome: Option<&str>) -> Result<CountedCalls, ConfigError> {
        let Some(name) = outcome else {
            return Ok(CountedCalls::Started);
        };
        let names: Vec<&str> = CountedCalls::ALL.iter().map(|c| c.as_str()).collect();
        CountedCalls::from_name(name).ok_or_else(|| self.unknown("outcome", name, &names))
    }

    fn kind(&self, kind: Option<&str>, number: Option<&str>) -> Result<FactKind, ConfigError> {
        let ty = match number {
            None => SumType::default(),
            Some(name) => SumType::from_name(name)
                .ok_or_else(|| self.unknown("number", name, &["integer", "decimal"]))?,
        };
        if let (Some(number), true) = (number, kind != Some("sum")) {
            let message = format!("`number = \"{number}\"` is for sums");
            return Err(self.error("number", message, "leave it out, or write kind = \"sum\""));
        }
        match kind.unwrap_or("count") {
            "count" => Ok(FactKind::Count),
            "sum" => Ok(FactKind::Sum(ty)),
            "distinct" => Ok(FactKind::Distinct),
            "last" => Ok(FactKind::Last),
            other => Err(self.unknown("kind", other, KINDS)),
        }
    }

    fn fold(&self, name: Option<&str>) -> Result<Fold, ConfigError> {
        match name {
            None => Ok(Fold::default()),
            Some(name) => {
                Fold::from_name(name).ok_or_else(|| self.unknown("fold", name, &["exact", "case"]))
            }
        }
    }

    fn by(&self, names: &[String]) -> Result<Vec<Dimension>, ConfigError> {
        if names.is_empty() {
            let message = format!("the fact `{}` does not say by what it counts", self.name);
            let help = "write by = [\"run\"], or principal, user, tenant, tool, or an argument such as \"/customer\"";
            return Err(self.error("by", message, help));
        }
        let mut by = Vec::new();
        for name in names {
            let dimension = match name.as_str() {
                "run" => Dimension::Run,
                "principal" => Dimension::Principal,
                "user" => Dimension::User,
                "tenant" => Dimension::Tenant,
                "tool" => Dimension::Tool,
                pointer if pointer.starts_with('/') => Dimension::Argument(self.pointer(pointer)?),
                other => return Err(self.unknown("by", other, DIMENSIONS)),
            };
            by.push(dimension);
        }
        Ok(by)
    }

    fn conditions(
        &self,
        table: BTreeMap<String, toml::Value>,
    ) -> Result<Vec<(Field, Condition)>, ConfigError> {
        let condition = |(field, value): (String, toml::Value)| {
            let parsed = condition(value).ok_or_else(|| {
                let message = format!("the condition on `{field}` cannot be read");
                let help = "write a value, a list of values, or { min = 1, max = 100 }";
                self.error(&field, message, help)
            })?;
            Ok((self.field(&field)?, parsed))
        };
        table.into_iter().map(condition).collect()
    }

    fn places(
        &self,
        tables: BTreeMap<String, BTreeMap<String, String>>,
    ) -> Result<BTreeMap<String, BTreeMap<Pointer, Field>>, ConfigError> {
        let mut places = BTreeMap::new();
        for (tool, table) in tables {
            let mut own = BTreeMap::new();
            for (pointer, field) in table {
                let key = Pointer::parse(&pointer)
                    .map_err(|e| self.error(&pointer, e.to_string(), "write a pointer"))?;
                own.insert(key, self.field(&field)?);
            }
            places.insert(tool, own);
        }
        Ok(places)
    }

    fn within(&self, text: Option<&str>) -> Result<Option<std::time::Duration>, ConfigError> {
        let Some(text) = text else {
            return Ok(None);
        };
        let within = self.validation.duration(text)?;
        if within.is_zero() || within > MAX_WINDOW {
            let message = format!("`within = \"{text}\"` is not a window");
            return Err(self.error(text, message, "use more than 0 and at most 400 days"));
        }
        Ok(Some(within))
    }

    /// Sums and distinct values need an argument, and nothing else has one.
    fn check_argument(&self, fact: &HistoryFact) -> Result<(), ConfigError> {
        let needs = matches!(fact.kind, FactKind::Sum(_) | FactKind::Distinct);
        match (&fact.argument, needs) {
            (Some(_), true) | (None, false) => Ok(()),
            (None, true) => {
                let message = format!("the fact `{}` does not say of what", self.name);
                let help = "name the argument: argument = \"/amount\"";
                Err(self.error("kind", message, help))
            }
            (Some(argument), false) => {
                let message =
                    format!("`argument = \"{argument}\"` is for sums and distinct values");
                let help = "leave it out, or write kind = \"sum\" or \"distinct\"; `by` counts by an argument";
                Err(self.error("argument", message, help))
            }
        }
    }

    fn check_negative(
        &self,
        fact: &HistoryFact,
        negative: Option<bool>,
    ) -> Result<(), ConfigError> {
        if negative.is_none() || matches!(fact.kind, FactKind::Sum(_)) {
            return Ok(());
        }
        let message = "`negative` is for sums".to_owned();
        let help = "leave it out, or write kind = \"sum\"";
        Err(self.error("negative", message, help))
    }

    fn check_window(&self, fact: &HistoryFact) -> Result<(), ConfigError> {
        if fact.within.is_some() || fact.is_of_run() {
            return Ok(());
        }
        let message = format!("the fact `{}` has no window", self.name);
        let help = "write within = \"24h\", or count by \"run\": what is counted beyond a run is forgotten after a time";
        Err(self.error("by", message, help))
    }

    /// A result is known where calls count that have one.
    fn check_result(&self, fact: &HistoryFact) -> Result<(), ConfigError> {
        let fields = fact.conditions.iter().map(|(field, _)| field);
        let places = fact.places.values().flat_map(BTreeMap::values);
        let mut fields = fields.chain(places).chain(&fact.argument);
        let has_result = matches!(
            fact.counts,
            CountedCalls::Succeeded | CountedCalls::Released
        );
        match fields.find(|field| field.is_of_result()) {
            Some(field) if !has_result => {
                let message = format!(
                    "`{field}` is not known for calls that count as `{}`",
                    fact.counts
                );
                let help = "write outcome = \"succeeded\" or \"released\"";
                Err(self.error("result:", message, help))
            }
            _ => Ok(()),
        }
    }

    fn check_since(
        &self,
        fact: &HistoryFact,
        facts: &BTreeMap<String, HistoryFact>,
    ) -> Result<(), ConfigError> {
        let Some(since) = &fact.since else {
            return Ok(());
        };
        let others: BTreeSet<&str> = facts
            .keys()
            .map(String::as_str)
            .filter(|name| *name != fact.name)
            .collect();
        match facts.get(since).filter(|_| *since != fact.name) {
            Some(other) if other.since.is_none() => self.check_since_window(fact, other),
            Some(_) => {
                let message = format!("`since = \"{since}\"` names a fact that has `since` itself");
                let help = "name a fact without it";
                Err(self.error(&format!("\"{since}\""), message, help))
            }
            None => {
                let message = format!("`since = \"{since}\"` does not name another fact");
                let help = match policy::nearest(since, others.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("add a table [facts.{since}]"),
                };
                Err(self.error(&format!("\"{since}\""), message, &help))
            }
        }
    }
}

impl Table<'_> {
    /// What came after the latest call of `since` must not be forgotten before that call is.
    fn check_since_window(
        &self,
        fact: &HistoryFact,
        since: &HistoryFact,
    ) -> Result<(), ConfigError> {
        let is_long_enough = match (fact.within, since.within) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => own >= other,
        };
        if is_long_enough {
            return Ok(());
        }
        let message = format!(
            "the window of the fact `{}` is shorter than that of `{}`, since which it counts",
            fact.name, since.name
        );
        let help = format!(
            "calls after it would be forgotten before it is: make `within` at least as long as that of `{}`",
            since.name
        );
        Err(self.error("within", message, &help))
    }
}

/// A scalar, a list of scalars, or a table with `min` and `max`.
fn condition(value: toml::Value) -> Option<Condition> {
    match value {
        toml::Value::Array(values) if !values.is_empty() => {
            let values: Option<Vec<Value>> = values.into_iter().map(scalar).collect();
            values.map(Condition::OneOf)
        }
        toml::Value::Table(table) if !table.is_empty() => {
            let (mut min, mut max) = (None, None);
            for (name, bound) in table {
                let bound = scalar(bound)?.as_f64()?;
                match name.as_str() {
                    "min" => min = Some(bound),
                    "max" => max = Some(bound),
                    _ => return None,
                }
            }
            Some(Condition::Within { min, max })
        }
        value => Some(Condition::OneOf(vec![scalar(value)?])),
    }
}

fn scalar(value: toml::Value) -> Option<Value> {
    match value {
        toml::Value::String(text) => Some(text.into()),
        toml::Value::Integer(n) => Some(n.into()),
        toml::Value::Float(n) => serde_json::Number::from_f64(n).map(Value::Number),
        toml::Value::Boolean(is) => Some(is.into()),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests;
