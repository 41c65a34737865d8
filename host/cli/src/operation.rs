//! What a command asks of the gate, and what it gets: the only way in which the command line changes
//! anything. The same operation runs in this process or, over a socket, in the one that owns the ledger.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tollgate::call::CallRequest;
use tollgate_core::{
    ids::{ApprovalId, DecisionId, RunId},
    record::{HaltScope, RunOutcome},
};

use crate::reply::{Answered, ApprovalView, CallReply, FactsView};

/// Something that only the ledger's owner can do.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "snake_case")]
pub(crate) enum Operation {
    /// Call a tool.
    Call {
        /// The call.
        request: CallRequest,
        /// For which agent; absent where the person calls.
        agent: Option<String>,
        /// In which run; absent for the caller's ambient one.
        run: Option<String>,
        /// How long to wait for an approval, in milliseconds.
        wait: u64,
    },
    /// See what waits for an approval, arguments included.
    ShowApproval {
        /// Which.
        id: ApprovalId,
    },
    /// Answer an approval.
    Answer {
        /// Which.
        id: ApprovalId,
        /// Whether to approve.
        approve: bool,
        /// Digest of the call that the approver was shown.
        seen: Option<String>,
        /// What to record with it.
        note: Option<String>,
    },
    /// End a run that is over.
    EndRun {
        /// Which.
        run: RunId,
        /// How it ended.
        outcome: RunOutcome,
        /// Why.
        reason: String,
    },
    /// Stop a run.
    CancelRun {
        /// Which.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// Halt something.
    Halt {
        /// What kind of thing.
        scope: HaltScope,
        /// Its name; empty for everything.
        name: String,
        /// Why.
        reason: String,
    },
    /// Lift a halt.
    Resume {
        /// What kind of thing.
        scope: HaltScope,
        /// Its name; empty for everything.
        name: String,
    },
    /// Load the configuration again and put it into force.
    Reload,
    /// Speak MCP as an agent over this connection, from now on.
    Mcp {
        /// Which.
        agent: String,
    },
    /// See what a decision was made from.
    Facts {
        /// Which.
        decision: DecisionId,
    },
    /// Make a token for a user, in place of an earlier one.
    MakeToken {
        /// Whose.
        user: String,
    },
    /// Make a user's token worthless.
    RevokeToken {
        /// Whose.
        user: String,
    },
    /// Write a copy of the store.
    Backup {
        /// Where to; an absolute path.
        file: std::path::PathBuf,
    },
    /// Decide and record that somebody may put a copy in place of the store.
    PermitRestore {
        /// The copy.
        file: std::path::PathBuf,
    },
}

impl Operation {
    /// How long the owner may hold it.
    pub(crate) fn wait(&self) -> Duration {
        match self {
            Self::Call { wait, .. } => Duration::from_millis(*wait),
            _ => Duration::ZERO,
        }
    }

    /// Whether it may have changed something outside the ledger when the connection breaks.
    pub(crate) fn has_effects(&self) -> bool {
        matches!(self, Self::Call { .. })
    }
}

/// What an operation came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "reply", content = "value", rename_all = "snake_case")]
pub(crate) enum Reply {
    /// Of a call.
    Call(Box<CallReply>),
    /// The owner is leaving while the call waits: ask the next one.
    Waiting(Box<CallReply>),
    /// An approval.
    Approval(Box<ApprovalView>),
    /// Of an answer.
    Answered(Answered),
    /// A decision's facts.
    Facts(FactsView),
    /// A new token, shown this once.
    Token(String),
    /// A copy of the store.
    Backup {
        /// Records in it.
        records: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// The configuration is in force.
    Reloaded {
        /// Digest of the policies, tools and entities.
        bundle: String,
    },
    /// It is done.
    Done,
}
