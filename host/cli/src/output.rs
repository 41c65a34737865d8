//! The output of commands: results go to standard output, remarks and failures to standard error.
//!
//! Text is always styled; the streams remove the styles if they are not wanted (`--color`, `NO_COLOR`, no
//! terminal). No other module writes to a stream.

mod filter;

use std::{
    io::{self, IsTerminal as _, Write as _},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use anstream::AutoStream;
use serde::Serialize;
use serde_json::json;

use crate::{
    error::Failure,
    progress::Progress,
    render::diagnostics,
    style::{Tone, paint},
};

/// When to colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => Self::Auto,
            Color::Always => Self::Always,
            Color::Never => Self::Never,
        }
    }
}

/// Shows `text` in the user's pager. Returns whether it did.
fn pager(text: &str) -> io::Result<bool> {
    let named = std::env::var("PAGER").unwrap_or_default();
    let mut words = named.split_whitespace();
    let mut command = match words.next() {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(words);
            command
        }
        None => {
            let mut command = Command::new("less");
            command.args(["-R", "-X", "-F"]);
            command
        }
    };
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A write error means that the user has closed the pager.
        drop(stdin.write_all(text.as_bytes()));
    }
    Ok(child.wait()?.success())
}

/// The width without a terminal.
const WIDTH: usize = 120;

pub(crate) use filter::Filter;

/// The output of a command.
pub(crate) struct Output {
    json: bool,
    filter: Option<Filter>,
    quiet: bool,
    out: Mutex<AutoStream<io::Stdout>>,
    err: Mutex<AutoStream<io::Stderr>>,
}

impl Output {
    /// Output as JSON or text, with or without remarks.
    pub(crate) fn new(json: bool, quiet: bool, color: Color) -> Self {
        Self {
            json,
            filter: None,
            quiet,
            out: Mutex::new(AutoStream::new(io::stdout(), color.into())),
            err: Mutex::new(AutoStream::new(io::stderr(), color.into())),
        }
    }

    /// JSON results as `filter` selects them.
    pub(crate) fn filtered(self, filter: Filter) -> Self {
        Self {
            json: true,
            filter: Some(filter),
            ..self
        }
    }

    /// Whether results are JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Columns that a line may take.
    pub(crate) fn width(&self) -> usize {
        let columns =
            rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_col));
        if columns == 0 {
            WIDTH
        } else {
            columns.clamp(60, 160)
        }
    }

    /// A result for people; a missing newline is added.
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// A result for programs: one line of JSON, or what the filter selects of it.
    pub(crate) fn json<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let line = serde_json::to_string(value)?;
        match &self.filter {
            None => self.text(&line),
            Some(filter) => {
                let selected = filter.lines(&line).map_err(|why| {
                    io::Error::other(format!("--jq: {why}; see the whole result with --json"))
                })?;
                // Texts come from outside, and a terminal obeys what is in them.
                let lines = selected
                    .lines()
                    .map(|line| match io::stdout().is_terminal() {
                        true => tollgate::text::printable(line, usize::MAX) + "\n",
                        false => line.to_owned() + "\n",
                    });
                self.text(&lines.collect::<String>())
            }
        }
    }

    /// A result: JSON with `--json`, else the text that `text` returns.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce() -> String,
    ) -> io::Result<()> {
        if self.json {
            self.json(value)
        } else {
            self.text(&text())
        }
    }

    /// A long result for people, in a pager if it does not fit on the terminal.
    pub(crate) fn page(&self, text: &str) -> io::Result<()> {
        let rows =
            rustix::termios::tcgetwinsize(io::stdout()).map_or(0, |size| usize::from(size.ws_row));
        let fits = rows == 0 || text.lines().count() < rows;
        if self.json || fits || !io::stdin().is_terminal() {
            return self.text(text);
        }
        match pager(text) {
            Ok(true) => Ok(()),
            // There is no pager, or it failed.
            Ok(false) | Err(_) => self.text(text),
        }
    }

    /// A remark on standard error. Write errors are ignored.
    pub(crate) fn remark(&self, text: &str) {
        if !self.quiet && !self.json {
            self.say(&format!("{text}\n"));
        }
    }

    fn say(&self, text: &str) {
        let mut err = self.err.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
    }

    /// A failure, on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        if self.json {
            let error = json!({ "error": {
                "exit": failure.exit.code(),
                "message": failure.message,
                "help": failure.help,
                "places": failure.places,
            } });
            self.say(&format!("{error}\n"));
            return;
        }
        if failure.places.is_empty() {
            self.say(&format!(
                "{} {}\n",
                paint("error:", Tone::Bad),
                failure.message
            ));
            if let Some(help) = &failure.help {
                self.say(&format!(" {} {help}\n", paint("help:", Tone::Name)));
            }
        } else {
            self.say(&diagnostics::render(&failure.places));
        }
    }

    /// A question on the terminal, answered yes or no. `None` without a terminal.
    pub(crate) fn confirm(&self, question: &str) -> io::Result<Option<bool>> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(None);
        }
        self.say(&format!("{question} [y/N] "));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(Some(matches!(answer.trim(), "y" | "Y" | "yes")))
    }

    /// Reads a line without echo. `None` without a terminal.
    pub(crate) fn secret(&self, prompt: &str) -> io::Result<Option<String>> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        self.say(prompt);
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        let mut line = String::new();
        let read = io::stdin().read_line(&mut line);
        tcsetattr(io::stdin(), OptionalActions::Flush, &before)?;
        self.say("\n");
        read?;
        Ok(Some(line.trim().to_owned()))
    }

    /// The progress display; none with `--json`.
    pub(crate) fn progress(&self) -> Option<Progress> {
        (!self.quiet && !self.json && io::stderr().is_terminal()).then(Progress::on_stderr)
    }
}
