//! Files in the directories that the operator granted: read, write, append, search, list, stat, delete.
//!
//! `[components.files]` with `grants.NAME = { path = "..", mode = "rw" }` names the directories. A call may
//! leave `grant` out if there is exactly one. Policy decides every file that a call touches, including
//! files that a search only reads.
//!
//! It never follows links, never leaves a grant, and replaces a file only if asked to.

mod grant;
mod pattern;
mod search;
mod whole;

use tollgate_guest::files::Kind;
use tollgate_guest::{Json, ToolError, adapter, arguments, files, output, tool};

use grant::chosen;

/// A file.
#[arguments]
struct Path {
    /// The directory's name, as the operator granted it. Leave it out when there is only one.
    grant: Option<String>,
    /// The path in the directory, written with `/`, for example `reports/2026/march.md`.
    path: String,
}

/// A text to put somewhere.
#[arguments]
struct Write {
    /// The directory's name, as the operator granted it. Leave it out when there is only one.
    grant: Option<String>,
    /// The path in the directory, written with `/`. Missing directories are made.
    path: String,
    /// The file's whole text.
    text: String,
    /// Replace the file if it exists. Without it, an existing file is left alone and the call fails.
    #[serde(default)]
    overwrite: bool,
}

/// A text to add.
#[arguments]
struct Append {
    /// The directory's name, as the operator granted it. Leave it out when there is only one.
    grant: Option<String>,
    /// The path in the directory, written with `/`. The file is made if there is none.
    path: String,
    /// The text to add at the end. It is added as it is: end it with a newline if it is a line.
    text: String,
}

/// A directory.
#[arguments]
struct Directory {
    /// The directory's name, as the operator granted it. Leave it out when there is only one.
    grant: Option<String>,
    /// A directory in it, written with `/`; empty for the granted directory itself.
    #[serde(default)]
    path: String,
}

/// What is in a directory.
#[output]
struct Listing {
    /// The grant's name.
    grant: String,
    /// The directory's path in it.
    path: String,
    /// Its entries, sorted by name.
    entries: Vec<Entry>,
}

/// A file or directory.
#[output]
struct Entry {
    /// The last part of its path.
    name: String,
    /// `file` or `directory`.
    kind: String,
    /// Size in bytes; 0 for a directory.
    size: u64,
}

impl From<files::Entry> for Entry {
    fn from(entry: files::Entry) -> Self {
        let kind = match entry.kind {
            Kind::File => "file",
            Kind::Directory => "directory",
        };
        Self {
            name: entry.name,
            kind: kind.to_owned(),
            size: entry.size,
        }
    }
}

/// Reads a file: text as text, a picture (PNG, JPEG, GIF, WebP) as a picture.
#[tool(read_only, idempotent)]
fn read(args: Path) -> Result<tollgate_guest::Content, ToolError> {
    whole::content(files::read(&chosen(args.grant)?, &args.path)?, &args.path)
}

/// Writes a text file, as a whole. An existing file is only replaced with `overwrite`.
#[tool(destructive, idempotent)]
fn write(args: Write) -> Result<String, ToolError> {
    let grant = chosen(args.grant)?;
    let written = if args.overwrite {
        files::write(&grant, &args.path, &args.text)
    } else {
        files::create(&grant, &args.path, &args.text)
    };
    match written {
        Ok(()) => Ok(format!(
            "Wrote {} bytes to `{}` in `{grant}`.",
            args.text.len(),
            args.path
        )),
        Err(error) if error.is_exists() => Err(ToolError::failed(format!(
            "`{}` in `{grant}` exists already and was left as it is; read it first, then repeat with overwrite = true to replace it",
            args.path
        ))),
        Err(error) => Err(error.into()),
    }
}

/// Adds text at the end of a file.
#[tool]
fn append(args: Append) -> Result<String, ToolError> {
    let grant = chosen(args.grant)?;
    files::append(&grant, &args.path, &args.text)?;
    Ok(format!(
        "Added {} bytes to `{}` in `{grant}`.",
        args.text.len(),
        args.path
    ))
}

/// Lists the files and directories in a directory.
#[tool(read_only, idempotent)]
fn list(args: Directory) -> Result<(String, Json<Listing>), ToolError> {
    let grant = chosen(args.grant)?;
    let entries: Vec<Entry> = files::list(&grant, &args.path)?
        .into_iter()
        .map(Entry::from)
        .collect();
    let mut lines: Vec<String> = entries
        .iter()
        .map(|entry| match entry.kind.as_str() {
            "directory" => format!("{}/", entry.name),
            _ => format!("{}  ({} bytes)", entry.name, entry.size),
        })
        .collect();
    if lines.is_empty() {
        lines.push("Nothing is there.".to_owned());
    }
    Ok((
        lines.join("\n"),
        Json(Listing {
            grant,
            path: args.path,
            entries,
        }),
    ))
}

/// Says what is at a path, and how large it is, without reading it.
#[tool(read_only, idempotent)]
fn stat(args: Path) -> Result<Json<Entry>, ToolError> {
    Ok(Json(files::stat(&chosen(args.grant)?, &args.path)?.into()))
}

/// Removes a file, or an empty directory. There is no way back.
#[tool(destructive)]
fn delete(args: Path) -> Result<String, ToolError> {
    let grant = chosen(args.grant)?;
    files::delete(&grant, &args.path)?;
    Ok(format!("Deleted `{}` in `{grant}`.", args.path))
}

adapter!(read, write, append, search::search, list, stat, delete);

#[cfg(test)]
mod tests;
