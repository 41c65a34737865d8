//! What runs have read, read back from the ledger: an index is lost when the gate restarts, and when it is dropped for
//! others.
//!
//! Arguments are in the sealed facts of their decisions. Results are read again where capture kept them in whole; their
//! keyed digest proves that they are what was released. If anything else of the scope was read, the index is not
//! complete: what no one vouches for is then untrusted. The records of all runs are read in their order in the
//! ledger: what one run wrote, another may have read. If not all arguments are found, nothing that is read later
//! becomes trusted, since it may repeat them.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::Value;
use tollgate_ledger::{LedgerError, RunFilter, RunRow};
use tollgate_model::{
    decision::Outcome,
    ids::{RunId, SpanId},
    provenance::RestoredParts,
    record::{DecisionRecord, Event, OutcomeRecord, Record, Release, Start, Status},
    request::{ActionContext, Facts, Request},
    time::Timestamp,
};

use super::{
    Pep, Ruleset, Verdict,
    memory::RunScope,
    reads::{ReadScope, ResultReading, SharedIndex, StartedReading, is_strangers, lock},
};
use crate::{
    capture,
    config::AgentMemory,
    tool::{Content, FailureKind, SourceKind, ToolFailure},
};

/// The most runs of a principal that are looked at.
const MAX_RUNS: u64 = if cfg!(test) { 20 } else { 1_000 };
/// The most calls that are read back, and the most bytes of their results.
const MAX_CALLS: usize = 2_000;
const MAX_BYTES: u64 = if cfg!(test) { 1 << 20 } else { 16 << 20 };
/// The most records of all runs.
const MAX_RECORDS: usize = 100_000;

/// An index that is read back.
pub(super) struct Restoration {
    pub(super) pep: Pep,
    pub(super) ruleset: Arc<Ruleset>,
    /// The run that needs it.
    pub(super) run: RunScope,
    pub(super) memory: AgentMemory,
    /// The labels that the run holds.
    pub(super) labels: BTreeSet<String>,
}

impl Restoration {
    /// Reads back what the runs of the scope have read. Returns what the index has of it.
    pub(super) fn restore(&self, index: &SharedIndex) -> RestoredParts {
        let restored = self.runs().and_then(|runs| match runs {
            None => Ok(RestoredParts::default()),
            Some(runs) => self.read_runs(&runs, index),
        });
        // What cannot be read may be anything.
        restored.unwrap_or_default()
    }

    /// The runs of the scope, the oldest first; `None` if there are too many to look at.
    fn runs(&self) -> Result<Option<Vec<RunId>>, LedgerError> {
        let own = vec![self.run.run];
        let scope = ReadScope::of(self.memory, &self.run);
        if scope.is_of_one_run() {
            return Ok(Some(own));
        }
        let config = &self.ruleset.config;
        let window = config.label_window.saturating_add(config.run_idle_timeout);
        let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
        let since = Timestamp(self.pep.now().0.saturating_sub(window));
        let rows = self.pep.ledger.reader().runs(&RunFilter {
            tenant: Some(config.gate.tenant.clone()),
            principal: Some(self.run.principal.clone()),
            active_since: Some(since),
            limit: Some(MAX_RUNS),
            ..RunFilter::default()
        })?;
        if rows.len() as u64 >= MAX_RUNS {
            return Ok(None);
        }
        let mut runs = own;
        for row in rows {
            // A call that was denied may have run in part before.
            let recent = row.last >= since && row.calls > 0;
            if recent && row.id != self.run.run && self.scope_of(&row)? == scope {
                runs.push(row.id);
            }
        }
        runs.reverse();
        Ok(Some(runs))
    }

    /// Whether a run is of another scope.
    fn is_strange(&self, run: RunId) -> Result<bool, LedgerError> {
        let row = self.pep.ledger.reader().run(&run.to_string())?;
        Ok(self.scope_of(&row)? != ReadScope::of(self.memory, &self.run))
    }

    fn scope_of(&self, row: &RunRow) -> Result<ReadScope, LedgerError> {
        let conversation = match self.memory {
            AgentMemory::Conversation => {
                let began = self.pep.ledger.reader().record(row.opened)?;
                match began.map(|record| record.event) {
                    Some(Event::RunStarted(started)) => started.origin.conversation,
                    _ => None,
                }
            }
            AgentMemory::Run | AgentMemory::User | AgentMemory::Agent => None,
        };
        let run = RunScope {
            run: row.id,
            principal: row.principal.clone(),
            on_behalf_of: row.on_behalf_of.clone(),
            conversation,
        };
        Ok(ReadScope::of(self.memory, &run))
    }

