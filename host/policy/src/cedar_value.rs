//! Cedar values, made directly.
//!
//! `cedar-policy` makes values only by evaluating expressions, which matches the text of every time,
//! duration and decimal against regular expressions. Its engine, `cedar-policy-core` of the same release,
//! takes values directly. Nothing here reads Cedar's JSON, where an `__entity` in an argument would become
//! an entity.

use std::sync::LazyLock;

use cedar_policy_core::{
    ast::{Eid, EntityUID, ExtensionFunction, Literal, Name, PartialValue, Value, ValueKind},
    extensions::Extensions,
};

use tollgate_model::entity::Uid;

/// Bits per digit of a number of milliseconds.
const DIGIT: u32 = 8;
/// Digits of the largest number of milliseconds, after the year 9999.
const DIGITS: u32 = 6;

/// A function of Cedar's extensions, looked up once.
struct Function(LazyLock<Option<&'static ExtensionFunction>>);

impl Function {
    const fn new(find: fn() -> Option<&'static ExtensionFunction>) -> Self {
        Self(LazyLock::new(find))
    }

    fn call(&self, arguments: &[Value]) -> Option<Value> {
        match (*self.0)?.call(arguments) {
            Ok(PartialValue::Value(value)) => Some(value),
            Ok(PartialValue::Residual(_)) | Err(_) => None,
        }
    }
}

fn find(name: &str) -> Option<&'static ExtensionFunction> {
    let name = Name::parse_unqualified_name(name).ok()?;
    Extensions::all_available().func(&name).ok()
}

static DECIMAL: Function = Function::new(|| find("decimal"));
static IP: Function = Function::new(|| find("ip"));
static DATETIME: Function = Function::new(|| find("datetime"));
static DURATION: Function = Function::new(|| find("duration"));
static OFFSET: Function = Function::new(|| find("offset"));
static SINCE: Function = Function::new(|| find("durationSince"));

static EPOCH: LazyLock<Option<Value>> = LazyLock::new(|| DATETIME.call(&["1970-01-01".into()]));

/// Durations from which every other is summed up: one for each digit in each place.
static DURATIONS: LazyLock<Vec<Vec<Option<Value>>>> = LazyLock::new(|| {
    let of =
        |place: u32, digit: u64| DURATION.call(&[format!("{}ms", digit << (DIGIT * place)).into()]);
    (0..DIGITS)
        .map(|place| (0..1 << DIGIT).map(|digit| of(place, digit)).collect())
        .collect()
});

/// An integer.
pub(crate) fn long(n: i64) -> Value {
    Value::new(Literal::Long(n), None)
}

/// A decimal, from its text: at most four decimal places.
pub(crate) fn decimal(text: &str) -> Option<Value> {
    static NONE: LazyLock<Option<Value>> = LazyLock::new(|| DECIMAL.call(&["0.0".into()]));
    match text {
        "0.0" => NONE.clone(),
        text => DECIMAL.call(&[text.into()]),
    }
}

/// An IP address or range, from its text.
pub(crate) fn ip(text: &str) -> Option<Value> {
    IP.call(&[text.into()])
}

/// A time, in milliseconds since 1970.
pub(crate) fn datetime(milliseconds: u64) -> Option<Value> {
    after(EPOCH.as_ref()?, milliseconds)
}

/// A time, from its text.
pub(crate) fn datetime_from(text: &str) -> Option<Value> {
    DATETIME.call(&[text.into()])
}

/// A duration, in milliseconds.
pub(crate) fn duration(milliseconds: u64) -> Option<Value> {
    let epoch = EPOCH.as_ref()?;
    SINCE.call(&[after(epoch, milliseconds)?, epoch.clone()])
}

fn after(origin: &Value, milliseconds: u64) -> Option<Value> {
    if milliseconds >> (DIGIT * DIGITS) != 0 {
        return None;
    }
    let mut time = origin.clone();
    for (place, durations) in (0..DIGITS).zip(DURATIONS.iter()) {
        let digit = (milliseconds >> (DIGIT * place)) & ((1 << DIGIT) - 1);
        if digit != 0 {
            let duration = durations.get(usize::try_from(digit).ok()?)?.clone()?;
            time = OFFSET.call(&[time, duration])?;
        }
    }
    Some(time)
}

/// An entity of the fixed schema.
pub(crate) fn entity(uid: &Uid) -> Option<EntityUID> {
    let ty = crate::cedar_uid::entity_type(uid.kind)?;
    Some(EntityUID::from_components(
        ty,
        Eid::new(uid.id.as_str()),
        None,
    ))
}

/// A set of literals.
pub(crate) fn set(literals: impl IntoIterator<Item = Literal>) -> Value {
    Value::new(ValueKind::set_of_lits(literals), None)
}

/// A record.
pub(crate) fn record<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::record(pairs, None)
}

#[cfg(test)]
mod tests;
