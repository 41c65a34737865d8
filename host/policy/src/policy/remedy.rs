//! What to do about an error that Cedar's validator reports, in terms of this schema.

use std::str::FromStr as _;

use cedar_policy_core::{ast::EntityType, validator::ValidatorEntityTypeKind};

use super::{nearest, scope::PolicyScope};

/// A message, and what to do.
pub(super) struct Remedy {
    pub(super) message: String,
    pub(super) help: String,
    /// The path below the context, if only some actions have this attribute.
    pub(super) partly: Option<String>,
}

/// A better message or help for an error with this message; `text` is what it marks in the policy.
pub(super) fn remedy(scope: &PolicyScope<'_>, message: &str, text: &str) -> Option<Remedy> {
    if let Some(rest) = message.strip_prefix("attribute `") {
        return missing_attribute(scope, message, rest);
    }
    let help = if let Some(rest) = message.strip_prefix("the types ") {
        let types = rest.strip_suffix(" are not compatible")?;
        incompatible(scope, types, text)
    } else if let Some(rest) = message.strip_prefix("unexpected type: expected ") {
        let (expected, actual) = rest.split_once(" but saw ")?;
        unexpected(expected, actual, text)
    } else {
        None
    }?;
    Some(Remedy {
        message: message.to_owned(),
        help,
        partly: None,
    })
}

/// An attribute that some or all actions do not have; `rest` begins with its path.
fn missing_attribute(scope: &PolicyScope<'_>, message: &str, rest: &str) -> Option<Remedy> {
    let (path, of) = rest.split_once('`')?;
    if !of.starts_with(" in context") || path.contains('[') {
        return None;
    }
    let path: Vec<&str> = path.split('.').collect();
    let (name, above) = path.split_last()?;
    let (with, without) = scope.with_attribute(&path);
    let whole = path.join(".");
    let base = std::iter::once("context").chain(above.iter().copied());
    let base = base.collect::<Vec<_>>().join(".");
    if let (Some(_), Some(first)) = (with.first(), without.first()) {
        return Some(Remedy {
            message: format!(
                "{} of the {} actions that this is about have no `context.{whole}`, such as `{first}`",
                without.len(),
                scope.len()
            ),
            help: format!(
                "write `{} && …` before it, or name the actions that have it in the scope: {}",
                guard(scope, &path),
                listed(&with)
            ),
            partly: Some(whole),
        });
    }
    let names = scope.attributes(above);
    let near = nearest(name, names.iter().map(String::as_str));
    Some(Remedy {
        message: match scope.len() {
            0 | 1 => message.to_owned(),
            _ => format!("no action that this is about has `context.{whole}`"),
        },
        help: match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                format!("`{base}` has {}", listed(&names))
            }
        },
        partly: None,
    })
}

/// The `has` that tells the actions with the attribute at `path` from the others.
fn guard(scope: &PolicyScope<'_>, path: &[&str]) -> String {
    let is_partly = |length: &usize| {
        let (_, without) = path
            .get(..*length)
            .map(|p| scope.with_attribute(p))
            .unwrap_or_default();
        !without.is_empty()
    };
    let first = (1..=path.len()).find(is_partly).unwrap_or(path.len());
    let (above, below) = path.split_at(first.saturating_sub(1));
    let base: Vec<&str> = std::iter::once("context")
        .chain(above.iter().copied())
        .collect();
    format!("{} has {}", base.join("."), below.join("."))
}

/// The first few names.
pub(super) fn listed(names: &[&str]) -> String {
    const MANY: usize = 8;
    let shown = names.iter().take(MANY).copied();
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if names.is_empty() {
        text.push_str("no attributes");
    }
    if names.len() > MANY {
        text.push_str(&format!(" and {} more", names.len() - MANY));
    }
    text
}

