//! What is wrong with a configuration, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use tollgate_policy::policy;

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// From 1; 0 where no line is to blame.
    pub line: usize,
    /// From 1; 0 where no line is to blame.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}; {}", self.message, self.help)
    }
}

pub(super) fn syntax(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let message = error.message().trim().to_owned();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let help = match quoted.split_first() {
        Some((unknown, valid)) if message.starts_with("unknown field") => {
            let near = policy::nearest(unknown, valid.iter().copied());
            match (renamed(unknown, valid), near) {
                (Some(new), _) => format!("this key is called `{new}` now"),
                (None, Some(near)) => format!("did you mean `{near}`?"),
                (None, None) => format!("valid keys here are {}", valid.join(", ")),
            }
        }
        _ => "correct it and try again".into(),
    };
    let message = match message.split_once(", expected") {
        Some((what, _)) if what.starts_with("unknown field") => what.replacen("field", "key", 1),
        _ => message,
    };
    let (line, column) = error
        .span()
        .map_or((0, 0), |span| line_and_column(text, span.start));
    ConfigError {
        file: file.to_path_buf(),
        line,
        column,
        message,
        help,
    }
}

/// Keys that had another name, with the one that they have now.
const RENAMED: &[(&str, &str)] = &[
    ("hold", "wait_timeout"),
    ("hold_with_progress", "wait_timeout_with_progress"),
    ("idle", "idle_timeout"),
    ("named_idle", "named_idle_timeout"),
    ("otherwise", "default"),
];

/// The name that an unknown key has now, if it is one of the valid ones.
pub(super) fn renamed(unknown: &str, valid: &[&str]) -> Option<&'static str> {
    let (_, new) = RENAMED.iter().find(|(old, _)| *old == unknown)?;
    valid.contains(new).then_some(*new)
}

pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (
        line,
        before.rsplit('\n').next().unwrap_or("").chars().count() + 1,
    )
}
