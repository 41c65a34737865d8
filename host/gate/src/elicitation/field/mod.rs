//! One field of a form.

mod choice;
mod text;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value, json};
use tollgate_model::canonical::MAX_INTEGER;

use self::{
    choice::{FieldOption, chosen, options},
    text::TextRules,
};
use crate::text::printable;

/// The most bytes of a title or a description.
const MAX_TEXT: usize = 1 << 10;
/// Members that every field may have. `examples` and `$comment` constrain nothing.
const COMMON: &[&str] = &[
    "$comment",
    "default",
    "description",
    "examples",
    "title",
    "type",
];

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    title: Option<String>,
    description: Option<String>,
    kind: FieldKind,
    is_required: bool,
    /// Whether null is a value, as some servers write an optional field.
    is_nullable: bool,
    default: Option<Value>,
}

/// What values a field takes.
#[derive(Debug, Clone)]
enum FieldKind {
    Text(TextRules),
    Number(NumberRules),
    Boolean,
    /// One of these.
    Choice(Vec<FieldOption>),
    /// Some of these.
    Choices {
        options: Vec<FieldOption>,
        min: u64,
        max: Option<u64>,
        is_unique: bool,
    },
}

#[derive(Debug, Clone, Default)]
struct NumberRules {
    is_integer: bool,
    min: Option<f64>,
    max: Option<f64>,
}

/// A field as a person sees it: all texts with control and bidirectional characters escaped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldView {
    /// The name by which it is answered.
    pub name: String,
    /// `text`, `number`, `integer`, `boolean`, `choice` or `choices`.
    pub kind: String,
    /// The server's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The server's description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it has to be given.
    pub required: bool,
    /// What is sent if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What can be chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionView>,
    /// Limits of its value, such as `at least 1, at most 8`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub limits: String,
}

/// Something that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionView {
    /// What the server gets.
    pub value: String,
    /// The server's title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

impl Field {
    /// Reads a property of a form's schema.
    ///
    /// # Errors
    /// What is wrong with it, after its name.
    pub(super) fn parse(property: &Value, is_required: bool) -> Result<Self, String> {
        let (members, is_nullable) = split_null(property).ok_or("is not an object")?;
        let kind = FieldKind::parse(&members)?;
        let text = |name: &str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.len() <= MAX_TEXT => Ok(Some(text.clone())),
            Some(_) => Err(format!("has no usable `{name}`")),
        };
        let mut field = Self {
            title: text("title")?,
            description: text("description")?,
            kind,
            is_required,
            is_nullable,
            default: None,
        };
        // A default that the form itself does not take is left out.
        let default = members
            .get("default")
            .filter(|default| !default.is_null())
            .and_then(|default| field.check(default).ok());
        field.default = default;
        Ok(field)
    }

    pub(super) fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    pub(super) fn default(&self) -> Option<&Value> {
        self.default.as_ref()
    }

    pub(super) fn is_required(&self) -> bool {
        self.is_required
    }

    /// The value, if the field takes it.
    ///
    /// # Errors
    /// What is wrong with it, after the field's name.
    pub(super) fn check(&self, value: &Value) -> Result<Value, String> {
        if value.is_null() && self.is_nullable {
            return Ok(Value::Null);
        }
        self.kind.check(value)
    }

    /// The value that these texts stand for. [`Field::check`] checks it.
    ///
    /// # Errors
    /// What is wrong with them, after the field's name.
    pub(super) fn typed(&self, texts: &[String]) -> Result<Value, String> {
        let text = match (&self.kind, texts) {
            (FieldKind::Choices { .. }, texts) => return Ok(texts.into()),
            (_, [text]) => text.as_str(),
            _ => return Err("takes one value".into()),
        };
        match &self.kind {
            FieldKind::Text(_) | FieldKind::Choice(_) | FieldKind::Choices { .. } => {
                Ok(text.into())
            }
            FieldKind::Number(_) => text
                .trim()
                .parse::<Number>()
                .map(Value::Number)
                .map_err(|_| "is not a number".into()),
            FieldKind::Boolean => match text.trim() {
                "true" | "yes" => Ok(true.into()),
                "false" | "no" => Ok(false.into()),
                _ => Err("is neither true nor false".into()),
            },
        }
    }

    pub(super) fn view(&self, name: &str) -> FieldView {
        let shown = |text: &String| printable(text, usize::MAX);
        let options = match &self.kind {
            FieldKind::Choice(options) | FieldKind::Choices { options, .. } => options.as_slice(),
            FieldKind::Text(_) | FieldKind::Number(_) | FieldKind::Boolean => &[],
        };
        let default = self.default.as_ref().map(|default| match default {
            Value::String(text) => Value::String(shown(text)),
            Value::Array(chosen) => {
                let texts = chosen.iter().map(|value| match value {
                    Value::String(text) => Value::String(shown(text)),
                    other => other.clone(),
                });
                Value::Array(texts.collect())
            }
            other => other.clone(),
        });
        FieldView {
            name: name.to_owned(),
            kind: self.kind.name().to_owned(),
            title: self.title.as_ref().map(shown),
            description: self.description.as_ref().map(shown),
            required: self.is_required && self.default.is_none(),
            default,
            options: options
                .iter()
                .map(|option| OptionView {
                    value: shown(&option.value),
                    title: option.title.as_ref().map(shown),
                })
                .collect(),
            limits: self.kind.limits(),
        }
    }
}