/// What to write where values of these types are compared.
fn incompatible(scope: &PolicyScope<'_>, types: &str, text: &str) -> Option<String> {
    let types: Vec<&str> = types.split(" and ").map(str::trim).collect();
    let [a, b] = types.as_slice() else {
        return None;
    };
    let (a, b) = if *a == "String" { (b, a) } else { (a, b) };
    let is_entity =
        |name: &str| name.contains("::") && !name.starts_with("__cedar") && !name.contains('<');
    match (*a, *b) {
        (entity, "String") if is_entity(entity) => Some(entity_for(scope, entity, text)),
        ("Long", "String") => number(text),
        ("Bool", "String") => Some("write true or false without quotes".into()),
        ("decimal", "String" | "Long") | ("Long", "decimal") => Some(DECIMAL.into()),
        ("datetime", "String") => Some("write it as in datetime(\"2026-01-31T12:00:00Z\")".into()),
        ("ipaddr", "String") => Some("write it as in ip(\"192.0.2.1\")".into()),
        (set, element) | (element, set)
            if set
                .strip_prefix("Set<")
                .and_then(|set| set.strip_suffix('>'))
                == Some(element) =>
        {
            Some(
                "a set is asked with `.contains(x)`, `.containsAny([…])` or `.containsAll([…])`"
                    .into(),
            )
        }
        (one, other) if is_entity(one) && is_entity(other) => Some(format!(
            "these are entities of different types, so they are never equal: write both as {one}::\"…\" or as \
             {other}::\"…\""
        )),
        _ => None,
    }
}

const DECIMAL: &str = "the number is a decimal: compare it with `.lessThan(decimal(\"5.0\"))`, `.lessThanOrEqual`, \
                       `.greaterThan` or `.greaterThanOrEqual`, or `== decimal(\"5.0\")`";

/// What to write where another type is needed.
fn unexpected(expected: &str, actual: &str, text: &str) -> Option<String> {
    match actual {
        "String" if expected.contains("Long") => number(text),
        "decimal" if expected.contains("Long") => Some(DECIMAL.into()),
        "String" if expected == "Bool" => Some("write a comparison: `==`, `like` or `has`".into()),
        "String" if expected.contains("EntityKind") || expected.contains("AnyEntity") => {
            Some("write an entity, as in Tollgate::Role::\"finance\"".into())
        }
        _ => None,
    }
}

fn number(text: &str) -> Option<String> {
    let literal = literal(text)?;
    let number: i64 = literal.parse().ok()?;
    Some(format!("write the number without quotes: {number}"))
}

/// The entity that a text stands for.
fn entity_for(scope: &PolicyScope<'_>, entity: &str, text: &str) -> String {
    let Some(literal) = literal(text) else {
        return format!("compare it with an entity: {entity}::\"…\"");
    };
    let declared = EntityType::from_str(entity).ok();
    let declared = declared.and_then(|ty| scope.schema.get_entity_type(&ty));
    let Some(ValidatorEntityTypeKind::Enum(choices)) = declared.map(|ty| &ty.kind) else {
        return format!("compare it with an entity: {entity}::\"{literal}\"");
    };
    let choices: Vec<&str> = choices.iter().map(AsRef::<str>::as_ref).collect();
    if choices.contains(&literal) {
        return format!("a value of an enumeration is an entity: {entity}::\"{literal}\"");
    }
    match nearest(literal, choices.iter().copied()) {
        Some(near) => {
            format!("a value of an enumeration is an entity: did you mean {entity}::\"{near}\"?")
        }
        None => format!(
            "a value of an enumeration is an entity, such as {entity}::\"{}\"; there are {}",
            choices.first().copied().unwrap_or_default(),
            listed(&choices)
        ),
    }
}

/// The first text in quotes that is not the id of an entity.
fn literal(text: &str) -> Option<&str> {
    let mut rest = text;
    loop {
        let begin = rest.find('"')?;
        let is_id = rest.get(..begin)?.trim_end().ends_with("::");
        let after = rest.get(begin + 1..)?;
        let end = after.find('"')?;
        if !is_id {
            return after.get(..end);
        }
        rest = after.get(end + 1..)?;
    }
}
