//! Failures of commands: what is wrong, where, and what to do.

use std::{fmt, io, path::Path};

use serde::Serialize;
use tollgate::{config::ConfigError, enforce::Refusal, load::LoadError};
use tollgate_ledger::LedgerError;
use tollgate_policy::{
    pdp,
    policy::{Diagnostic, Level},
};

use tollgate_server::{
    auth::peer::PeerError,
    problem::{Location, OTHER_RUN, Problem, ProblemDetails},
};

use crate::exit_code::Exit;

/// A command's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The process's exit code.
    pub(crate) exit: Exit,
    /// What is wrong, and where.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: Option<String>,
    /// Positions in files, if a file has the error.
    pub(crate) places: Vec<Place>,
}

/// A position in a file, with its diagnostic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Place {
    /// The file; an absolute path.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// The length of the error in bytes; 1 if only the beginning is known.
    pub(crate) length: usize,
    /// Whether it is an error or a warning.
    pub(crate) error: bool,
    /// Whether it is only a note.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) note: bool,
    /// Stable name, such as `policy::duplicate-id`.
    pub(crate) code: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: Option<String>,
}

impl Failure {
    /// A failure with this exit code.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            help: None,
            places: Vec::new(),
        }
    }

    /// A plain failure.
    pub(crate) fn plain(message: impl Into<String>) -> Self {
        Self::new(Exit::Failure, message)
    }

    /// A usage error.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Adds advice.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Whether the reader of standard output has closed it, so that nothing is printed.
    pub(crate) fn is_silent(&self) -> bool {
        self.exit == Exit::Ok
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => Self::plain(format!("{error:#}")),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Ok, ""),
            _ => Self::plain(error.to_string()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let ConfigError {
            file,
            line,
            column,
            message,
            help,
        } = error;
        let near = shown(&file);
        let file = file.display().to_string();
        if line == 0 {
            return Self::plain(format!("{near}: {message}")).help(help);
        }
        let place = Place {
            file: file.clone(),
            line,
            column,
            length: 1,
            error: true,
            note: false,
            code: "config".into(),
            message: message.clone(),
            help: Some(help.clone()),
        };
        Self {
            places: vec![place],
            ..Self::plain(format!("{near}:{line}:{column}: {message}")).help(help)
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        Self::plain(error.to_string())
    }
}

impl From<tollgate_trace::store::StoreError> for Failure {
    fn from(error: tollgate_trace::store::StoreError) -> Self {
        Self::plain(error.to_string())
    }
}

/// A path for messages: relative if it is below the working directory.
pub(crate) fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Diagnostics of policies, as places in files below `dir`.
pub(crate) fn places(dir: &Path, diagnostics: &[Diagnostic]) -> Vec<Place> {
    diagnostics
        .iter()
        .map(|d| Place {
            file: dir.join(&d.file).display().to_string(),
            line: d.line,
            column: d.column,
            length: d.length,
            error: d.level == Level::Error,
            note: d.level == Level::Note,
            code: d.code.into(),
            message: d.message.clone(),
            help: d.help.clone(),
        })
        .collect()
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Config(error) => error.into(),
            LoadError::Ledger(error) => error.into(),
            LoadError::Policies(pdp::LoadError::Policies(_) | pdp::LoadError::Candidate(_)) => {
                Self::plain(error.to_string()).help("see all of them with `tollgate policy check`")
            }
            LoadError::Refused(refusal) => (*refusal).into(),
            LoadError::UpstreamUnreachable { .. } => Self::plain(error.to_string()).help(
                "start or ask it by itself to see what it says; it has to speak MCP, and nothing else, over its standard \
                 output or at its URL",
            ),
            other => Self::plain(other.to_string()),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = match &refusal {
            Refusal::Unrecorded { .. } => Exit::Failure,
            Refusal::UnknownTool { .. } | Refusal::Invalid { .. } => Exit::Invalid,
            Refusal::Pending { .. } => Exit::Waiting,
            _ => Exit::Denied,
        };
        let failure = Self::new(exit, refusal.message());
        match refusal {
            Refusal::Denied { decision, .. } | Refusal::Undecidable { decision, .. } => failure
                .help(format!(
                    "see what decided with `tollgate decisions show {decision}`"
                )),
            _ => failure,
        }
    }
}

impl From<PeerError> for Failure {
    fn from(error: PeerError) -> Self {
        let exit = match error {
            PeerError::System { .. } | PeerError::SharedLogin { .. } => Exit::Failure,
            _ => Exit::Denied,
        };
        Self {
            help: error.help(),
            ..Self::new(exit, error.to_string())
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let ProblemDetails {
            status,
            code,
            detail,
            decision,
            help,
            location,
            ..
        } = problem.into_details();
        if let Some(Location {
            file,
            line,
            column,
            message,
        }) = location
        {
            return Self::from(ConfigError {
                file: file.into(),
                line,
                column,
                message,
                help: help.unwrap_or_default(),
            });
        }
        let exit = match (status, &*code) {
            (401 | 403, _) => Exit::Denied,
            (404, OTHER_RUN) => Exit::Denied,
            (400, "invalid_value") => Exit::Failure,
            (400, _) => Exit::Usage,
            _ => Exit::Failure,
        };
        let decided =
            decision.map(|id| format!("see what decided with `tollgate decisions show {id}`"));
        Self {
            help: help.or(decided),
            ..Self::new(exit, detail)
        }
    }
}
