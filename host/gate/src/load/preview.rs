//! Previews: what `preview` under `[tools.NAME]` names must exist and must only read.

use std::sync::Arc;

use tollgate_model::{provenance::acts, request::preview_call};
use tollgate_policy::policy::nearest;

use super::LoadError;
use crate::{
    config::{Config, PreviewConfig},
    tool::{Feature, SourceKind, Tool, Tools},
};

/// The tools that are run with their reads alone, by the name of that.
///
/// # Errors
/// [`LoadError::Preview`] if something else than reading could happen.
pub(super) fn previews(config: &Config, tools: &Tools) -> Result<Tools, LoadError> {
    let mut previews = Tools::new();
    for (name, configured) in &config.tools {
        // A tool that is not loaded is reported elsewhere.
        let (Some(preview), Some(tool)) = (&configured.preview, tools.get(name)) else {
            continue;
        };
        let refused = |problem: String| LoadError::Preview {
            tool: name.clone(),
            problem,
            file: config.file.clone(),
        };
        match preview {
            PreviewConfig::DryRun if tool.source.kind == SourceKind::Component => {
                let preview = of(tool);
                previews.insert(preview.name.clone(), Arc::new(preview));
            }
            PreviewConfig::DryRun => {
                let problem = "only a component can be run with its reads alone; name a tool that only reads instead";
                return Err(refused(problem.into()));
            }
            PreviewConfig::Tool { name: other, .. } => {
                check(tools, other).map_err(refused)?;
            }
        }
    }
    Ok(previews)
}

/// That a tool exists, is executed by the gate and only reads.
fn check(tools: &Tools, name: &str) -> Result<(), String> {
    let Some(tool) = tools.get(name) else {
        let near = nearest(name, tools.keys().map(String::as_str));
        let near = near.map(|near| format!("; did you mean `{near}`?"));
        let shown = crate::text::printable(name, 80);
        return Err(format!(
            "there is no tool `{shown}`{}",
            near.unwrap_or_default()
        ));
    };
    if tool.source.kind == SourceKind::External {
        return Err(format!(
            "`{name}` is executed by its caller, and not by the gate"
        ));
    }
    if !tool.annotations.read_only {
        return Err(format!(
            "`{name}` does not say that it only reads (`readOnlyHint`)"
        ));
    }
    if acts(&tool.labels) {
        return Err(format!(
            "`{name}` has the label `egress`, `destructive` or `unlabelled`; a preview only reads"
        ));
    }
    Ok(())
}

/// The same tool, to be run with its reads alone. What it says is not checked against its output schema, because a
/// component that may not write may say something else.
fn of(tool: &Tool) -> Tool {
    Tool {
        name: preview_call(&tool.name),
        own_name: tool.own_name.clone(),
        feature: Feature::Preview,
        source: tool.source.clone(),
        title: tool.title.clone(),
        description: tool.description.clone(),
        input_schema: tool.input_schema.clone(),
        output_schema: None,
        annotations: tool.annotations,
        output_check: None,
        labels: tool.labels.clone(),
        taints: tool.taints.clone(),
        provenance: tool.provenance.clone(),
        limits: tool.limits.clone(),
    }
}
