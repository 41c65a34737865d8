//! Repairs JSON messages that deviate from the OTLP specification.
//!
//! Senders omit empty values or write `null`, use `snake_case` members, names of enum values and Base64 ids (as
//! protobuf's own JSON mapping does), numbers as text, and members of earlier protocol versions. One such value must
//! not cause the whole request to be refused.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use opentelemetry_proto::tonic::{
    logs::v1::SeverityNumber,
    trace::v1::{span::SpanKind, status::StatusCode},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Base64 with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The same with the URL-safe alphabet.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Members that were renamed in OTLP 0.15 (2022).
const RENAMED: &[(&str, &str)] = &[
    ("instrumentationLibrarySpans", "scopeSpans"),
    ("instrumentationLibraryLogs", "scopeLogs"),
    ("instrumentationLibrary", "scope"),
];
/// Members with an id, and its length in bytes.
const IDS: &[(&str, usize)] = &[("traceId", 16), ("spanId", 8), ("parentSpanId", 8)];
/// Members with a 64-bit number, which the decoder expects as text.
const LARGE: &[&str] = &[
    "startTimeUnixNano",
    "endTimeUnixNano",
    "timeUnixNano",
    "observedTimeUnixNano",
];
/// Members with a 32-bit number.
const SMALL: &[&str] = &[
    "flags",
    "droppedAttributesCount",
    "droppedEventsCount",
    "droppedLinksCount",
];

/// A repaired message.
pub(super) struct RepairedMessage<S> {
    pub(super) message: S,
    /// The members of the outermost object, after the repair.
    pub(super) members: Vec<String>,
}

/// Repairs and decodes a message.
///
/// # Errors
/// The JSON pointer to the first value that cannot be used.
pub(super) fn read<S: DeserializeOwned>(message: &[u8]) -> Result<RepairedMessage<S>, String> {
    let mut value: Value = serde_json::from_slice(message)
        .map_err(|error| format!("line {}, column {}", error.line(), error.column()))?;
    mend(&mut value);
    let members = match &value {
        Value::Object(members) => members.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let first = first_problem(&value, &mut String::new());
    match serde_json::from_value(value) {
        Ok(message) => Ok(RepairedMessage { message, members }),
        Err(_) => Err(first.unwrap_or_else(|| "a member of the wrong type".into())),
    }
}

/// Repairs a value recursively. The depth is limited by [`serde_json`].
fn mend(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(mend),
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            rename(object);
            number(object);
            for (name, member) in object.iter_mut() {
                if let ("arrayValue" | "kvlistValue", Value::Object(list)) =
                    (name.as_str(), &mut *member)
                    && list.get("values").is_none_or(Value::is_null)
                {
                    list.insert("values".into(), json!([]));
                }
                scalar(name, member);
                mend(member);
            }
        }
        _ => {}
    }
}

/// Renames members in `snake_case` and those of earlier versions. A member with the correct name has precedence.
fn rename(object: &mut Map<String, Value>) {
    let wrong = |name: &String| name.contains('_') || RENAMED.iter().any(|(old, _)| old == name);
    if !object.keys().any(wrong) {
        return;
    }
    for (name, value) in std::mem::take(object) {
        let camel = camel_case(&name);
        let renamed = RENAMED.iter().find(|(old, _)| *old == camel);
        let right = renamed.map_or(camel, |(_, new)| (*new).to_owned());
        if right == name {
            object.insert(right, value);
        } else {
            object.entry(right).or_insert(value);
        }
    }
}

fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = !camel.is_empty();
        } else if std::mem::take(&mut upper) {
            camel.extend(c.to_uppercase());
        } else {
            camel.push(c);
        }
    }
    camel
}

/// Converts the value of a member from another JSON mapping.
fn scalar(name: &str, value: &mut Value) {
    if let Some((_, bytes)) = IDS.iter().find(|(id, _)| *id == name) {
        if let Some(id) = value.as_str().and_then(|text| id(text, *bytes)) {
            *value = Value::String(id);
        }
    } else if LARGE.contains(&name) {
        if let Value::Number(number) = value {
            *value =
                Value::String(whole(number).map_or_else(|| number.to_string(), |n| n.to_string()));
        }
    } else if SMALL.contains(&name) {
        if let Some(number) = value.as_str().and_then(|text| text.parse::<u32>().ok()) {
            *value = json!(number);
        }
    } else if let Value::String(text) = value
        && let Some(number) = enumerated(name, text)
    {
        *value = json!(number);
    }
}

