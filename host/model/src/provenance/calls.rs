//! Reading the arguments of a call that starts.

use serde_json::Value;

use super::{
    ArgumentRoles, CallValues, Origin, ReadIndex,
    argument_index::ArgumentIndex,
    form,
    index::MAX_LITTLE,
    parts::is_value,
    phrase::{CallValue, Phrase},
    words::words,
};
use crate::ids::RunId;

/// The most values of a call that are looked up; any other may be a stranger's.
const MAX_VALUES: usize = 1024;
/// The most bytes of a value that is looked up.
const MAX_TEXT: usize = 64 * 1024;
/// The most words of a value that are looked up.
const MAX_WORDS: usize = 1024;
/// The most levels of arguments; what is deeper is one text.
const MAX_DEPTH: usize = 64;
/// The most characters of a text that may say nothing.
const MAX_PLAIN: usize = 40;
/// The fewest characters of a text that may say something in disguise.
const MIN_TEXT: usize = 4;
/// The smallest number that may.
const MIN_NUMBER: f64 = 1e6;

impl ReadIndex {
    /// Says that a call of a run starts with these arguments, which have these roles.
    pub fn begin_call(
        &mut self,
        run: RunId,
        roles: &ArgumentRoles,
        arguments: &Value,
    ) -> CallValues {
        let mut reader = ArgumentReader {
            run,
            roles,
            path: Vec::new(),
            is_exposed: self.is_exposed(),
            count: 0,
            values: CallValues::default(),
            scope: std::mem::take(&mut self.arguments),
            little: Vec::new(),
            index: self,
        };
        reader.value(arguments, Within::Object);
        let ArgumentReader {
            values,
            scope,
            little,
            ..
        } = reader;
        self.arguments = scope;
        let room = MAX_LITTLE.saturating_sub(self.little.len());
        self.little.extend(little.into_iter().take(room));
        values
    }
}

/// What a value is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Object,
    Array,
}

struct ArgumentReader<'a> {
    index: &'a ReadIndex,
    run: RunId,
    roles: &'a ArgumentRoles,
    path: Vec<String>,
    is_exposed: bool,
    count: usize,
    values: CallValues,
    /// The arguments of all calls of the scope.
    scope: ArgumentIndex,
    /// Digests of values that say little.
    little: Vec<u64>,
}

impl ArgumentReader<'_> {
    fn value(&mut self, value: &Value, within: Within) {
        if self.path.len() > MAX_DEPTH {
            return self.leaf(&CallValue::text(&value.to_string()), true);
        }
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let is_within = !self.path.is_empty();
                    self.path.push(name.clone());
                    if is_within && (is_value(name) || !self.roles.names(&self.path)) {
                        self.leaf(&CallValue::text(name), true);
                    }
                    self.value(member, Within::Object);
                    self.path.pop();
                }
            }
            Value::Array(items) => {
                self.path.push("0".to_owned());
                for item in items {
                    self.value(item, Within::Array);
                }
                self.path.pop();
            }
            Value::String(text) => {
                let value = CallValue::text(text);
                self.leaf(&value, value.tells());
            }
            Value::Number(number) => {
                let text = number.to_string();
                let value = CallValue {
                    is_number: true,
                    ..CallValue::text(&text)
                };
                self.leaf(&value, value.tells() || within == Within::Array);
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// Reads a value. `tells` says whether it can carry what a stranger said, in any form.
    fn leaf(&mut self, value: &CallValue<'_>, tells: bool) {
        let Some(origin) = self.origin(value) else {
            return;
        };
        let is_strangers = match origin {
            Origin::Operator | Origin::Trusted => return,
            Origin::User => false,
            Origin::Model => self.is_exposed,
            Origin::Untrusted => true,
        };
        let (key, text) = (&self.index.key, value.text);
        self.values.read(key, text, &words(text));
        // What tells nothing may stand anywhere.
        if is_strangers && tells {
            self.values.expose();
            self.scope.read(key, text);
            self.vouch(&value.phrase());
        }
        if is_strangers && !value.tells() {
            self.little.push(self.index.little_digest(text));
        }
    }

    /// The origin of a value; `None` if there is nothing in it.
    fn origin(&mut self, value: &CallValue<'_>) -> Option<Origin> {
        self.count += 1;
        if self.count > MAX_VALUES || value.text.len() > MAX_TEXT {
            return Some(Origin::Untrusted);
        }
        let found = self.index.find_value(self.run, value)?;
        Some(found.origin)
    }

    /// Keeps which of these words someone vouches for.
    fn vouch(&mut self, phrase: &Phrase) {
        let key = &self.index.key;
        for word in phrase.each().take(MAX_WORDS) {
            if self.index.is_vouched(self.run, &word) {
                self.scope.vouch(key, &word);
            }
        }
    }
}

impl CallValue<'_> {
    /// Whether it can carry what a stranger said, in any form.
    pub(super) fn tells(&self) -> bool {
        match self.is_number {
            true => {
                let number = self.text.parse::<f64>();
                number.is_ok_and(|number| number.abs() >= MIN_NUMBER)
            }
            false => tells(self.text),
        }
    }
}

/// Whether a text can carry what a stranger said: not if it is a few characters, a small number, a date or a
/// time.
fn tells(text: &str) -> bool {
    // Signs around a word could say something.
    if text.chars().count() > MAX_PLAIN {
        return true;
    }
    let words = words(text);
    let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let is_plain = match texts.as_slice() {
        [] => true,
        [word] => {
            let number = form::number(word).and_then(|n| n.parse::<f64>().ok());
            word.chars().count() < MIN_TEXT
                || number.is_some_and(|n| n.abs() < MIN_NUMBER)
                || form::time(word).is_some()
                || form::date(&[word]).is_some()
        }
        [all @ .., time] => {
            let is_date =
                |words: &[&str]| form::date(words).is_some_and(|(_, used)| used == words.len());
            is_date(&texts) || (form::time(time).is_some() && is_date(all))
        }
    };
    !is_plain
}

#[cfg(test)]
mod tests;
