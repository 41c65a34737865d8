//! Values: from JSON to the component's types and back.
//!
//! Each value of a type has one JSON form, except that an optional member may be left out instead of
//! `null`. Errors name positions in the arguments, never values.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Number, Value};
use wasmtime::component::Val;

use super::{
    schema::MAX_SAFE,
    shape::{Integer, Shape},
};

/// A value does not have the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pointer}`: this must be {expected}")]
pub(crate) struct Mismatch {
    pointer: String,
    expected: String,
}

/// A component returned a value that does not have its declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a value does not have its declared type")]
pub(crate) struct UndeclaredValue;

/// JSON as a value of this shape.
pub(crate) fn to_val(shape: &Shape, value: &Value, pointer: &str) -> Result<Val, Mismatch> {
    let wrong = |expected: &str| mismatch(pointer, expected);
    match (shape, value) {
        (Shape::Bool, Value::Bool(v)) => Ok(Val::Bool(*v)),
        (Shape::Bool, _) => Err(wrong("true or false")),
        (Shape::Integer(ty), value) => to_integer(*ty, value, pointer),
        (Shape::Float64, Value::Number(n)) => n
            .as_f64()
            .map(Val::Float64)
            .ok_or_else(|| wrong("a number")),
        (Shape::Float32, Value::Number(n)) => match n.as_f64().map(|n| n as f32) {
            Some(n) if n.is_finite() => Ok(Val::Float32(n)),
            _ => Err(wrong("a number that 32 bits hold")),
        },
        (Shape::Float32 | Shape::Float64, _) => Err(wrong("a number")),
        (Shape::Char, value) => to_char(value, pointer),
        (Shape::Text, Value::String(text)) => Ok(Val::String(text.clone())),
        (Shape::Text, _) => Err(wrong("a string")),
        (Shape::Bytes, value) => to_bytes(value, pointer),
        (Shape::List(element), Value::Array(items)) => {
            let items = items.iter().enumerate();
            let vals = items.map(|(i, item)| to_val(element, item, &format!("{pointer}/{i}")));
            Ok(Val::List(vals.collect::<Result<_, _>>()?))
        }
        (Shape::List(_), _) => Err(wrong("an array")),
        (Shape::Tuple(shapes), Value::Array(items)) if shapes.len() == items.len() => {
            let items = shapes.iter().zip(items).enumerate();
            let vals =
                items.map(|(i, (shape, item))| to_val(shape, item, &format!("{pointer}/{i}")));
            Ok(Val::Tuple(vals.collect::<Result<_, _>>()?))
        }
        (Shape::Tuple(shapes), _) => Err(wrong(&format!("an array of {}", shapes.len()))),
        (Shape::Record(fields), Value::Object(members)) => {
            Ok(Val::Record(fields_of(fields, members, pointer)?))
        }
        (Shape::Record(_), _) => Err(wrong("an object")),
        (Shape::Variant(cases), Value::Object(members)) => to_variant(cases, members, pointer),
        (Shape::Variant(_), _) => Err(wrong("an object with `tag`")),
        (Shape::Enum(names), value) => {
            let name = value.as_str().and_then(|v| names.iter().find(|n| *n == v));
            name.map(|name| Val::Enum(name.clone()))
                .ok_or_else(|| wrong("a name of the enumeration"))
        }
        (Shape::Flags(names), Value::Array(items)) => to_flags(names, items, pointer),
        (Shape::Flags(_), _) => Err(wrong("an array")),
        (Shape::Option(inner), value) => to_option(inner, value, pointer),
        (Shape::Result(ok, error), Value::Object(members)) if members.len() == 1 => {
            to_result(ok.as_deref(), error.as_deref(), members, pointer)
        }
        (Shape::Result(..), _) => Err(wrong("an object with `ok` or `error`")),
    }
}

fn to_integer(ty: Integer, value: &Value, pointer: &str) -> Result<Val, Mismatch> {
    integer(ty, value).ok_or_else(|| {
        let (min, max) = ty.range();
        let form = if ty.is_wide() {
            ", as a string exactly if it is beyond ±(2^53 - 1)"
        } else {
            ""
        };
        mismatch(pointer, &format!("an integer from {min} to {max}{form}"))
    })
}

