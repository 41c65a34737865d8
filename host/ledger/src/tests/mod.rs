//! Tests of the ledger: real SQLite on a real disk.

mod answers;
mod approvals;
mod backup;
mod commit;
mod exported_log;
mod faults;
mod formats;
mod history;
mod keys;
mod memory;
mod opening;
mod proofs;
mod reading;
mod rebuild;
mod rejections;
mod runs;
mod upstream_logins;
mod verification;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::atomic::{AtomicU64, Ordering},
};

use tempfile::TempDir;
use tollgate_model::{
    canonical::Sha256Digest,
    decision::{
        Approvers, DeterminingPolicy, Outcome, PolicyRef, Redaction, Requirement, Severity,
    },
    entity::{Kind, Uid},
    ids::{ApprovalId, LinkId, RunId, SpanId},
    life::ApprovalState,
    record::{
        ApprovalAnswered, ApprovalLinkIssued, ApprovalLinkRevoked, ApprovalRequested,
        ApprovalResolved, DecisionRecord, Event, Halt, HaltScope, KeyedDigest, OutcomeRecord,
        Record, RunEnded, RunOutcome, RunStarted, Start, Status,
    },
    request::Action,
    time::Timestamp,
};

use super::*;

const TENANT: &str = "acme";
const HOUR: u64 = 3_600_000_000;
const T0: Timestamp = Timestamp(1_795_249_800_000_000);

/// A store in a temporary directory.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn options(&self) -> LedgerOptions {
        LedgerOptions {
            path: self.path(),
            key: self.dir.path().join("keys/ledger.key"),
            sync: Sync::Full,
            cached_runs: 64,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("store/ledger.db")
    }

    fn open(&self) -> Ledger {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Ledger, LedgerError> {
        Ledger::open(self.options(), T0)
    }

    /// The store as a SQLite shell sees it.
    fn tamper(&self, sql: &str) {
        let conn = rusqlite::Connection::open(self.path()).unwrap();
        conn.execute_batch(sql).unwrap();
    }
}

/// Makes records with fresh ids.
struct Script {
    next: AtomicU64,
    time: AtomicU64,
}

fn bytes<const N: usize>(n: u64) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[N - 8..].copy_from_slice(&n.to_be_bytes());
    bytes
}

fn alice() -> Uid {
    Uid::new(Kind::User, "alice")
}

fn agent() -> Uid {
    Uid::new(Kind::Agent, "support")
}

fn arguments(text: &str) -> KeyedDigest {
    KeyedDigest::of(&[7; 32], 1, &[text.as_bytes()])
}

impl Script {
    fn new() -> Self {
        Self {
            next: AtomicU64::new(1),
            time: AtomicU64::new(0),
        }
    }

    fn id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    fn span(&self) -> SpanId {
        SpanId::from_bytes(bytes(self.id()))
    }

    fn now(&self) -> Timestamp {
        T0.plus(self.time.fetch_add(1000, Ordering::Relaxed))
    }

    fn record(&self, run: Option<RunId>, event: Event) -> Record {
        Record::new(TENANT, run, self.now(), event)
    }

    /// A run and the record that begins it.
    fn run(&self, key: Option<&str>, inherited: &[&str]) -> (RunId, Record) {
        let run = RunId::from_bytes(bytes(self.id()));
        let started = RunStarted {
            inherited: labels(inherited),
            key: key.map(str::to_owned),
            on_behalf_of: Uid::new(Kind::User, "alice"),
            origin: Default::default(),
            principal: agent(),
            span: self.span(),
        };
        (run, self.record(Some(run), Event::RunStarted(started)))
    }

    fn decision(&self, run: RunId, call: SpanId, outcome: Outcome, args: &str) -> DecisionRecord {
        let _ = run;
        DecisionRecord {
            capture: None,
            action: Action::Call("tickets__read".into()),
            approval: None,
            arguments: Some(arguments(args)),
            arguments_size: Some(12),
            is_secondary: false,
            bundle: Sha256Digest::of(b"bundle"),
            call: Some(call),
            arrival: Default::default(),
            caller_span: None,
            component: Some(Sha256Digest::of(b"component")),
            determining: Vec::new(),
            errors: Vec::new(),
            facts_digest: None,
            history: Vec::new(),
            label_target: None,
            propagated_labels: BTreeSet::new(),
            decide_micros: 7,
            on_behalf_of: None,
            outcome,
            parent: None,
            principal: agent(),
            provenance: None,
            redaction: Redaction::default(),
            requirement: None,
            resource: Uid::new(Kind::Tool, "tickets__read"),
            resumption: false,
            shadow: None,
            span: self.span(),
            standing: Default::default(),
        }
    }

    fn decide(&self, run: RunId, call: SpanId, outcome: Outcome, args: &str) -> Record {
        self.record(
            Some(run),
            Event::Decision(Box::new(self.decision(run, call, outcome, args))),
        )
    }

    fn resume(&self, run: RunId, call: SpanId, outcome: Outcome, args: &str) -> Record {
        let decision = DecisionRecord {
            capture: None,
            resumption: true,
            ..self.decision(run, call, outcome, args)
        };
        self.record(Some(run), Event::Decision(Box::new(decision)))
    }

    fn start(&self, run: RunId, call: SpanId, approval: Option<ApprovalId>) -> Record {
        let start = Start {
            approval,
            attempt: 1,
            call,
            component: "tickets".into(),
            digest: Sha256Digest::of(b"component"),
            executed_by_caller: false,
            labels: BTreeSet::new(),
            resumption: false,
            span: self.span(),
            unsandboxed: false,
        };
        self.record(Some(run), Event::Start(start))
    }

