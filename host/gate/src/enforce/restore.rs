//! What runs have read, read back from the ledger: an index is lost when the gate restarts, and when it is dropped for
//! others.
//!
//! Results that capture kept in whole are read again; their keyed digest proves that they are what was released. If any
//! other result of the scope was released, the index keeps a gap: what it cannot name is untrusted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tollgate_ledger::{LedgerError, RunFilter, RunRow};
use tollgate_model::{
    ids::{RunId, SpanId},
    provenance::{ReadIndex, ResultSource},
    record::{Event, OutcomeRecord, Record, Release},
    time::Timestamp,
};

use super::{
    Pep, Ruleset,
    memory::RunScope,
    reads::{ReadScope, lock, read_part},
};
use crate::{
    capture,
    config::AgentMemory,
    tool::{Content, Tool},
};

/// The most runs of a principal that are looked at.
const MAX_RUNS: u64 = 1_000;
/// The most results that are read back, and the most bytes of them.
const MAX_RESULTS: usize = 2_000;
const MAX_BYTES: usize = 16 << 20;

/// An index that is read back.
pub(super) struct Restoration {
    pub(super) pep: Pep,
    pub(super) ruleset: Arc<Ruleset>,
    /// The run that needs it.
    pub(super) run: RunScope,
    pub(super) memory: AgentMemory,
}

impl Restoration {
    /// Reads back what the runs of the scope have read. Returns whether the index has all of it.
    pub(super) fn restore(&self, index: &Mutex<ReadIndex>) -> bool {
        let restored = self.runs().and_then(|runs| match runs {
            None => Ok(false),
            Some(runs) => self.read_runs(&runs, index),
        });
        // What cannot be read is a gap.
        restored.unwrap_or(false)
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
            limit: Some(MAX_RUNS),
            ..RunFilter::default()
        })?;
        if rows.len() as u64 >= MAX_RUNS && rows.last().is_some_and(|row| row.last >= since) {
            return Ok(None);
        }
        let mut runs = own;
        for row in rows {
            let recent = row.last >= since && row.calls > row.denials;
            if recent && row.id != self.run.run && self.scope_of(&row)? == scope {
                runs.push(row.id);
            }
        }
        runs.reverse();
        Ok(Some(runs))
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

    fn read_runs(&self, runs: &[RunId], index: &Mutex<ReadIndex>) -> Result<bool, LedgerError> {
        let mut is_complete = true;
        let (mut results, mut bytes) = (0, 0);
        for run in runs {
            let records = self.pep.ledger.reader().records_of_run(*run)?;
            let tools = called(&records);
            is_complete &= unseen(&records).is_empty();
            for (at, record) in &records {
                let Event::Outcome(outcome) = &record.event else {
                    continue;
                };
                if !is_released(outcome) {
                    continue;
                }
                results += 1;
                bytes += usize::try_from(outcome.size).unwrap_or(MAX_BYTES);
                if results > MAX_RESULTS || bytes > MAX_BYTES {
                    return Ok(false);
                }
                let tool = tools.get(&outcome.call);
                let tool = tool.and_then(|name| self.ruleset.callable(name));
                is_complete &= match tool {
                    Some(tool) => self.read(*run, tool, (*at, outcome), index)?,
                    None => false,
                };
            }
        }
        Ok(is_complete)
    }

    /// Reads one result, if it was kept. Returns whether it is what was released.
    fn read(
        &self,
        run: RunId,
        tool: &Tool,
        (at, outcome): (u64, &OutcomeRecord),
        index: &Mutex<ReadIndex>,
    ) -> Result<bool, LedgerError> {
        let ledger = &self.pep.ledger;
        let Some(kept) = outcome.capture else {
            return Ok(false);
        };
        let plain = match capture::kept(ledger.reader(), ledger.keys(), at, kept) {
            Ok(Some(plain)) => plain,
            // Its retention may have ended.
            Ok(None) | Err(LedgerError::Sealed { .. }) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok(value) = serde_json::from_str::<Value>(&plain) else {
            return Ok(false);
        };
        let tenant = &self.ruleset.config.gate.tenant;
        let whole = forms(&value).into_iter().find(|(_, bytes)| {
            let digest = ledger.digest(tenant, &[bytes]).ok();
            digest.is_some() && digest == outcome.result
        });
        let is_whole = whole.is_some();
        let content = match whole {
            Some((content, _)) => content,
            None => vec![Content::Structured(value)],
        };
        let source = ResultSource {
            call: outcome.call,
            run,
            tool: &tool.name,
            trust: &tool.provenance.trust,
        };
        let mut index = lock(index);
        for part in &content {
            read_part(&mut index, &source, part);
        }
        Ok(is_whole)
    }
}

/// Whether a caller has got content with this outcome.
fn is_released(outcome: &OutcomeRecord) -> bool {
    let released = [Some(Release::Released), Some(Release::Redacted)].contains(&outcome.release);
    released && outcome.result.is_some()
}

/// The names of what was called, by call.
fn called(records: &[(u64, Record)]) -> BTreeMap<SpanId, String> {
    let name = |(_, record): &(u64, Record)| match &record.event {
        Event::Decision(decision) => {
            let call = decision.call.filter(|_| decision.action.is_call())?;
            Some((call, decision.called()?.into_owned()))
        }
        _ => None,
    };
    records.iter().filter_map(name).collect()
}

/// Calls that their callers executed without saying what they got.
fn unseen(records: &[(u64, Record)]) -> BTreeSet<SpanId> {
    let mut unseen = BTreeSet::new();
    for (_, record) in records {
        match &record.event {
            Event::Start(start) if start.executed_by_caller => {
                unseen.insert(start.call);
            }
            Event::Outcome(outcome) if outcome.result.is_some() => {
                unseen.remove(&outcome.call);
            }
            _ => {}
        }
    }
    unseen
}

/// The contents of which a kept value may be all, with the bytes that their digest is of.
fn forms(value: &Value) -> Vec<(Vec<Content>, Vec<u8>)> {
    let text = |text: String| Content::Text { text };
    let structured = || Content::Structured(value.clone());
    let mut forms = Vec::new();
    let mut add = |content: Vec<Content>| {
        if let Ok(bytes) = serde_json::to_vec(&content) {
            forms.push((content, bytes));
        }
    };
    let written = [
        Some(value.to_string()),
        serde_json::to_string_pretty(value).ok(),
    ];
    match value {
        Value::String(words) => {
            add(vec![text(words.clone())]);
            // The message of a failure.
            forms.push((vec![text(words.clone())], words.clone().into_bytes()));
        }
        _ => {
            add(vec![structured()]);
            for words in written.into_iter().flatten() {
                add(vec![text(words.clone())]);
                add(vec![text(words), structured()]);
            }
        }
    }
    forms
}
