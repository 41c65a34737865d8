//! The log of a serving process: lines on standard error, as text or JSON, with trace and span ids. No line has a
//! payload: only this program's own events are logged, and they contain tools, runs and outcomes.

use clap::{Args, ValueEnum};
use tracing_subscriber::{
    Layer as _, filter::LevelFilter, filter::Targets, fmt, layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// The options of the log.
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
    /// Starts logging, if an option asks for it.
    pub(crate) fn begin(&self) {
        let level = match (self.log, self.log_format) {
            (None, None) | (Some(Level::Off), _) => return,
            (Some(Level::Error), _) => LevelFilter::ERROR,
            (Some(Level::Warn), _) => LevelFilter::WARN,
            (None, Some(_)) | (Some(Level::Info), _) => LevelFilter::INFO,
            (Some(Level::Debug), _) => LevelFilter::DEBUG,
        };
        // Events of libraries could contain payloads.
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

/// Whether the log is on; remarks then go to the log.
pub(crate) fn are_written() -> bool {
    tracing::dispatcher::has_been_set()
}