    fn read_runs(&self, runs: &[RunId], index: &SharedIndex) -> Result<RestoredParts, LedgerError> {
        let mut records: Vec<(u64, RunId, Record)> = Vec::new();
        for run in runs {
            let own = self.pep.ledger.reader().records_of_run(*run)?;
            records.extend(own.into_iter().map(|(index, record)| (index, *run, record)));
            if records.len() > MAX_RECORDS {
                return Ok(RestoredParts::default());
            }
        }
        records.sort_by_key(|(index, ..)| *index);
        let mut restored = RestoredContent {
            restoration: self,
            index,
            labels: BTreeSet::new(),
            calls: 0,
            bytes: 0,
            parts: RestoredParts {
                arguments: true,
                results: true,
            },
        };
        restored.read(&records)?;
        // Labels that come from elsewhere come with content that is not here.
        restored.parts.results &= self.labels.is_subset(&restored.labels);
        Ok(restored.parts)
    }
}

/// Ends the restoring of an index, also where it breaks off.
#[derive(Debug)]
pub(super) struct RestorationEnd {
    pub(super) index: Arc<SharedIndex>,
    pub(super) parts: RestoredParts,
}

impl Drop for RestorationEnd {
    fn drop(&mut self) {
        lock(&self.index).end_restoring(self.parts);
        self.index.note_restored();
    }
}

/// What was read back so far.
struct RestoredContent<'a> {
    restoration: &'a Restoration,
    index: &'a SharedIndex,
    /// Labels of the content that was read.
    labels: BTreeSet<String>,
    calls: usize,
    bytes: u64,
    parts: RestoredParts,
}

/// A call that was allowed.
struct AllowedCall<'a> {
    index: u64,
    decision: &'a DecisionRecord,
    /// Whether a component made it.
    is_nested: bool,
}

