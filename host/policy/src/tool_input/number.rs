//! JSON numbers as Cedar values.

use serde::{Deserialize, Serialize};
use serde_json::Number;

/// The form in which policies see a JSON number, if a decimal is not suitable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum NumberMapping {
    /// As its canonical text.
    Text,
    /// As a `Long`: the number times ten to this power (at most 9); the product must be an integer.
    Scaled(u8),
}

impl From<NumberMapping> for String {
    fn from(mapping: NumberMapping) -> Self {
        match mapping {
            NumberMapping::Text => "string".into(),
            NumberMapping::Scaled(n) => format!("scaled({n})"),
        }
    }
}

impl TryFrom<String> for NumberMapping {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let scale = text
            .strip_prefix("scaled(")
            .and_then(|t| t.strip_suffix(')'));
        match (text.as_str(), scale.and_then(|n| n.parse().ok())) {
            ("string", _) => Ok(Self::Text),
            (_, Some(n @ 0..=9)) => Ok(Self::Scaled(n)),
            _ => Err(format!(
                "`{text}` is not a number mapping: use \"string\" or \"scaled(0)\" to \"scaled(9)\""
            )),
        }
    }
}

/// The text of a Cedar decimal, if it can hold the number exactly (at most four decimal places).
pub(super) fn decimal(n: &Number) -> Option<String> {
    let text = match n.as_i64() {
        Some(whole) => format!("{whole}.0"),
        None => format!("{}", n.as_f64()?),
    };
    let (whole, fraction) = text.split_once('.')?;
    let magnitude: u64 = whole.trim_start_matches('-').parse().ok()?;
    (fraction.len() <= 4 && magnitude < 922_337_203_685_477).then_some(text)
}

/// The number times ten to `scale`, if that is an integer.
pub(super) fn scaled(n: &Number, scale: u8) -> Option<i64> {
    let text = n.as_i64().map_or_else(
        || n.as_f64().map(|f| format!("{f}")),
        |i| Some(i.to_string()),
    )?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let scale = usize::from(scale);
    if fraction.len() > scale {
        return None;
    }
    format!("{whole}{fraction:0<scale$}").parse().ok()
}