/// The number of an enum value, given by name or as text.
fn enumerated(member: &str, text: &str) -> Option<i32> {
    let number = match member {
        "kind" => SpanKind::from_str_name(text).map(|kind| kind as i32),
        "code" => StatusCode::from_str_name(text).map(|code| code as i32),
        "severityNumber" => SeverityNumber::from_str_name(text).map(|severity| severity as i32),
        _ => return None,
    };
    number.or_else(|| text.parse().ok())
}

/// An integer; `1e3` is one.
fn whole(number: &serde_json::Number) -> Option<u64> {
    let float = || {
        let float = number
            .as_f64()
            .filter(|n| n.fract() == 0.0 && *n >= 0.0 && *n < 1.8e19)?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is whole, positive and below 2^64"
        )]
        Some(float as u64)
    };
    number.as_u64().or_else(float)
}

/// The hexadecimal form of an id of `bytes` bytes, if `text` is its Base64 form.
fn id(text: &str, bytes: usize) -> Option<String> {
    if text.is_empty() || text.len() == 2 * bytes {
        return None;
    }
    let decoded = BASE64
        .decode(text)
        .or_else(|_| BASE64_URL.decode(text))
        .ok()?;
    let hex = |byte: &u8| format!("{byte:02x}");
    (decoded.len() == bytes).then(|| decoded.iter().map(hex).collect())
}

/// Converts numbers that are texts.
fn number(value: &mut Map<String, Value>) {
    if let Some(Value::Number(int)) = value.get("intValue")
        && let (None, Some(whole)) = (int.as_i64(), whole(int))
    {
        value.insert("intValue".into(), json!(whole.to_string()));
    }
    let Some(Value::String(text)) = value.get("doubleValue") else {
        return;
    };
    let (name, number) = match text.as_str() {
        "NaN" | "Infinity" | "-Infinity" => ("stringValue", json!(text)),
        text => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => ("doubleValue", json!(number)),
            _ => return,
        },
    };
    value.remove("doubleValue");
    value.insert(name.into(), number);
}

/// The JSON pointer to the first member with a value of the wrong type.
fn first_problem(value: &Value, path: &mut String) -> Option<String> {
    let length = path.len();
    match value {
        Value::Array(all) => all.iter().enumerate().find_map(|(place, one)| {
            path.push_str(&format!("/{place}"));
            let problem = first_problem(one, path);
            path.truncate(length);
            problem
        }),
        Value::Object(object) => object.iter().find_map(|(name, member)| {
            path.push('/');
            path.push_str(name);
            let problem = match expected(name, member) {
                Some(expected) => Some(format!("`{path}` must be {expected}")),
                None => first_problem(member, path),
            };
            path.truncate(length);
            problem
        }),
        _ => None,
    }
}

/// The expected type of a member, if its value has another one. Only for members of OTLP's own messages.
fn expected(name: &str, value: &Value) -> Option<&'static str> {
    let hex = |bytes: usize| {
        value.as_str().is_some_and(|text| {
            text.is_empty()
                || text.len() == 2 * bytes && text.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    let integer = || match value {
        Value::Number(number) => number.as_i64().is_some() || number.as_u64().is_some(),
        Value::String(text) => text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok(),
        _ => false,
    };
    let (holds, expected) = match name {
        "traceId" => (hex(16), "32 hexadecimal digits"),
        "spanId" | "parentSpanId" => (hex(8), "16 hexadecimal digits"),
        "resourceSpans" | "resourceLogs" | "scopeSpans" | "scopeLogs" | "spans" | "logRecords"
        | "attributes" | "events" | "links" | "values" => (value.is_array(), "a list"),
        "resource" | "scope" | "status" | "value" | "body" | "arrayValue" | "kvlistValue" => {
            (value.is_object(), "an object")
        }
        "name" | "key" | "message" | "stringValue" | "traceState" | "schemaUrl"
        | "severityText" | "eventName" => (value.is_string(), "text"),
        "boolValue" => (value.is_boolean(), "true or false"),
        "doubleValue" => (value.is_number(), "a number"),
        "intValue"
        | "startTimeUnixNano"
        | "endTimeUnixNano"
        | "timeUnixNano"
        | "observedTimeUnixNano"
        | "flags" => (integer(), "a whole number"),
        "kind" | "code" | "severityNumber" => (
            value.is_i64() || value.is_u64(),
            "a number or name of its enum",
        ),
        _ => (true, ""),
    };
    (!holds).then_some(expected)
}
