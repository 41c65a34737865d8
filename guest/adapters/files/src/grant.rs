//! The grant of a call.

use tollgate_guest::{ToolError, files};

/// The grant that the caller named, or the only one there is.
pub(crate) fn chosen(named: Option<String>) -> Result<String, ToolError> {
    if let Some(name) = named {
        return Ok(name);
    }
    let mut names: Vec<String> = files::grants()
        .into_iter()
        .map(|grant| grant.name)
        .collect();
    match (names.pop(), names.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(ToolError::failed(
            "the operator granted this tool no directory",
        )),
        (Some(last), false) => {
            names.push(last);
            let list: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            Err(ToolError::invalid(format!(
                "`grant` is needed, there are several: {}",
                list.join(", ")
            )))
        }
    }
}
