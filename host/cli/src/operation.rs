//! What a command asks of the gate, and what it gets: the only way in which the command line changes
//! anything. The same operation runs in this process or, over a socket, in the one that owns the ledger.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tollgate::{capture::RevealedValue, enforce::CallRequest};
use tollgate_model::{
    canonical::Sha256Digest,
    entity::Uid,
    ids::{ApprovalId, DecisionId, RunId, TokenId},
    record::{HaltScope, KeyedDigest, RunOutcome},
    time::Timestamp,
};

use tollgate_server::{auth::token::Purpose, review::RunNote};

use crate::reply::{AnswerOutcome, ApprovalView, AuthorizeReply, CallReply, FactsView, TokenView};

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
    /// Decide a call that an agent executes itself.
    Authorize {
        /// The call.
        request: CallRequest,
        /// The agent.
        agent: String,
        /// In which run; absent for the agent's ambient one.
        run: Option<String>,
        /// By what its outcome is told.
        reference: String,
    },
    /// Record what became of such a call.
    Outcome {
        /// The agent.
        agent: String,
        /// As it was authorized.
        reference: String,
        /// Whether it failed.
        failed: bool,
        /// What came back.
        content: String,
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
        /// How it ended; absent: what its last call was refused for, or success.
        outcome: Option<RunOutcome>,
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
        /// Whether it may be something that is not there now.
        force: bool,
    },
    /// Lift a halt.
    Resume {
        /// What kind of thing.
        scope: HaltScope,
        /// Its name; empty for everything.
        name: String,
    },
    /// Take what upstream servers offer.
    AcceptUpstream {
        /// Each with the digest of what was looked at.
        seen: Vec<(String, Sha256Digest)>,
    },
    /// See the arguments of calls, as far as the asker may.
    Inputs {
        /// The decisions about them.
        decisions: Vec<DecisionId>,
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
    /// See what each decision of a run was made from.
    RunFacts {
        /// Which.
        run: RunId,
    },
    /// Decide and record that a run may be taken out as a file.
    ExportRun {
        /// Which.
        run: RunId,
    },
    /// Say something about runs.
    Say {
        /// What.
        said: RunNote,
    },
    /// Put a policy in shadow mode into force.
    Promote {
        /// Which; absent for the whole set that is watched.
        policy: Option<String>,
    },
    /// Make a token for an agent or a user.
    MakeToken {
        /// Whose, and what for; when it expires is for `lasts` to say.
        purpose: Purpose,
        /// After how many microseconds it becomes worthless; absent: never.
        lasts: Option<u64>,
        /// Whether it takes the place of those with the same name.
        instead: bool,
    },
    /// Make a token worthless.
    RevokeToken {
        /// Which.
        id: TokenId,
    },
    /// Make the tokens of a principal with this name worthless.
    RevokeTokens {
        /// Whose.
        of: Uid,
        /// By what name.
        name: String,
    },
    /// Write a copy of the store.
    Backup {
        /// Where to; an absolute path.
        file: std::path::PathBuf,
    },
    /// Destroy the keys of days.
    Forget {
        /// Whose; absent: everybody's.
        tenant: Option<String>,
        /// Days that ended before.
        before: Timestamp,
    },
    /// Turn a token back into what it stands for.
    Reveal {
        /// The token.
        token: String,
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
    /// Whether an agent may execute a call itself.
    Authorized(Box<AuthorizeReply>),
    /// An approval.
    Approval(Box<ApprovalView>),
    /// Of an answer.
    Answered(AnswerOutcome),
    /// Calls' arguments; without those that the asker may not see, or that are no longer kept.
    Inputs(Vec<(DecisionId, serde_json::Value)>),
    /// A decision's facts.
    Facts(FactsView),
    /// What each decision of a run was made from; without those of which nothing is kept.
    RunFacts(Vec<(DecisionId, FactsView)>),
    /// A run may be exported: the hashes that stand for whom it names.
    Exportable(Vec<(Uid, KeyedDigest)>),
    /// What was made of what was said.
    Said(serde_json::Value),
    /// Policies that were put into force.
    Promoted {
        /// The bundle that is in force now.
        bundle: Sha256Digest,
        /// Files that were written or removed.
        files: Vec<String>,
    },
    /// A new token.
    Token {
        /// What is kept of it.
        token: TokenView,
        /// The token itself, shown this once.
        text: String,
    },
    /// A copy of the store.
    Backup {
        /// Records in it.
        records: u64,
        /// Its bytes.
        bytes: u64,
    },
    /// Days whose keys were destroyed.
    Forgotten {
        /// How many.
        days: u64,
    },
    /// What a token stands for.
    Revealed(RevealedValue),
    /// The configuration is in force.
    Reloaded {
        /// Digest of the policies, tools and entities.
        bundle: String,
    },
    /// Something is halted.
    Halted {
        /// Running calls that end.
        calls: usize,
        /// Approvals that were cancelled.
        approvals: usize,
    },
    /// It is done.
    Done,
}
