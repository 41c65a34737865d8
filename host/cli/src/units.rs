//! Short forms of durations, sizes and amounts.

use tollgate_model::time::Timestamp;

/// A duration in microseconds.
pub(crate) fn duration(micros: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits of it are shown")]
    let value = micros as f64;
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", value / 1e3),
        10_000..1_000_000 => format!("{:.0} ms", value / 1e3),
        1_000_000..60_000_000 => format!("{:.2} s", value / 1e6),
        60_000_000..3_600_000_000 => {
            format!("{}m {:02}s", micros / 60_000_000, micros / 1_000_000 % 60)
        }
        3_600_000_000..86_400_000_000 => {
            format!(
                "{}h {:02}m",
                micros / 3_600_000_000,
                micros / 60_000_000 % 60
            )
        }
        _ => format!(
            "{}d {:02}h",
            micros / 86_400_000_000,
            micros / 3_600_000_000 % 24
        ),
    }
}

/// A size in bytes.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits of it are shown")]
    let value = bytes as f64;
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{:.1} KiB", value / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.1} GiB", value / 1_073_741_824.0),
    }
}

/// A large number, such as fuel.
pub(crate) fn amount(n: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits of it are shown")]
    let value = n as f64;
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{:.0}k", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

/// `1 call`, `2 calls`.
pub(crate) fn count(n: u64, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

/// A point in time without fractions: `2026-11-21 08:30:00Z`.
pub(crate) fn moment(time: Timestamp) -> String {
    let text = time.to_string();
    match text.split_once('T') {
        Some((date, clock)) => format!("{date} {}Z", clock.get(..8).unwrap_or(clock)),
        None => text,
    }
}

#[cfg(test)]
mod tests;
