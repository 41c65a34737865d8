//! The files of tickets: `tickets/<id>.jsonl` in the grant `book`.

use core::fmt::{self, Display, Formatter};

use tollgate_guest::files::{self, Kind};
use tollgate_guest::{ToolError, arguments, serde_json};

use crate::ticket::{Event, Ticket};

const GRANT: &str = "book";
const DIRECTORY: &str = "tickets";
const EXTENSION: &str = ".jsonl";
const LONGEST_ID: usize = 64;

/// A ticket's id: letters, digits, `-` and `_`, so that it is always a plain file name.
#[arguments]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
#[schemars(extend("pattern" = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"))]
pub(crate) struct Id(String);

impl TryFrom<String> for Id {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let fits = text.len() <= LONGEST_ID
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits {
            Ok(Self(text))
        } else {
            Err(format!("`{}` is not a ticket id", text.escape_debug()))
        }
    }
}

impl Display for Id {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ids of all tickets, sorted. Other files in the directory are ignored.
pub(crate) fn ids() -> Result<Vec<Id>, ToolError> {
    let entries = match files::list(GRANT, DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let id = |entry: files::Entry| {
        let name = entry.name.strip_suffix(EXTENSION)?;
        (entry.kind == Kind::File).then(|| Id::try_from(name.to_owned()).ok())?
    };
    let mut ids: Vec<Id> = entries.into_iter().filter_map(id).collect();
    ids.sort();
    Ok(ids)
}

/// One ticket.
pub(crate) fn ticket(id: &Id) -> Result<Ticket, ToolError> {
    let path = path(id);
    let file = match files::read_to_string(GRANT, &path) {
        Ok(file) => file,
        Err(error) if error.is_not_found() => {
            return Err(ToolError::failed(format!("there is no ticket {id}")));
        }
        Err(error) => return Err(error.into()),
    };
    Ticket::read(&id.0, &file).map_err(|problem| {
        ToolError::failed(format!("line {} of `{path}` {}", problem.line, problem.why))
    })
}

/// Adds one event to a ticket.
pub(crate) fn add(id: &Id, event: &Event) -> Result<(), ToolError> {
    let event = serde_json::to_string(event).map_err(ToolError::failed)?;
    // The leading newline is for files whose last line has none; blank lines are ignored.
    Ok(files::append(GRANT, &path(id), format!("\n{event}\n"))?)
}

fn path(id: &Id) -> String {
    format!("{DIRECTORY}/{id}{EXTENSION}")
}
