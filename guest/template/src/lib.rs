//! A first tool: it greets people, and remembers whom in a file of the grant `notes`.
//!
//! `tollgate component build` makes the component, `cargo test` runs the tests below. Change it, or copy
//! it for a tool of your own: the doc comments and types here are what the model and the policies see.

use tollgate_guest::{ToolError, adapter, arguments, files, tool};

/// Whom to greet.
#[arguments]
struct Greet {
    /// The person's name.
    #[schemars(length(min = 1, max = 100))]
    name: String,
    /// How often to say hello.
    #[serde(default = "once")]
    #[schemars(range(min = 1, max = 5))]
    times: u32,
}

fn once() -> u32 {
    1
}

/// Greets a person, and makes a note of it.
#[tool]
fn greet(args: Greet) -> Result<String, ToolError> {
    let name = args.name.trim();
    if name.is_empty() || name.contains('\n') {
        return Err(ToolError::invalid("`name` should be a name, in one line"));
    }
    // The gate decides this as well: an adapter has only what policy allows.
    files::append("notes", "greeted.txt", format!("{name}\n"))?;
    Ok(vec![format!("Hello, {name}!"); args.times as usize].join(" "))
}

/// Lists the people who were greeted, one a line.
#[tool(read_only, idempotent)]
fn greeted() -> Result<String, ToolError> {
    match files::read_to_string("notes", "greeted.txt") {
        Err(error) if error.is_not_found() => Ok("No one yet.".to_owned()),
        read => Ok(read?),
    }
}

adapter!(greet, greeted);

#[cfg(test)]
mod tests {
    use tollgate_guest::Content;
    use tollgate_guest::testing::{self, Mode};

    use super::ADAPTER;

    #[test]
    fn greets_and_remembers() {
        let notes = testing::grant("notes", Mode::ReadWrite);
        let said = ADAPTER
            .call("greet", r#"{"name":"Ada","times":2}"#)
            .unwrap();
        assert_eq!(said, [Content::text("Hello, Ada! Hello, Ada!")]);
        assert_eq!(notes.text("greeted.txt").unwrap(), "Ada\n");
        assert_eq!(
            ADAPTER.call("greeted", "{}").unwrap(),
            [Content::text("Ada\n")]
        );
    }
}