fn to_char(value: &Value, pointer: &str) -> Result<Val, Mismatch> {
    let mut chars = value.as_str().unwrap_or_default().chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => Ok(Val::Char(c)),
        _ => Err(mismatch(pointer, "one character")),
    }
}

fn to_bytes(value: &Value, pointer: &str) -> Result<Val, Mismatch> {
    let bytes = value.as_str().and_then(|text| STANDARD.decode(text).ok());
    let bytes = bytes.ok_or_else(|| mismatch(pointer, "base64 (RFC 4648, section 4, padded)"))?;
    Ok(Val::List(bytes.into_iter().map(Val::U8).collect()))
}

fn to_variant(
    cases: &[(String, Option<Shape>)],
    members: &Map<String, Value>,
    pointer: &str,
) -> Result<Val, Mismatch> {
    let wrong = |expected: &str| mismatch(pointer, expected);
    let tag = members.get("tag").and_then(Value::as_str);
    let (name, payload) = cases
        .iter()
        .find(|(name, _)| Some(name.as_str()) == tag)
        .ok_or_else(|| wrong("an object whose `tag` is a case of the variant"))?;
    match (payload, members.get("value"), members.len()) {
        (Some(shape), Some(value), 2) => {
            let val = to_member(shape, value, pointer, "value")?;
            Ok(Val::Variant(name.clone(), Some(val)))
        }
        (None, None, 1) => Ok(Val::Variant(name.clone(), None)),
        _ => Err(wrong("`tag`, and `value` exactly if its case has one")),
    }
}

fn to_flags(names: &[String], items: &[Value], pointer: &str) -> Result<Val, Mismatch> {
    let set: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
    let set = set.ok_or_else(|| mismatch(pointer, "an array of names"))?;
    let known = |name: &&str| names.iter().any(|n| n == name);
    let twice = set
        .iter()
        .enumerate()
        .any(|(i, name)| set.iter().take(i).any(|n| n == name));
    if set.len() > names.len() || !set.iter().all(known) || twice {
        return Err(mismatch(pointer, "an array of flags, each at most once"));
    }
    // In the order of the type, not of the array.
    let names = names.iter().filter(|name| set.contains(&name.as_str()));
    Ok(Val::Flags(names.cloned().collect()))
}

/// What may be `null` itself is in an object with `some`, so that the two kinds of absence can be distinguished.
fn to_option(inner: &Shape, value: &Value, pointer: &str) -> Result<Val, Mismatch> {
    let val = match value {
        Value::Null => return Ok(Val::Option(None)),
        value if !inner.has_null() => Box::new(to_val(inner, value, pointer)?),
        value => match value
            .as_object()
            .map(|members| (members.get("some"), members.len()))
        {
            Some((Some(value), 1)) => to_member(inner, value, pointer, "some")?,
            _ => return Err(mismatch(pointer, "null, or an object with `some`")),
        },
    };
    Ok(Val::Option(Some(val)))
}

fn to_result(
    ok: Option<&Shape>,
    error: Option<&Shape>,
    members: &Map<String, Value>,
    pointer: &str,
) -> Result<Val, Mismatch> {
    let payload = |name: &str, shape: Option<&Shape>| match (shape, members.get(name)) {
        (Some(shape), Some(value)) => to_member(shape, value, pointer, name).map(Some),
        (None, Some(Value::Null)) => Ok(None),
        _ => Err(mismatch(pointer, "an object with `ok` or `error`")),
    };
    Ok(Val::Result(if members.contains_key("ok") {
        Ok(payload("ok", ok)?)
    } else {
        Err(payload("error", error)?)
    }))
}

/// The value of a member of an object at `pointer`.
fn to_member(
    shape: &Shape,
    value: &Value,
    pointer: &str,
    name: &str,
) -> Result<Box<Val>, Mismatch> {
    to_val(shape, value, &below(pointer, name)).map(Box::new)
}

