//! Exit codes. `tollgate --help` lists them.

use tollgate_server::reply::CallOutcome;

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Ok,
    /// A failure.
    Failure,
    /// A usage error.
    Usage,
    /// Policy denied it, or could not decide it.
    Denied,
    /// It waits for an approval.
    Waiting,
    /// The tool failed.
    ToolError,
    /// Unknown tool, or arguments that do not match.
    Invalid,
    /// It may have happened.
    Indeterminate,
}

/// The codes as the help shows them.
pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  failure: configuration, store, disk, another process
  2  usage: the command line makes no sense
  3  denied by policy, by a person, or by a halt; also when policy cannot decide
  4  waiting for approval
  5  the tool failed: its own error, a crash, or a limit, with nothing changed
  6  unknown tool, or arguments that do not match
  7  indeterminate: an effect may have happened

  A command that makes several calls ends with the worst: 1, 7, 3, 6, 5, 4, 0.";

impl Exit {
    /// The process's exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Denied => 3,
            Self::Waiting => 4,
            Self::ToolError => 5,
            Self::Invalid => 6,
            Self::Indeterminate => 7,
        }
    }

    /// The worse of two, for several calls.
    pub(crate) fn worse(self, other: Self) -> Self {
        let rank = |exit| match exit {
            Self::Ok => 0,
            Self::Waiting => 1,
            Self::ToolError => 2,
            Self::Invalid => 3,
            Self::Denied => 4,
            Self::Indeterminate => 5,
            Self::Usage => 6,
            Self::Failure => 7,
        };
        if rank(other) > rank(self) {
            other
        } else {
            self
        }
    }
}

impl From<CallOutcome> for Exit {
    fn from(outcome: CallOutcome) -> Self {
        match outcome {
            CallOutcome::Ok => Self::Ok,
            CallOutcome::Unrecorded => Self::Failure,
            CallOutcome::Withheld
            | CallOutcome::Denied
            | CallOutcome::Undecidable
            | CallOutcome::Rejected
            | CallOutcome::Halted
            | CallOutcome::RunEnded => Self::Denied,
            CallOutcome::Waiting => Self::Waiting,
            CallOutcome::ToolError | CallOutcome::Failed => Self::ToolError,
            CallOutcome::Invalid | CallOutcome::UnknownTool => Self::Invalid,
            CallOutcome::Indeterminate => Self::Indeterminate,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests;
