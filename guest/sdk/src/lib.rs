//! Write a Tollgate adapter: a component that offers tools to AI agents and has no authority except what
//! its host grants, call by call.
//!
//! A tool is a function. Its doc comment is the description that the model reads, its argument struct
//! becomes the JSON Schema, and each field's doc comment the description of that argument. This is a
//! complete adapter:
//!
//! ```
//! use tollgate_guest::{Json, ToolError, adapter, arguments, files, output, tool};
//!
//! #[arguments]
//! struct Note {
//!     /// The day that the note is about, for example `2026-03-14`.
//!     day: String,
//!     /// One line of text.
//!     line: String,
//! }
//!
//! #[arguments]
//! struct Day {
//!     /// The day to count, for example `2026-03-14`.
//!     day: String,
//! }
//!
//! #[output]
//! struct Count {
//!     /// How many notes there are.
//!     notes: u32,
//! }
//!
//! /// Writes one line into the diary.
//! #[tool]
//! fn note(note: Note) -> Result<String, ToolError> {
//!     files::append("diary", &format!("{}.txt", note.day), note.line + "\n")?;
//!     Ok(format!("Noted for {}.", note.day))
//! }
//!
//! /// Counts the notes of a day.
//! #[tool(read_only)]
//! fn count(day: Day) -> Result<Json<Count>, ToolError> {
//!     let text = files::read_to_string("diary", &format!("{}.txt", day.day))?;
//!     Ok(Json(Count { notes: text.lines().count() as u32 }))
//! }
//!
//! adapter!(note, count);
//! # // Not part of the adapter: the same code, tried here.
//! # use tollgate_guest::testing::{self, Mode};
//! # let diary = testing::grant("diary", Mode::ReadWrite);
//! # ADAPTER.call("note", r#"{"day":"2026-03-14","line":"pie"}"#).unwrap();
//! # assert_eq!(diary.text("2026-03-14.txt").unwrap(), "pie\n");
//! # let count = ADAPTER.call("count", r#"{"day":"2026-03-14"}"#).unwrap();
//! # assert!(format!("{count:?}").contains(r#"{\"notes\":1}"#));
//! # assert_eq!(ADAPTER.definitions()[1].input_schema["additionalProperties"], false);
//! ```
//!
//! Its `Cargo.toml` has `crate-type = ["cdylib"]` and depends on `tollgate-guest` only. `tollgate component
//! build DIR` makes the component. The same code runs natively under `cargo test`, where [`testing`]
//! replaces the host.
//!
//! - [`tool`], [`arguments`] and [`output`] mark functions and types, [`adapter!`] lists the tools.
//! - [`IntoContent`] is what a tool may return: text, [`Json`], or [`Content`] of its own making.
//! - [`ToolError`] is why it may fail. [`files::Error`], [`http::Error`] and their like convert into it,
//!   with the host's reason.
//! - [`files`], [`http`], [`secrets`], [`config`], [`state`], [`calls`], [`clock`], [`random`], [`progress`]
//!   and [`log`] are what the host offers; nothing else is there.
//!
//! A panic is logged for the operator and ends the call. Nothing is kept between calls: each runs in an
//! instance of its own.

// The attributes refer to the SDK by its crate name, also in its own tests.
extern crate self as tollgate_guest;

#[doc(hidden)]
pub mod bindings;
pub mod calls;
pub mod clock;
pub mod config;
mod content;
mod error;
pub mod files;
pub mod http;
pub mod log;
pub mod progress;
pub mod random;
mod schema;
pub mod secrets;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod tools;

pub use content::{Content, EmbeddedResource, Image, IntoContent, Json, Outcome, ResourceBody};
pub use error::ToolError;
pub use schemars;
pub use serde;
pub use serde_json;
pub use tools::{Adapter, Definition, Entry, NoArguments, Tool};

/// Hints of the author about a tool's behaviour. No decision is based on them. Set by [`tool`]'s options.
pub use bindings::exports::tollgate::adapter::tools::Annotations;

/// Makes a type usable as a tool's arguments: JSON in, with a schema.
///
/// Doc comments of fields become descriptions, `#[serde(default)]` becomes `default`, an `Option` is an
/// optional argument, and an unknown field is refused. Bounds and patterns come from `#[schemars(range(min
/// = 1, max = 200))]` and `#[schemars(regex(pattern = "^[a-z]+$"))]`; on a type with `#[serde(try_from =
/// "String")]`, from `#[schemars(extend("pattern" = "^[a-z]+$"))]`. Integers are bounded by their type, and
/// by 2^53-1, beyond which JSON readers disagree.
///
/// Enums of plain variants become string enumerations. Types of fields need this attribute as well. It
/// derives `Debug`, `Clone`, and serde's and schemars' traits.
pub use tollgate_guest_macros::arguments;

/// Makes a type usable in [`Json`], a tool's structured result: like [`arguments`], but an unknown field is
/// ignored when it is read back.
pub use tollgate_guest_macros::output;

/// Makes a function a tool of the same name, with its doc comment as the description.
///
/// The function takes nothing, or one struct marked [`arguments`], and returns an [`IntoContent`] or a
/// `Result` of one and a [`ToolError`]. It stays an ordinary function; there may be no module or type of
/// the same name next to it. All options are optional:
///
/// - `name = "create-issue"`, if the function's name is not suitable;
/// - `title = "Create an issue"`, a name for people;
/// - `read_only`: it changes nothing;
/// - `destructive`: it may overwrite or delete something;
/// - `idempotent`: calling it twice with the same arguments has the effect of calling it once;
/// - `open_world`: it reaches beyond what the operator controls.
pub use tollgate_guest_macros::tool;

/// Lists the tools of the component, once per crate: `adapter!(read, write);`
///
/// It exports them from the component, and defines `ADAPTER`, an [`Adapter`], with which tests call them.
/// Two tools with the same name do not compile.
#[macro_export]
macro_rules! adapter {
    ($($tool:path),+ $(,)?) => {
        /// The tools of this component.
        pub static ADAPTER: $crate::Adapter = $crate::Adapter::new(&[$($crate::Entry::of::<$tool>()),+]);

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "exports of a component are raw functions")]
        const _: () = {
            struct Exports;

            impl $crate::__private::Guest for Exports {
                fn list_tools() -> ::std::vec::Vec<$crate::__private::WitTool> {
                    $crate::__private::list(&ADAPTER)
                }

                fn call_tool(
                    name: ::std::string::String,
                    arguments: ::std::string::String,
                ) -> ::core::result::Result<::std::vec::Vec<$crate::Content>, $crate::__private::WitToolError> {
                    $crate::__private::call(&ADAPTER, &name, &arguments)
                }
            }

            $crate::__private::bindings::export!(Exports with_types_in $crate::__private::bindings);
        };
    };
}

/// Items for the macros. Not part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::bindings::exports::tollgate::adapter::tools::{
        Guest, Tool as WitTool, ToolError as WitToolError,
    };
    pub use crate::tools::{call, define, invoke, list};
}
