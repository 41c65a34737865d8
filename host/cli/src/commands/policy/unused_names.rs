//! Names in tollgate.toml that nothing else has: labels that no policy names, tools and fields of `[capture]` that do
//! not exist.

use std::collections::{BTreeMap, BTreeSet};

use tollgate::config::Config;
use tollgate_policy::{
    pdp::{Bundle, Pdp},
    policy::nearest,
    schema_path::dead_end,
};

use crate::error::Place;

/// A warning for each of them that resembles a name that exists, and for each that cannot be.
pub(super) fn warnings(config: &Config, bundle: &Bundle, pdp: &Pdp) -> Vec<Place> {
    let text = std::fs::read_to_string(&config.file).unwrap_or_default();
    let file = ConfigText {
        text: &text,
        name: config.file.display().to_string(),
    };
    let mut found = labels(config, pdp, &file);
    found.extend(capture(config, bundle, &file));
    found
}

/// tollgate.toml.
struct ConfigText<'a> {
    text: &'a str,
    name: String,
}

impl ConfigText<'_> {
    /// A warning at the first place of one of these texts.
    fn warning(&self, needles: &[String], code: &str, message: String, help: String) -> Place {
        let at = needles
            .iter()
            .find_map(|needle| self.text.find(needle.as_str()));
        let before = at.and_then(|at| self.text.get(..at)).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        Place {
            file: self.name.clone(),
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
            length: 1,
            error: false,
            note: false,
            code: code.into(),
            message,
            help: Some(help),
        }
    }
}

fn labels(config: &Config, pdp: &Pdp, file: &ConfigText<'_>) -> Vec<Place> {
    let named = pdp.named_labels();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for label in config.label_uses() {
        *uses.entry(label).or_default() += 1;
    }
    let is_known = |label: &str| {
        named.contains(label)
            || tollgate::config::BUILT_IN_LABELS.contains(&label)
            || uses.get(label).is_some_and(|uses| *uses > 1)
    };
    let known: BTreeSet<&str> = uses
        .keys()
        .chain(&named)
        .map(String::as_str)
        .chain(tollgate::config::BUILT_IN_LABELS.iter().copied())
        .filter(|label| is_known(label))
        .collect();
    let lonely = uses.keys().filter(|label| !is_known(label));
    lonely
        .filter_map(|label| {
            let near = nearest(label, known.iter().copied())?;
            Some(file.warning(
                &[format!("\"{label}\"")],
                "config::unused-label",
                format!("no policy and nothing else in tollgate.toml names the label `{label}`"),
                format!("did you mean \"{near}\"?"),
            ))
        })
        .collect()
}

/// Tools and fields of `[capture.tools]`.
fn capture(config: &Config, bundle: &Bundle, file: &ConfigText<'_>) -> Vec<Place> {
    let mut found = Vec::new();
    for (name, tool) in &config.capture.tools {
        // Of prompts and resources only the names are known.
        if name == "*" || name.contains(':') {
            continue;
        }
        let Some(types) = bundle.tools.get(name) else {
            let near = nearest(name, bundle.tools.keys().map(String::as_str));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "see the names with `tollgate tools list`".into(),
            };
            let message = format!("there is no tool `{name}`: nothing of it is captured");
            let needles = [
                format!("capture.tools.{name}"),
                format!("tools.{name}"),
                name.clone(),
            ];
            found.push(file.warning(&needles, "config::unknown-tool", message, help));
            continue;
        };
        let output = bundle.checked.output_schemas.get(name);
        let parts = [
            (
                "arguments",
                tool.arguments.pointers(),
                Some(&types.input_schema),
            ),
            ("result", tool.result.pointers(), output),
        ];
        for (part, pointers, schema) in parts {
            for pointer in pointers {
                let Some(lost) = schema.and_then(|schema| dead_end(schema, &pointer)) else {
                    continue;
                };
                let help = match lost.nearest() {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("see the fields with `tollgate tools show {name}`"),
                };
                let message = format!(
                    "[capture.tools.{name}] {part}.\"{pointer}\" leads nowhere: there is no `{}`",
                    lost.segment
                );
                let needles = [format!("\"{pointer}\"")];
                found.push(file.warning(&needles, "config::unknown-field", message, help));
            }
        }
    }
    found
}
