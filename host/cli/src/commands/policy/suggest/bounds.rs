//! The narrowest bounds within which the arguments of calls differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Number, Value};
use tollgate::text::printable;
use tollgate_model::{
    canonical::escape_segment,
    provenance::ArgumentRoles,
    standing::{Allowance, ArgumentPattern, MAX_VALUES},
};

use super::{MAX_VALUES as FEW, REPEATS};

/// What calls have in common, and how they differ.
#[derive(Debug)]
pub(super) struct Bounds {
    /// What differs, by the JSON pointer of the argument.
    pub(super) allowances: BTreeMap<String, Allowance>,
    /// Covers each of the calls.
    pub(super) pattern: ArgumentPattern,
}

/// The narrowest bounds of calls with these arguments. Arguments of `any`, by pointer, may have any value.
///
/// # Errors
/// Why there are none.
pub(super) fn bounds(
    calls: &[&Value],
    roles: &ArgumentRoles,
    any: &BTreeSet<String>,
) -> Result<Bounds, String> {
    let first = calls.first().ok_or("there is no call")?;
    let mut found = BTreeMap::new();
    differences(calls, "", &mut found);
    let mut allowances = BTreeMap::new();
    for (pointer, values) in found {
        let argument = Argument {
            call: first,
            pointer: &pointer,
            values: &values,
            roles,
        };
        let allowance = argument.narrowest(any.contains(&pointer))?;
        allowances.insert(pointer, allowance);
    }
    let pattern = ArgumentPattern::of(first, allowances.clone(), roles);
    let pattern = pattern.map_err(|error| printable(&error.to_string(), 500))?;
    if !calls.iter().all(|call| pattern.admits(call)) {
        return Err("no bounds cover all of the calls".into());
    }
    Ok(Bounds {
        allowances,
        pattern,
    })
}

/// The values that differ, by pointer. Objects with the same members differ in some of them.
fn differences<'a>(
    values: &[&'a Value],
    pointer: &str,
    found: &mut BTreeMap<String, Vec<&'a Value>>,
) {
    let Some((first, others)) = values.split_first() else {
        return;
    };
    if others.iter().all(|other| other == first) {
        return;
    }
    let objects: Option<Vec<&Map<String, Value>>> =
        values.iter().map(|value| value.as_object()).collect();
    let alike = objects.filter(|objects| {
        let mut names = objects.iter().map(|object| object.keys());
        let first = names.next();
        names.all(|names| first.as_ref().is_some_and(|first| names.eq(first.clone())))
    });
    let Some(objects) = alike else {
        found.insert(pointer.to_owned(), values.to_vec());
        return;
    };
    for name in objects.first().into_iter().flat_map(|object| object.keys()) {
        let members: Vec<&Value> = objects
            .iter()
            .filter_map(|object| object.get(name))
            .collect();
        differences(
            &members,
            &format!("{pointer}/{}", escape_segment(name)),
            found,
        );
    }
}

/// An argument that has different values in the calls.
struct Argument<'a> {
    /// One of the calls.
    call: &'a Value,
    pointer: &'a str,
    /// Its value in each call.
    values: &'a [&'a Value],
    roles: &'a ArgumentRoles,
}

impl Argument<'_> {
    /// The narrowest allowance for its values that is likely to cover another call. `any` permits any value.
    fn narrowest(&self, any: bool) -> Result<Allowance, String> {
        let values = self.distinct();
        let listed = Allowance::OneOf(values.clone());
        let repeated = values.len() <= FEW && self.values.len() >= values.len() * REPEATS;
        let limit = most(&values).map(Allowance::AtMost);
        let folder = folder(&values).map(Allowance::Prefix);
        let narrow = [repeated.then(|| listed.clone()), limit, folder];
        let mut narrow = narrow.into_iter().flatten();
        if let Some(found) = narrow.find(|allowance| self.fits(allowance)) {
            return Ok(found);
        }
        let pointer = printable(self.pointer, 120);
        let seen = values.len();
        if self.fits(&Allowance::Any) {
            return match any {
                true => Ok(Allowance::Any),
                false => Err(format!(
                    "`{pointer}` had {seen} values without a bound; --any {} lets it have any",
                    shell_word(&pointer)
                )),
            };
        }
        match seen <= MAX_VALUES && self.fits(&listed) {
            true => Ok(listed),
            false => Err(format!("`{pointer}` had {seen} values without a bound")),
        }
    }

    fn distinct(&self) -> Vec<Value> {
        let mut distinct: Vec<Value> = Vec::new();
        for value in self.values {
            if !distinct.contains(value) {
                distinct.push((*value).clone());
            }
        }
        distinct
    }

    /// Whether a standing approval may have this allowance, and it covers every value.
    fn fits(&self, allowance: &Allowance) -> bool {
        let allowances = BTreeMap::from([(self.pointer.to_owned(), allowance.clone())]);
        let Ok(pattern) = ArgumentPattern::of(self.call, allowances, self.roles) else {
            return false;
        };
        let constraints = pattern.constraints();
        let constraint = constraints.get(self.pointer);
        constraint
            .is_some_and(|constraint| self.values.iter().all(|value| constraint.admits(value)))
    }
}

/// The largest of values that are all numbers from 0 on.
fn most(values: &[Value]) -> Option<Number> {
    let mut most: Option<(&Number, f64)> = None;
    for value in values {
        let number = value.as_number()?;
        let size = number.as_f64().filter(|size| *size >= 0.0)?;
        if most.is_none_or(|(_, largest)| largest < size) {
            most = Some((number, size));
        }
    }
    most.map(|(number, _)| number.clone())
}

/// The folder in which values are that are all texts, with the `/` at its end.
fn folder(values: &[Value]) -> Option<String> {
    let mut texts = values.iter().map(Value::as_str);
    let mut common = texts.next()??;
    for text in texts {
        let text = text?;
        let same = common.char_indices().zip(text.chars());
        let end = same
            .take_while(|((_, a), b)| a == b)
            .map(|((at, a), _)| at + a.len_utf8())
            .last();
        common = common.get(..end.unwrap_or_default())?;
    }
    let end = common.rfind('/')?;
    common.get(..=end).map(str::to_owned)
}

/// The value of `--differ` for an argument.
///
/// # Errors
/// It has characters that are not shown, which no one could check.
pub(super) fn difference(pointer: &str, allowance: &Allowance) -> Result<String, String> {
    let how = match allowance {
        Allowance::Any => "any".into(),
        Allowance::Prefix(prefix) => format!("prefix:{prefix}"),
        Allowance::AtMost(most) => format!("at-most:{most}"),
        Allowance::OneOf(values) => format!("one-of:{}", Value::from(values.clone())),
    };
    let text = format!("{pointer}={how}");
    let is_shown = printable(&text, usize::MAX) == text && !text.contains(char::is_control);
    // The command line takes what comes before the first `=` for the pointer.
    if is_shown && !pointer.contains('=') {
        return Ok(text);
    }
    Err(format!(
        "`{}` has values that cannot be written on a command line",
        printable(pointer, 120)
    ))
}

/// A word as a POSIX shell reads it unchanged.
pub(super) fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/=:.,_-".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests;