impl FieldKind {
    fn parse(members: &Map<String, Value>) -> Result<Self, String> {
        let kind = members.get("type").and_then(Value::as_str);
        let (parsed, own): (Self, &[&str]) = match (kind, options(members)?) {
            (None | Some("string"), Some(options)) => (
                Self::Choice(options),
                &["anyOf", "const", "enum", "enumNames", "oneOf"],
            ),
            (Some("string"), None) => (
                Self::Text(TextRules::parse(members)?),
                &["format", "maxLength", "minLength", "pattern"],
            ),
            (Some(kind @ ("number" | "integer")), None) => (
                Self::Number(NumberRules::parse(members, kind == "integer")?),
                &["maximum", "minimum"],
            ),
            (Some("boolean"), None) => (Self::Boolean, &[]),
            (Some("array"), None) => (
                Self::several(members)?,
                &["items", "maxItems", "minItems", "uniqueItems"],
            ),
            _ => return Err("is not of a type that MCP allows".into()),
        };
        let is_known = |name: &str| COMMON.contains(&name) || own.contains(&name);
        match members.keys().find(|name| !is_known(name)) {
            Some(unknown) => {
                let unknown = printable(unknown, 64);
                Err(format!("has `{unknown}`, which MCP does not allow there"))
            }
            None => Ok(parsed),
        }
    }