fn mismatch(pointer: &str, expected: &str) -> Mismatch {
    Mismatch {
        pointer: if pointer.is_empty() { "/" } else { pointer }.to_owned(),
        expected: expected.to_owned(),
    }
}

fn below(pointer: &str, name: &str) -> String {
    format!(
        "{pointer}/{}",
        tollgate_model::canonical::escape_segment(name)
    )
}

/// The members of an object, in the order of the fields.
pub(crate) fn fields_of(
    fields: &[(String, Shape)],
    members: &Map<String, Value>,
    pointer: &str,
) -> Result<Vec<(String, Val)>, Mismatch> {
    let wrong = |name: &str, expected: &str| Mismatch {
        pointer: below(pointer, name),
        expected: expected.to_owned(),
    };
    if let Some(name) = members
        .keys()
        .find(|name| !fields.iter().any(|(n, _)| n == *name))
    {
        return Err(wrong(
            &tollgate_model::text::printable(name, 80),
            "left out: there is no such member",
        ));
    }
    let field = |(name, shape): &(String, Shape)| {
        let val = match (members.get(name), shape) {
            (Some(value), shape) => to_val(shape, value, &below(pointer, name))?,
            (None, Shape::Option(_)) => Val::Option(None),
            (None, _) => return Err(wrong(name, "there")),
        };
        Ok((name.clone(), val))
    };
    fields.iter().map(field).collect()
}

fn integer(ty: Integer, value: &Value) -> Option<Val> {
    let number = match value {
        Value::Number(n) => {
            let n = whole(n)?;
            (-MAX_SAFE..=MAX_SAFE).contains(&n).then_some(n)?
        }
        Value::String(text) if ty.is_wide() => {
            let n: i128 = text.parse().ok()?;
            // One form per value: otherwise two equal calls would be decided differently.
            let canonical = !(-MAX_SAFE..=MAX_SAFE).contains(&n) && n.to_string() == *text;
            canonical.then_some(n)?
        }
        _ => return None,
    };
    match ty {
        Integer::U8 => number.try_into().ok().map(Val::U8),
        Integer::S8 => number.try_into().ok().map(Val::S8),
        Integer::U16 => number.try_into().ok().map(Val::U16),
        Integer::S16 => number.try_into().ok().map(Val::S16),
        Integer::U32 => number.try_into().ok().map(Val::U32),
        Integer::S32 => number.try_into().ok().map(Val::S32),
        Integer::U64 => number.try_into().ok().map(Val::U64),
        Integer::S64 => number.try_into().ok().map(Val::S64),
    }
}

/// An integer, in any notation.
fn whole(n: &Number) -> Option<i128> {
    let whole = n
        .as_i64()
        .map(i128::from)
        .or_else(|| n.as_u64().map(i128::from));
    whole.or_else(|| {
        let n = n.as_f64()?;
        (n.fract() == 0.0 && n.abs() <= MAX_SAFE as f64).then_some(n as i128)
    })
}

fn number(n: i128) -> Value {
    match i64::try_from(n) {
        Ok(n) if (-MAX_SAFE..=MAX_SAFE).contains(&i128::from(n)) => n.into(),
        _ => n.to_string().into(),
    }
}

fn float(n: f64) -> Value {
    if n.is_nan() {
        "NaN".into()
    } else if n == f64::INFINITY {
        "Infinity".into()
    } else if n == f64::NEG_INFINITY {
        "-Infinity".into()
    } else if n.abs() > MAX_SAFE as f64 {
        format!("{n:e}").into()
    } else {
        Number::from_f64(n).map_or(Value::Null, Value::Number)
    }
}

