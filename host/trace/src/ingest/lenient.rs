//! JSON as some senders write it: protobuf's JSON leaves out what is empty, has `null` for it, and has words
//! for numbers that JSON has none for. One such value must not cost the sender its whole request.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// The message, if it can be read once that is made good.
pub(super) fn read<S: DeserializeOwned>(message: &[u8]) -> Option<S> {
    let mut value = serde_json::from_slice(message).ok()?;
    mend(&mut value);
    serde_json::from_value(value).ok()
}

/// As deep as [`serde_json`] reads values.
fn mend(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(mend),
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            number(object);
            for (name, member) in object.iter_mut() {
                if let ("arrayValue" | "kvlistValue", Value::Object(list)) =
                    (name.as_str(), &mut *member)
                    && list.get("values").is_none_or(Value::is_null)
                {
                    list.insert("values".into(), json!([]));
                }
                mend(member);
            }
        }
        _ => {}
    }
}

/// Numbers that are written as text.
fn number(value: &mut Map<String, Value>) {
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
