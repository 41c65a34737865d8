//! Output and paths of all measurements.

use std::path::{Path, PathBuf};

/// One measurement: a JSON line. `floor` is the bare limit measured in the same run, if there is one.
pub(crate) fn line(name: &str, value: f64, unit: &str, floor: Option<f64>) {
    let rounded = |v: f64| (v * 100.0).round() / 100.0;
    println!(
        "{}",
        serde_json::json!({
            "name": name,
            "value": rounded(value),
            "unit": unit,
            "floor": floor.map(rounded),
            "ratio": floor.map(|floor| rounded(value / floor)),
        })
    );
}

/// The top folder of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}
