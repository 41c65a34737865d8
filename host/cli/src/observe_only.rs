//! The policy of a gate that only observes: it permits every call.

use tollgate::config::Config;

use crate::error::shown;

/// Its id.
pub(crate) const ID: &str = "observe-only";
/// Its text.
pub(crate) const POLICY: &str = include_str!("../templates/observe-only.cedar");

/// A warning, if the policy is in force.
pub(crate) fn warning(config: &Config) -> Option<String> {
    let needle = format!("@id(\"{ID}\")");
    let files = config.policy_files().ok()?;
    let file = files.iter().find(|file| file.text.contains(&needle))?;
    Some(format!(
        "warning: the policy `{ID}` in {} permits every call; see what was called with `tollgate policy \
         suggest`, and replace it",
        shown(&config.policies.join(&file.name))
    ))
}