impl RestoredContent<'_> {
    /// Reads the records of all runs, in their order.
    fn read(&mut self, records: &[(u64, RunId, Record)]) -> Result<(), LedgerError> {
        let mut roots: HashMap<RunId, SpanId> = HashMap::new();
        let mut allowed: HashMap<SpanId, AllowedCall<'_>> = HashMap::new();
        let mut open: HashMap<SpanId, (StartedReading, bool)> = HashMap::new();
        for (index, run, record) in records {
            match &record.event {
                Event::RunStarted(started) => drop(roots.insert(*run, started.span)),
                Event::Decision(decision) if is_admission(decision) => {
                    let Some(call) = decision.call else { continue };
                    let call_allowed = AllowedCall {
                        index: *index,
                        decision,
                        is_nested: decision.parent != roots.get(run).copied(),
                    };
                    allowed.insert(call, call_allowed);
                }
                Event::Start(start) => {
                    let Some(call) = allowed.get(&start.call) else {
                        self.parts.arguments = false;
                        continue;
                    };
                    if let Some(started) = self.begin(*run, start, call)? {
                        open.insert(start.call, started);
                    }
                }
                Event::Outcome(outcome) => {
                    self.labels.extend(outcome.labels.iter().cloned());
                    let started = open.remove(&outcome.call);
                    self.end(*run, *index, outcome, started)?;
                }
                Event::LabelsJoined(joined) if self.restoration.is_strange(joined.from)? => {
                    // What the other scope has read and passed on is not here.
                    self.parts = RestoredParts::default();
                }
                _ => {}
            }
            if self.calls > MAX_CALLS {
                self.parts = RestoredParts::default();
                return Ok(());
            }
        }
        // Content of calls that their callers execute may be known to them.
        self.parts.results &= !open.values().any(|(started, _)| started.is_ahead());
        Ok(())
    }

    /// A call starts: from now on, a repetition of its arguments is at most as trusted as they are.
    fn begin(
        &mut self,
        run: RunId,
        start: &Start,
        call: &AllowedCall<'_>,
    ) -> Result<Option<(StartedReading, bool)>, LedgerError> {
        self.calls += 1;
        self.labels.extend(start.labels.iter().cloned());
        let ruleset = &self.restoration.ruleset;
        let name = call.decision.called();
        let tool = name.and_then(|name| ruleset.callable(&name));
        let Some(arguments) = self.arguments(call)? else {
            self.parts.arguments = false;
            return Ok(None);
        };
        let roles = tool.map(|tool| tool.provenance.roles.clone());
        let roles = roles.unwrap_or_default();
        let values = lock(self.index).restore(|index| index.begin_call(run, &roles, &arguments));
        let Some(tool) = tool else {
            // It is not offered any more.
            self.parts.results = false;
            return Ok(None);
        };
        let started = StartedReading::before(Arc::clone(tool), values);
        Ok(Some((started, call.is_nested)))
    }

    /// The arguments that were decided, from the sealed facts of the decision.
    fn arguments(&self, call: &AllowedCall<'_>) -> Result<Option<Value>, LedgerError> {
        let Some(digest) = call.decision.facts_digest else {
            return Ok(None);
        };
        let ledger = &self.restoration.pep.ledger;
        let plain = match ledger.unseal(call.index, digest, "facts") {
            Ok(plain) => plain,
            // Its retention may have ended.
            Err(LedgerError::Sealed { .. } | LedgerError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let sealed = serde_json::from_slice::<(Request, Facts)>(&plain).ok();
        Ok(sealed.and_then(|(request, _)| match request.context {
            ActionContext::Call { input, .. } => Some(input),
            _ => None,
        }))
    }

    fn end(
        &mut self,
        run: RunId,
        index: u64,
        outcome: &OutcomeRecord,
        started: Option<(StartedReading, bool)>,
    ) -> Result<(), LedgerError> {
        let Some((started, is_nested)) = started else {
            self.parts.results = false;
            return Ok(());
        };
        let is_released = outcome.release == Some(Release::Released);
        let has_reached = is_released || outcome.release == Some(Release::Redacted);
        if !has_reached {
            // The caller has the content, or a component's words about its effects.
            let tells = outcome.status == Status::Pending && outcome.effects > 0;
            self.parts.results &= !started.is_ahead() && !tells;
            return Ok(());
        }
        self.bytes = self.bytes.saturating_add(outcome.size);
        if self.bytes > MAX_BYTES {
            // Arguments are read on: they are small, and what is read later may repeat them.
            self.parts.results = false;
            return Ok(());
        }
        // The caller has what was redacted.
        self.parts.results &= is_released || !started.is_ahead();
        let Some((verdict, is_whole)) = self.verdict(index, outcome)? else {
            self.parts.results = false;
            return Ok(());
        };
        self.parts.results &= is_whole;
        let tool = started.tool();
        // What a component has read besides is among the labels, and cannot be told from its tool's.
        let besides = match tool.source.kind {
            SourceKind::Component => is_strangers(&outcome.labels),
            SourceKind::Upstream | SourceKind::External => {
                is_strangers(&outcome.labels) && !is_strangers(&tool.content_labels())
            }
        };
        let reading = ResultReading {
            call: outcome.call,
            run,
            is_tainted: is_nested || besides,
            started,
        };
        lock(self.index).restore(|index| reading.read(index, &verdict));
        Ok(())
    }

    /// The content of a result that was kept, and whether it is all that was released.
    fn verdict(
        &self,
        index: u64,
        outcome: &OutcomeRecord,
    ) -> Result<Option<(Verdict, bool)>, LedgerError> {
        let ledger = &self.restoration.pep.ledger;
        let Some(kept) = outcome.capture else {
            return Ok(None);
        };
        let plain = match capture::kept(ledger.reader(), ledger.keys(), index, kept) {
            Ok(Some(plain)) => plain,
            Ok(None) | Err(LedgerError::Sealed { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(value) = serde_json::from_str::<Value>(&plain) else {
            return Ok(None);
        };
        let tenant = &self.restoration.ruleset.config.gate.tenant;
        for (verdict, bytes) in forms(&value) {
            if outcome.result == Some(ledger.digest(tenant, &[&bytes])?) {
                return Ok(Some((verdict, true)));
            }
        }
        // It may be one text of several, in which no pattern of fields applies, so it is read as such a one.
        let text = match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        let rest = String::new();
        let texts = [text, rest].map(|text| Content::Text { text });
        Ok(Some((released(texts.into()), false)))
    }
}

/// Whether it is the decision that allowed a call.
fn is_admission(decision: &DecisionRecord) -> bool {
    decision.action.is_call() && decision.outcome == Outcome::Allow && !decision.is_secondary
}

fn released(content: Vec<Content>) -> Verdict {
    Verdict::Released {
        content,
        redacted: false,
    }
}

/// The results of which a kept value may be all, with the bytes that their digest is of.
fn forms(value: &Value) -> Vec<(Verdict, Vec<u8>)> {
    let text = |text: String| Content::Text { text };
    let structured = || Content::Structured(value.clone());
    let mut contents = Vec::new();
    let mut forms = Vec::new();
    if let Value::String(words) = value {
        contents.push(vec![text(words.clone())]);
        let failure = ToolFailure {
            kind: FailureKind::Failed,
            message: words.clone(),
        };
        forms.push((Verdict::ToolError(failure), words.clone().into_bytes()));
    }
    contents.push(vec![structured()]);
    let pretty = serde_json::to_string_pretty(value).ok();
    for words in [Some(value.to_string()), pretty].into_iter().flatten() {
        contents.push(vec![text(words.clone())]);
        contents.push(vec![text(words), structured()]);
    }
    for content in contents {
        if let Ok(bytes) = serde_json::to_vec(&content) {
            forms.push((released(content), bytes));
        }
    }
    forms
}