    fn several(members: &Map<String, Value>) -> Result<Self, String> {
        let items = members.get("items").and_then(Value::as_object);
        let items = items.ok_or("has no items")?;
        let is_text = items.get("type").is_none_or(|kind| kind == "string");
        let is_known =
            |name: &String| matches!(name.as_str(), "anyOf" | "const" | "enum" | "oneOf" | "type");
        if !is_text || !items.keys().all(is_known) {
            return Err("has items that MCP does not allow".into());
        }
        let unique = members.get("uniqueItems");
        Ok(Self::Choices {
            options: options(items)?.ok_or("has items of which none can be chosen")?,
            min: count(members, "minItems")?.unwrap_or(0),
            max: count(members, "maxItems")?,
            is_unique: match unique {
                None => false,
                Some(Value::Bool(unique)) => *unique,
                Some(_) => return Err("has no usable `uniqueItems`".into()),
            },
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Number(rules) if rules.is_integer => "integer",
            Self::Number(_) => "number",
            Self::Boolean => "boolean",
            Self::Choice(_) => "choice",
            Self::Choices { .. } => "choices",
        }
    }

    fn check(&self, value: &Value) -> Result<Value, String> {
        match (self, value) {
            (Self::Text(rules), Value::String(text)) => rules.check(text).map(|()| value.clone()),
            (Self::Text(_), _) => Err("is not text".into()),
            (Self::Number(rules), Value::Number(number)) => rules.check(number),
            (Self::Number(_), _) => Err("is not a number".into()),
            (Self::Boolean, Value::Bool(_)) => Ok(value.clone()),
            (Self::Boolean, _) => Err("is neither true nor false".into()),
            (Self::Choice(options), Value::String(text)) => {
                chosen(options, text).map(|()| value.clone())
            }
            (Self::Choice(_), _) => Err("is not one of the options".into()),
            (
                Self::Choices {
                    options,
                    min,
                    max,
                    is_unique,
                },
                Value::Array(items),
            ) => {
                let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
                let texts = texts.ok_or("has an item that is not one of the options")?;
                texts.iter().try_for_each(|text| chosen(options, text))?;
                let len = texts.len() as u64;
                if len < *min || max.is_some_and(|max| len > max) {
                    return Err(format!("needs {}", self.limits()));
                }
                let mut distinct = texts.clone();
                distinct.sort_unstable();
                distinct.dedup();
                if *is_unique && distinct.len() < texts.len() {
                    return Err("has an option twice".into());
                }
                Ok(value.clone())
            }
            (Self::Choices { .. }, _) => Err("is not a list of options".into()),
        }
    }

    /// The limits of its values, for people.
    fn limits(&self) -> String {
        let mut limits = Vec::new();
        match self {
            Self::Text(rules) => limits = rules.limits(),
            Self::Number(rules) => {
                limits.extend(rules.min.map(|min| format!("at least {min}")));
                limits.extend(rules.max.map(|max| format!("at most {max}")));
            }
            Self::Choices { min, max, .. } => {
                if *min > 0 {
                    limits.push(format!("at least {min} options"));
                }
                limits.extend(max.map(|max| format!("at most {max} options")));
            }
            Self::Boolean | Self::Choice(_) => {}
        }
        limits.join(", ")
    }
}

impl NumberRules {
    fn parse(members: &Map<String, Value>, is_integer: bool) -> Result<Self, String> {
        let bound = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(bound) => match bound.as_f64() {
                Some(bound) => Ok(Some(bound)),
                None => Err(format!("has no usable `{name}`")),
            },
        };
        Ok(Self {
            is_integer,
            min: bound("minimum")?,
            max: bound("maximum")?,
        })
    }

    /// The number; an integer without its fraction of zero.
    fn check(&self, number: &Number) -> Result<Value, String> {
        let value = number.as_f64().ok_or("is too large")?;
        if value.fract() == 0.0 && value.abs() > MAX_INTEGER as f64 {
            return Err("is beyond the integers that JSON carries exactly".into());
        }
        if self.is_integer && value.fract() != 0.0 {
            return Err("is not an integer".into());
        }
        if let Some(min) = self.min.filter(|min| value < *min) {
            return Err(format!("is less than {min}"));
        }
        if let Some(max) = self.max.filter(|max| value > *max) {
            return Err(format!("is more than {max}"));
        }
        Ok(match value.fract() == 0.0 {
            true => (value as i64).into(),
            false => Value::Number(number.clone()),
        })
    }
}

/// The members of a property, and whether it may be null as well: `anyOf` of something and null, or two types.
fn split_null(property: &Value) -> Option<(Map<String, Value>, bool)> {
    let mut members = property.as_object()?.clone();
    if let Some(Value::Array(types)) = members.get("type")
        && let [one, other] = types.as_slice()
    {
        let kind = match (one == "null", other == "null") {
            (true, false) => other.clone(),
            (false, true) => one.clone(),
            _ => return Some((members, false)),
        };
        members.insert("type".into(), kind);
        return Some((members, true));
    }
    let null = json!({ "type": "null" });
    let alternatives = match members.get("anyOf") {
        Some(Value::Array(alternatives)) => alternatives.as_slice(),
        _ => &[],
    };
    let one = match alternatives {
        [one, other] if *other == null => one,
        [other, one] if *other == null => one,
        _ => return Some((members, false)),
    };
    let inner = one.as_object()?.clone();
    members.remove("anyOf");
    for (name, value) in inner {
        members.entry(name).or_insert(value);
    }
    Some((members, true))
}

fn count(members: &Map<String, Value>, name: &str) -> Result<Option<u64>, String> {
    match members.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(format!("has no usable `{name}`")),
        },
    }
}