/// A value of this shape as JSON.
pub(crate) fn to_json(shape: &Shape, val: &Val) -> Result<Value, UndeclaredValue> {
    Ok(match (shape, val) {
        (Shape::Bool, Val::Bool(v)) => (*v).into(),
        (Shape::Integer(ty), val) => integer_json(*ty, val)?,
        // The shortest number for these 32 bits, not its 64-bit expansion.
        (Shape::Float32, Val::Float32(n)) => float(n.to_string().parse().unwrap_or(f64::NAN)),
        (Shape::Float64, Val::Float64(n)) => float(*n),
        (Shape::Char, Val::Char(c)) => c.to_string().into(),
        (Shape::Text, Val::String(text)) => text.as_str().into(),
        (Shape::Bytes, Val::List(items)) => bytes_json(items)?,
        (Shape::List(element), Val::List(items)) => {
            let items: Result<_, _> = items.iter().map(|item| to_json(element, item)).collect();
            Value::Array(items?)
        }
        (Shape::Tuple(shapes), Val::Tuple(items)) if shapes.len() == items.len() => {
            let items = shapes.iter().zip(items);
            let items: Result<_, _> = items.map(|(shape, item)| to_json(shape, item)).collect();
            Value::Array(items?)
        }
        (Shape::Record(fields), Val::Record(members)) if fields.len() == members.len() => {
            let members: Result<Map<_, _>, _> = fields
                .iter()
                .zip(members)
                .map(|((name, shape), (_, val))| Ok((name.clone(), to_json(shape, val)?)))
                .collect();
            Value::Object(members?)
        }
        (Shape::Variant(cases), Val::Variant(tag, payload)) => {
            variant_json(cases, tag, payload.as_deref())?
        }
        (Shape::Enum(_), Val::Enum(name)) => name.as_str().into(),
        (Shape::Flags(_), Val::Flags(names)) => names.as_slice().into(),
        (Shape::Option(_), Val::Option(None)) => Value::Null,
        (Shape::Option(inner), Val::Option(Some(val))) => {
            let value = to_json(inner, val)?;
            match inner.has_null() {
                true => object("some", value),
                false => value,
            }
        }
        (Shape::Result(ok, _), Val::Result(Ok(val))) => {
            object("ok", payload_json(ok.as_deref(), val.as_deref())?)
        }
        (Shape::Result(_, error), Val::Result(Err(val))) => {
            object("error", payload_json(error.as_deref(), val.as_deref())?)
        }
        _ => return Err(UndeclaredValue),
    })
}

fn integer_json(ty: Integer, val: &Val) -> Result<Value, UndeclaredValue> {
    Ok(match (ty, val) {
        (Integer::U8, Val::U8(n)) => (*n).into(),
        (Integer::S8, Val::S8(n)) => (*n).into(),
        (Integer::U16, Val::U16(n)) => (*n).into(),
        (Integer::S16, Val::S16(n)) => (*n).into(),
        (Integer::U32, Val::U32(n)) => (*n).into(),
        (Integer::S32, Val::S32(n)) => (*n).into(),
        (Integer::U64, Val::U64(n)) => number((*n).into()),
        (Integer::S64, Val::S64(n)) => number((*n).into()),
        _ => return Err(UndeclaredValue),
    })
}

fn bytes_json(items: &[Val]) -> Result<Value, UndeclaredValue> {
    let byte = |item: &Val| match item {
        Val::U8(byte) => Ok(*byte),
        _ => Err(UndeclaredValue),
    };
    let bytes: Vec<u8> = items.iter().map(byte).collect::<Result<_, _>>()?;
    Ok(STANDARD.encode(bytes).into())
}

fn variant_json(
    cases: &[(String, Option<Shape>)],
    tag: &str,
    payload: Option<&Val>,
) -> Result<Value, UndeclaredValue> {
    let case = cases.iter().find(|(name, _)| name == tag);
    let (_, shape) = case.ok_or(UndeclaredValue)?;
    let mut members = Map::from_iter([("tag".to_owned(), tag.into())]);
    if shape.is_some() || payload.is_some() {
        let value = payload_json(shape.as_ref(), payload)?;
        members.insert("value".into(), value);
    }
    Ok(Value::Object(members))
}

/// A payload that its type may not have: `null` without one.
fn payload_json(shape: Option<&Shape>, val: Option<&Val>) -> Result<Value, UndeclaredValue> {
    match (shape, val) {
        (Some(shape), Some(val)) => to_json(shape, val),
        (None, None) => Ok(Value::Null),
        _ => Err(UndeclaredValue),
    }
}

/// An object with one member.
fn object(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}
