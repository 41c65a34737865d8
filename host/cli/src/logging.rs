//! What the process writes of itself while it serves: lines on standard error, as JSON where that is asked
//! for, each with trace and span where there are such. Never a payload: only this program's own events are
//! written, and those name tools, runs and outcomes alone.

use clap::{Args, ValueEnum};
use tracing_subscriber::{
    Layer as _, filter::LevelFilter, filter::Targets, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// What is written, and how.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Logs {
    /// Write what happens to standard error, in this form.
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<Format>,
    /// From which level on; `info` where a form is given, otherwise nothing.
    #[arg(long, env = "TOLLGATE_LOG", value_enum, value_name = "LEVEL")]
    log: Option<Level>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    Off,
    Error,
    Warn,
    Info,
    Debug,
}

impl Logs {
    /// Begin to write, if anything is asked for.
    pub(crate) fn begin(&self) {
        let level = match (self.log, self.log_format) {
            (None, None) | (Some(Level::Off), _) => return,
            (Some(Level::Error), _) => LevelFilter::ERROR,
            (Some(Level::Warn), _) => LevelFilter::WARN,
            (None, Some(_)) | (Some(Level::Info), _) => LevelFilter::INFO,
            (Some(Level::Debug), _) => LevelFilter::DEBUG,
        };
        // What libraries write could hold anything.
        let own = Targets::new().with_target("tollgate", level);
        let lines = fmt::layer().with_writer(std::io::stderr);
        let lines = match self.log_format.unwrap_or_default() {
            Format::Text => lines.with_ansi(false).with_filter(own).boxed(),
            Format::Json => lines.json().flatten_event(true).with_filter(own).boxed(),
        };
        // Fails if a subscriber is set already, as in tests; that one stays.
        drop(tracing_subscriber::registry().with(lines).try_init());
    }
}

/// Whether anything is written: remarks are part of it then.
pub(crate) fn are_written() -> bool {
    tracing::dispatcher::has_been_set()
}