    fn outcome(&self, run: RunId, start: &Record, status: Status, joins: &[&str]) -> Record {
        let Event::Start(start) = &start.event else {
            panic!("a start")
        };
        let outcome = OutcomeRecord {
            capture: None,
            call: start.call,
            effective: false,
            effects: 0,
            fuel: 1,
            history: Vec::new(),
            labels: labels(joins),
            peak_memory: 1,
            redacted: 0,
            release: None,
            result: None,
            size: 3,
            span: start.span,
            status,
        };
        self.record(Some(run), Event::Outcome(outcome))
    }

    /// A call that escalates: its span, its approval, and the records.
    fn escalate(&self, run: RunId, args: &str) -> (SpanId, ApprovalId, Vec<Record>) {
        let call = self.span();
        let (id, ask) = self.ask(run, call, args);
        (
            call,
            id,
            vec![self.decide(run, call, Outcome::Escalate, args), ask],
        )
    }

    fn ask(&self, run: RunId, call: SpanId, args: &str) -> (ApprovalId, Record) {
        let id = ApprovalId::from_bytes(bytes(self.id()));
        let asked = ApprovalRequested {
            question: None,
            capability: None,
            declared: None,
            elicitation: None,
            speaker: None,
            makers: BTreeSet::new(),
            waiting: Vec::new(),
            via: Vec::new(),
            arguments: arguments(args),
            call,
            component: Sha256Digest::of(b"component"),
            expires: T0.plus(HOUR),
            id,
            on_behalf_of: Uid::new(Kind::User, "alice"),
            payload: Sha256Digest::of(b"payload"),
            principal: agent(),
            requirement: Requirement {
                alternatives: vec![Approvers {
                    count: 1,
                    roles: BTreeSet::from(["security".into()]),
                }],
                lifts: BTreeSet::new(),
                severity: Severity::High,
            },
            round: 1,
            span: self.span(),
            tool: "tickets__read".into(),
        };
        (
            id,
            self.record(Some(run), Event::ApprovalRequested(Box::new(asked))),
        )
    }

    fn answer(
        &self,
        run: RunId,
        id: ApprovalId,
        by: &str,
        approve: bool,
        took_effect: bool,
    ) -> Record {
        let answer = ApprovalAnswered {
            edited: None,
            question: None,
            approve,
            by: Uid::new(Kind::User, by),
            channel: "cli".into(),
            elicitation: None,
            id,
            roles: BTreeSet::from(["security".into()]),
            link: None,
            took_effect,
            note: None,
            token_makers: BTreeSet::new(),
        };
        self.record(Some(run), Event::ApprovalAnswered(answer))
    }

    /// An answer by a link, which takes effect.
    fn answer_by(
        &self,
        run: RunId,
        id: ApprovalId,
        by: &str,
        approve: bool,
        link: LinkId,
    ) -> Record {
        let mut record = self.answer(run, id, by, approve, true);
        if let Event::ApprovalAnswered(answer) = &mut record.event {
            answer.link = Some(link);
        }
        record
    }

    fn issue(&self, approval: ApprovalId, args: &str, user: &str) -> (LinkId, Record) {
        let id = LinkId::from_bytes(bytes(self.id()));
        let issued = ApprovalLinkIssued {
            approval,
            arguments: arguments(args),
            expires: T0.plus(HOUR),
            id,
            user: Uid::new(Kind::User, user),
        };
        (id, self.record(None, Event::ApprovalLinkIssued(issued)))
    }

    fn revoke(&self, id: LinkId, approval: ApprovalId) -> Record {
        let revoked = ApprovalLinkRevoked {
            approval,
            by: "alice".into(),
            id,
        };
        self.record(None, Event::ApprovalLinkRevoked(revoked))
    }

    fn resolve(&self, run: RunId, call: SpanId, id: ApprovalId, state: ApprovalState) -> Record {
        let resolved = ApprovalResolved {
            enclosing_calls: Vec::new(),
            by: None,
            call,
            id,
            span: self.span(),
            state,
            superseded: false,
        };
        self.record(Some(run), Event::ApprovalResolved(resolved))
    }

    fn end(&self, run: RunId) -> Record {
        let ended = RunEnded {
            by: "alice".into(),
            outcome: RunOutcome::Success,
            stop_reason: "done".into(),
        };
        self.record(Some(run), Event::RunEnded(ended))
    }

    fn halt(&self, scope: HaltScope, name: &str, lift: bool) -> Record {
        let halt = Halt {
            by: "alice".into(),
            name: name.into(),
            reason: "it misbehaves".into(),
            scope,
        };
        self.record(
            None,
            if lift {
                Event::Resumed(halt)
            } else {
                Event::Halted(halt)
            },
        )
    }
}

/// A policy that guards this budget.
fn guard(budget: &str) -> DeterminingPolicy {
    DeterminingPolicy {
        budget: Some(budget.into()),
        owner: "operations".into(),
        policy: PolicyRef {
            digest: Sha256Digest::of(b"policy"),
            id: format!("budget/run/{budget}"),
        },
        reason: String::new(),
    }
}

fn labels(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|n| (*n).to_owned()).collect()
}

/// The index of a committed batch.
fn first(committed: Result<Receipt, CommitError>) -> Result<u64, CommitError> {
    committed.map(|receipt| receipt.first())
}

fn batch(records: Vec<Record>) -> Batch {
    Batch {
        records,
        ..Batch::default()
    }
}

fn on(records: Vec<Record>, conditions: Vec<Condition>) -> Batch {
    Batch {
        records,
        conditions,
        ..Batch::default()
    }
}

/// A runtime for one test.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
