//! Progress of long operations: a spinner on a terminal, else plain lines. Operations of less than two seconds
//! show nothing.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long an operation may take before progress is shown.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(120);

/// The form of the progress display.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    /// Lines on standard error.
    Lines,
    /// A spinner on standard error.
    Spinner,
}

impl Progress {
    /// The form for standard error: a spinner if it is a terminal.
    pub(crate) fn on_stderr() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Spinner
        } else {
            Self::Lines
        }
    }

    /// Begins an operation, which ends when the returned value is dropped.
    pub(crate) fn step(self, what: &str) -> Step {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}")
        {
            bar.set_style(style);
        }
        bar.set_prefix(what.to_owned());
        let (stop, stopped) = mpsc::channel::<()>();
        let what = what.to_owned();
        let shown = bar.clone();
        let waiting = thread::spawn(move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            match self {
                Self::Lines => {
                    // Write errors of progress are ignored.
                    let _ = writeln!(std::io::stderr(), "{what} ...");
                }
                Self::Spinner => {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                    shown.enable_steady_tick(TICK);
                }
            }
        });
        Step {
            bar,
            stop: Some(stop),
            waiting: Some(waiting),
        }
    }

    /// Writes a line to standard error that stays there, also without a progress display.
    pub(crate) fn say(text: &str) {
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}

/// One operation with a progress display.
pub(crate) struct Step {
    bar: ProgressBar,
    stop: Option<Sender<()>>,
    waiting: Option<JoinHandle<()>>,
}

impl Step {
    /// Sets the detail of the spinner.
    pub(crate) fn detail(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(waiting) = self.waiting.take() {
            let _ = waiting.join();
        }
        self.bar.finish_and_clear();
    }
}
