//! Diagnostics as SARIF 2.1.0 (OASIS), which code hosts show next to the lines.

use std::{collections::BTreeSet, path::Path};

use serde_json::{Value, json};
use tollgate::config::Config;

use crate::error::Place;

/// One run of the check.
pub(super) fn log(places: &[Place], config: &Config) -> Value {
    let base = config.file.parent().unwrap_or(Path::new("."));
    let rules: BTreeSet<&str> = places.iter().map(|place| place.code.as_str()).collect();
    let rules: Vec<Value> = rules.into_iter().map(|id| json!({ "id": id })).collect();
    let results: Vec<Value> = places.iter().map(|place| result(place, base)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "tollgate policy check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(place: &Place, base: &Path) -> Value {
    let level = match (place.error, place.note) {
        (true, _) => "error",
        (false, true) => "note",
        (false, false) => "warning",
    };
    let text = match &place.help {
        Some(help) => format!("{} ({help})", place.message),
        None => place.message.clone(),
    };
    let file = Path::new(&place.file);
    // Relative to the configuration, as code hosts expect it.
    let uri = file.strip_prefix(base).unwrap_or(file);
    let uri: Vec<String> = uri
        .components()
        .map(|part| escaped(&part.as_os_str().to_string_lossy()))
        .collect();
    json!({
        "ruleId": place.code,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri.join("/") },
            "region": { "startLine": place.line, "startColumn": place.column },
        } }],
    })
}

/// As a segment of a URI's path (RFC 3986, section 3.3).
fn escaped(segment: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    segment
        .bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}
