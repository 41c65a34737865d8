//! Values of facts, and their types.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time::Timestamp;

/// A decimal has four decimal places.
const SCALE: i64 = 10_000;
/// Cedar's decimal has this many digits before the point at most.
const WHOLE_DIGITS: usize = 15;

/// The type of a fact in policies.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum FactType {
    /// Cedar's `Long`.
    Long,
    /// Cedar's `decimal`.
    Decimal,
    /// Cedar's `datetime`.
    Datetime,
}

named!(FactType);

/// When a fact has no value.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Absence {
    /// When what it tells has not happened.
    Never,
    /// When it cannot be known: the call lacks an argument, or something that was counted was not a number.
    Unknown,
}

named!(Absence);

/// The form of a fact in policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactShape {
    /// When it has no value, so that policies guard it with `has`; absent: it always has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent: Option<Absence>,
    /// Whether it begins anew with each run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_run: bool,
    /// Its type.
    #[serde(rename = "type")]
    pub ty: FactType,
}

/// The value of a fact for a call. What is not known has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactValue {
    /// A number of calls or values, or a sum of integers.
    Long(i64),
    /// A sum, in ten-thousandths.
    Decimal(i64),
    /// A time.
    Datetime(Timestamp),
}

impl FactValue {
    /// Its type.
    #[must_use]
    pub fn ty(self) -> FactType {
        match self {
            Self::Long(_) => FactType::Long,
            Self::Decimal(_) => FactType::Decimal,
            Self::Datetime(_) => FactType::Datetime,
        }
    }

    /// The value that a person writes for a fact of this type: an integer; a decimal as a text or a number; a time by
    /// RFC 3339, or by its distance from `now`, as in `"10m ago"`.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(written: &Value, ty: FactType, now: Timestamp) -> Result<Self, String> {
        let text = written.as_str();
        match ty {
            FactType::Long => written
                .as_i64()
                .map(Self::Long)
                .ok_or_else(|| "write an integer".to_owned()),
            FactType::Decimal => {
                let number = written.as_number().map(ToString::to_string);
                let amount = number.as_deref().or(text).and_then(decimal_amount);
                amount
                    .map(Self::Decimal)
                    .ok_or_else(|| "write a decimal of at most four places, as in \"12.50\"".into())
            }
            FactType::Datetime => text
                .and_then(|text| time(text, now))
                .map(Self::Datetime)
                .ok_or_else(|| {
                    "write a time as in \"2026-11-21T08:30:00Z\" or \"10m ago\"".to_owned()
                }),
        }
    }
}

impl fmt::Display for FactValue {
    /// As [`FactValue::parse`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long(n) => write!(f, "{n}"),
            Self::Decimal(n) => {
                let (sign, n) = (if *n < 0 { "-" } else { "" }, n.unsigned_abs());
                let scale = SCALE.unsigned_abs();
                write!(f, "{sign}{}.{:04}", n / scale, n % scale)
            }
            Self::Datetime(time) => time.fmt(f),
        }
    }
}

/// A decimal number in ten-thousandths; `None` for what is not one, and for what Cedar's decimal cannot hold.
#[must_use]
pub fn decimal_amount(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let part = match part.trim_end_matches('0') {
        "" if is_number(part) => "0",
        part => part,
    };
    if !is_number(whole) || !is_number(part) || whole.len() > WHOLE_DIGITS || part.len() > 4 {
        return None;
    }
    let part: i64 = format!("{part:0<4}").parse().ok()?;
    let whole: i64 = whole.parse().ok()?;
    whole
        .checked_mul(SCALE)?
        .checked_add(part)?
        .checked_mul(sign)
}

fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(span) = text.strip_suffix(" ago") {
        let span = span.parse::<jiff::Span>().ok()?;
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        let micros = span.to_duration(days).ok()?.as_micros();
        return Some(Timestamp(now.0.checked_sub(i64::try_from(micros).ok()?)?));
    }
    let time: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp(time.as_microsecond()))
}

#[cfg(test)]
mod tests;
