//! The options that every command takes.

use std::path::PathBuf;

use clap::Args;

use crate::output::Color;

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The configuration; otherwise tollgate.toml here or in a directory above.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Print results, and errors, as JSON.
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// Print what a jq program selects of the JSON result.
    #[arg(
        long,
        global = true,
        value_name = "PROGRAM",
        help_heading = "Global options"
    )]
    pub(crate) jq: Option<String>,
    /// Colours: auto (on a terminal, unless NO_COLOR is set), always, or never.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        hide_possible_values = true,
        value_name = "WHEN",
        help_heading = "Global options"
    )]
    pub(crate) color: Color,
    /// Leave out remarks; results and errors stay.
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,
    /// Act as another user, with that user's token.
    #[arg(
        long = "as",
        global = true,
        value_name = "USER",
        help_heading = "Global options"
    )]
    pub(crate) as_user: Option<String>,
    /// The file with that token; otherwise it is asked for.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        requires = "as_user",
        help_heading = "Global options"
    )]
    pub(crate) token_file: Option<PathBuf>,
}
