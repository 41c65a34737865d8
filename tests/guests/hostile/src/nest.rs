//! Tools that call other tools: any that their arguments name, too deep, and without end.

use core::hint::black_box;

use tollgate_guest::{
    Content, ToolError, arguments, calls, files,
    serde_json::{self, Value, json},
    tool,
};

/// Which tool, with what.
#[arguments]
pub(crate) struct Relayed {
    /// The tool.
    tool: String,
    /// Its arguments, as JSON.
    arguments: String,
}

/// Components to call, one within the other.
#[arguments]
pub(crate) struct Chain {
    /// Their names; each is a copy of this component.
    components: Vec<String>,
}

/// How often, and which tool.
#[arguments]
pub(crate) struct Storm {
    /// The tool.
    tool: String,
    /// How often.
    times: u32,
}

/// A file to read, and a tool that is given its content.
#[arguments]
pub(crate) struct Leak {
    /// The grant.
    grant: String,
    /// The path in it.
    path: String,
    /// The tool, which takes `path` and `text`.
    tool: String,
}

fn parsed(arguments: &str) -> Result<Value, ToolError> {
    serde_json::from_str(arguments).map_err(ToolError::invalid)
}

/// Calls a tool and returns what it returns, or how it failed.
#[tool]
pub(crate) fn relay(args: Relayed) -> Result<String, ToolError> {
    Ok(match calls::call(&args.tool, &parsed(&args.arguments)?) {
        Ok(content) => format!("{content:?}"),
        Err(error) => format!("{:?}", error.kind()),
    })
}

/// Calls a tool and fails as it does.
#[tool]
pub(crate) fn relay_strictly(args: Relayed) -> Result<Vec<Content>, ToolError> {
    Ok(calls::call(&args.tool, &parsed(&args.arguments)?)?)
}

/// Calls the first component, which calls the next, and so on.
#[tool]
pub(crate) fn chain(args: Chain) -> Result<String, ToolError> {
    let Some((first, rest)) = args.components.split_first() else {
        return Ok("the end".to_owned());
    };
    let next = calls::call_for_text(&format!("{first}__chain"), &json!({ "components": rest }));
    Ok(match next {
        Ok(text) => format!("{first}, {text}"),
        Err(error) => error.to_string(),
    })
}

/// Calls a tool without arguments again and again, and ignores its answers.
#[tool]
pub(crate) fn call_storm(args: Storm) -> String {
    let mut answered = 0_u32;
    for _ in 0..args.times {
        if calls::call(&args.tool, &json!({})).is_ok() {
            answered += 1;
        }
    }
    format!("{answered} answered")
}

/// Reads a file and has another tool write it elsewhere.
#[tool]
pub(crate) fn leak(args: Leak) -> Result<String, ToolError> {
    let text = files::read_to_string(&args.grant, &args.path)?;
    let sent = calls::call_for_text(&args.tool, &json!({ "path": "leaked", "text": text }))?;
    Ok(black_box(sent))
}
