//! Times and durations as arguments.

use std::time::Duration;

use jiff::{SignedDuration, civil, tz::TimeZone};
use tollgate_model::time::Timestamp;

/// `30s`, `10m`, `1h`, `90d`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let days = text.strip_suffix('d').and_then(|n| n.parse::<u64>().ok());
    if let Some(seconds) = days.and_then(|days| days.checked_mul(86_400)) {
        return Ok(Duration::from_secs(seconds));
    }
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|d| Duration::try_from(d).ok())
        .ok_or_else(|| format!("`{text}` is not a duration: write it as in 30s, 10m, 1h or 90d"))
}

/// A time argument: `2h` (ago), a date, a date and time, or a time with a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TimeArg {
    Ago(Duration),
    At(jiff::Timestamp),
    Local(civil::DateTime),
}

impl TimeArg {
    /// Parses an argument.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(ago) = duration(text) {
            return Ok(Self::Ago(ago));
        }
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(at));
        }
        if let Ok(local) = text.parse::<civil::DateTime>() {
            return Ok(Self::Local(local));
        }
        text.parse::<civil::Date>().map(|date| Self::Local(date.at(0, 0, 0, 0))).map_err(|_| {
            format!("`{text}` is not a point in time: write it as in 2h (ago), 2026-11-21 or 2026-11-21T08:30:00Z")
        })
    }

    /// The time; in the gate's time zone if the argument has none.
    pub(crate) fn at(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        match self {
            Self::Ago(ago) => now.before(*ago),
            Self::At(at) => Timestamp(at.as_microsecond()),
            Self::Local(local) => {
                let at = zone.to_ambiguous_timestamp(*local).compatible();
                at.map_or(now, |at| Timestamp(at.as_microsecond()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
