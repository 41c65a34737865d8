//! Tools that access any path of their arguments, and that die with half their work done.

use core::hint::black_box;

use tollgate_guest::{ToolError, arguments, files, tool};

/// A path that this guest passes on unchecked.
#[arguments]
pub(crate) struct Target {
    /// The grant.
    grant: String,
    /// The path in it.
    path: String,
}

/// A path and what to put there.
#[arguments]
pub(crate) struct Put {
    /// The grant.
    grant: String,
    /// The path in it.
    path: String,
    /// The content.
    #[serde(default)]
    content: String,
}

/// Reads a file.
#[tool(read_only)]
pub(crate) fn read_path(args: Target) -> Result<String, ToolError> {
    Ok(files::read_to_string(&args.grant, &args.path)?)
}

/// A path, and how often.
#[arguments]
pub(crate) struct Often {
    /// The grant.
    grant: String,
    /// The path in it.
    path: String,
    /// How often.
    times: u32,
}

/// Reads a file again and again, and says how many bytes that were.
#[tool(read_only)]
pub(crate) fn read_often(args: Often) -> Result<String, ToolError> {
    let mut bytes = 0;
    for _ in 0..args.times {
        bytes += files::read(&args.grant, &args.path)?.len();
    }
    Ok(bytes.to_string())
}

/// Writes a file.
#[tool]
pub(crate) fn write_path(args: Put) -> Result<&'static str, ToolError> {
    files::write(&args.grant, &args.path, args.content)?;
    Ok("written")
}

/// Creates a file.
#[tool]
pub(crate) fn create_path(args: Put) -> Result<&'static str, ToolError> {
    files::create(&args.grant, &args.path, args.content)?;
    Ok("created")
}

/// Appends to a file.
#[tool]
pub(crate) fn append_path(args: Put) -> Result<&'static str, ToolError> {
    files::append(&args.grant, &args.path, args.content)?;
    Ok("appended")
}

/// Lists a directory, one entry a line.
#[tool(read_only)]
pub(crate) fn list_path(args: Target) -> Result<String, ToolError> {
    let names: Vec<String> = files::list(&args.grant, &args.path)?
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    Ok(names.join("\n"))
}

/// Says what is at a path.
#[tool(read_only)]
pub(crate) fn stat_path(args: Target) -> Result<String, ToolError> {
    let entry = files::stat(&args.grant, &args.path)?;
    Ok(format!("{:?} {} {}", entry.kind, entry.name, entry.size))
}

/// Deletes a file or an empty directory.
#[tool(destructive)]
pub(crate) fn delete_path(args: Target) -> Result<&'static str, ToolError> {
    files::delete(&args.grant, &args.path)?;
    Ok("deleted")
}

/// Writes a file, then panics.
#[tool]
#[expect(clippy::panic, reason = "that is what it is for")]
pub(crate) fn panic_after_write(args: Put) -> Result<String, ToolError> {
    files::write(&args.grant, &args.path, args.content)?;
    panic!("wrote `{}` and died", args.path)
}

/// Writes a file, then loops without end, so that it is killed after its effect.
#[tool]
pub(crate) fn write_then_loop(args: Put) -> Result<String, ToolError> {
    files::write(&args.grant, &args.path, args.content)?;
    let mut turns = 0_u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Writes `before`, then the file, then `after`, even after a write was denied.
#[tool]
pub(crate) fn write_anyway(args: Put) -> String {
    let write = |path: &str| match files::write(&args.grant, path, &args.content) {
        Ok(()) => "written".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    let (before, file, after) = (write("before"), write(&args.path), write("after"));
    format!("{before}; {file}; {after}")
}
