//! History facts of a call: read from the ledger before it is decided, and recorded with its decision and its outcome.
//!
//! The facts of a call never include the call itself, so a call that waited for an approval is decided as if it were new.
//! A decision is recorded only if the series that its policies read are still as it saw them. So however many calls are
//! decided at once, each sees all that were admitted before it.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Value;
use tollgate_ledger::{AmountPlace, Condition, LedgerError};
use tollgate_model::{
    canonical,
    decision::Outcome,
    history::{FactValue, SeriesQuery, SeriesTotals},
    ids::{SeriesId, SpanId, ValueDigest},
    record::{CountedCalls, FactEntry, OutcomeRecord, Release, Status},
    time::Timestamp,
};

use super::{Act as _, CallContext, CountedCall, Pep, Refusal, ToolCall};
use crate::{
    history::{Addend, CallSubject, FactKind, HistoryFact, SumType},
    tool::{Content, Feature, SourceKind, Tool},
};

/// The history facts of a call, and what they depend on.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallHistory {
    /// Those that are known.
    pub(crate) facts: BTreeMap<String, FactValue>,
    /// The series that the policies about the call read.
    read: BTreeSet<SeriesId>,
    /// The size of the ledger before they were read.
    size: u64,
}

impl CallHistory {
    /// Requires that what the decision saw is still so.
    pub(crate) fn unchanged(&self) -> Option<Condition> {
        (!self.read.is_empty()).then(|| Condition::SeriesUnchanged(self.read.clone(), self.size))
    }
}

/// A call with its decision.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DecidedCall {
    /// The outcome that is recorded.
    pub(crate) outcome: Outcome,
    /// Whether it consumes an approval, if it is allowed.
    pub(crate) is_approved: bool,
    /// Whether it was decided before.
    pub(crate) is_resumption: bool,
    /// The time of the record.
    pub(crate) time: Timestamp,
}

fn unread(error: LedgerError) -> Refusal {
    Refusal::Unrecorded {
        reason: error.to_string(),
    }
}

/// The facts of a call, with the call.
struct FactQuery<'a> {
    pep: &'a Pep,
    cx: &'a CallContext,
    subject: CallSubject<'a>,
    now: Timestamp,
}

impl Pep {
    /// Reads into memory what the facts of a call need, off the threads that serve callers. Returns the series that
    /// policies about it read.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] if the ledger cannot be read.
    pub(crate) async fn load_history(
        &self,
        cx: &CallContext,
        call: &ToolCall,
    ) -> Result<BTreeSet<SeriesId>, Refusal> {
        if cx.ruleset.config.facts.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (all, read) = self.series_of(cx, call).map_err(unread)?;
        for series in all {
            self.ledger.load_series(series).await.map_err(unread)?;
        }
        Ok(read)
    }

    /// The series of all facts of a call, and those that policies about it read.
    fn series_of(
        &self,
        cx: &CallContext,
        call: &ToolCall,
    ) -> Result<(BTreeSet<SeriesId>, BTreeSet<SeriesId>), LedgerError> {
        let configured = &cx.ruleset.config.facts;
        let arguments = arguments(cx, call);
        let reading = FactQuery {
            pep: self,
            cx,
            subject: subject(cx, call.tool(), &arguments, None),
            now: Timestamp(0),
        };
        let read = cx.ruleset.pdp.facts_read(&call.request(cx).action);
        let (mut all, mut of_policies) = (BTreeSet::new(), BTreeSet::new());
        for (name, fact) in configured {
            let since = fact.since.as_ref().and_then(|name| configured.get(name));
            for fact in [Some(fact), since].into_iter().flatten() {
                let series = reading.series(fact)?;
                all.extend(series);
                of_policies.extend(series.filter(|_| read.contains(name)));
            }
        }
        Ok((all, of_policies))
    }

    /// The history facts of a call at `now`.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] if the ledger cannot be read.
    pub(crate) fn history(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        now: Timestamp,
    ) -> Result<CallHistory, Refusal> {
        let configured = &cx.ruleset.config.facts;
        if configured.is_empty() {
            return Ok(CallHistory::default());
        }
        let mut history = CallHistory {
            size: self.ledger.size(),
            ..CallHistory::default()
        };
        let arguments = arguments(cx, call);
        let reading = FactQuery {
            pep: self,
            cx,
            subject: subject(cx, call.tool(), &arguments, None),
            now,
        };
        let action = call.request(cx).action;
        let read = cx.ruleset.pdp.facts_read(&action);
        for (name, fact) in configured {
            let mut series = Vec::new();
            let value = reading.value(fact, &mut series).map_err(unread)?;
            if let Some(value) = value {
                history.facts.insert(name.clone(), value);
            }
            if read.contains(name) {
                history.read.extend(series);
            }
        }
        Ok(history)
    }

    /// What a decision adds to facts.
    ///
    /// # Errors
    /// [`Refusal::Unrecorded`] if the tenant's key cannot be read.
    pub(crate) fn decision_entries(
        &self,
        cx: &CallContext,
        call: &ToolCall,
        decided: &DecidedCall,
    ) -> Result<Vec<FactEntry>, Refusal> {
        let configured = &cx.ruleset.config.facts;
        if configured.is_empty() || call.tool().feature == Feature::Preview {
            return Ok(Vec::new());
        }
        let arguments = arguments(cx, call);
        let reading = FactQuery {
            pep: self,
            cx,
            subject: subject(cx, call.tool(), &arguments, None),
            now: decided.time,
        };
        let counted = configured
            .values()
            .filter(|fact| counts_at_decision(fact.counts, decided));
        let entries = counted.filter_map(|fact| reading.entry(fact).transpose());
        let mut entries: Vec<FactEntry> = entries.collect::<Result<_, _>>().map_err(unread)?;
        // A caller that executes its call could say that it failed, or that it has ended, and go on.
        let by_caller = call.tool().source.kind == SourceKind::External;
        for entry in &mut entries {
            if by_caller && entry.counts.is_provisional() {
                entry.counts = CountedCalls::Started;
            }
        }
        Ok(entries)
    }

    /// What facts need of this call when it ends, if any counts it then.
    pub(crate) fn counted(&self, cx: &CallContext, call: &ToolCall) -> Option<Arc<CountedCall>> {
        let configured = &cx.ruleset.config.facts;
        if call.tool().feature == Feature::Preview {
            return None;
        }
        if !configured.values().any(|fact| fact.counts.is_by_outcome()) {
            return None;
        }
        let arguments = arguments(cx, call);
        let subject = subject(cx, call.tool(), &arguments, None);
        let mut facts = configured.values();
        let is_counted = facts.any(|fact| fact.counts.is_by_outcome() && fact.selects(&subject));
        is_counted.then(|| {
            Arc::new(CountedCall {
                tool: Arc::clone(call.tool()),
                arguments: arguments.into_owned(),
            })
        })
    }

    /// What an outcome adds to facts.
    pub(crate) fn outcome_entries(
        &self,
        cx: &CallContext,
        outcome: &OutcomeRecord,
        content: &[Content],
        now: Timestamp,
    ) -> Vec<FactEntry> {
        let Some(counted) = &cx.counted else {
            return Vec::new();
        };
        let result = result(content);
        let reading = FactQuery {
            pep: self,
            cx,
            subject: subject(cx, &counted.tool, &counted.arguments, Some(&result)),
            now,
        };
        let facts = cx.ruleset.config.facts.values();
        let facts = facts.filter(|fact| counts_at_outcome(fact.counts, outcome));
        // Without the tenant's key, the record itself could not have its digest either.
        let entries = facts.filter_map(|fact| reading.entry(fact).ok().flatten());
        entries.collect()
    }
}

/// The arguments with the defaults that policies see.
fn arguments<'a>(cx: &CallContext, call: &'a ToolCall) -> Cow<'a, Value> {
    let tool = call.tool();
    let typed = match tool.feature {
        Feature::Tool if tool.source.kind != SourceKind::Component => {
            cx.ruleset.pdp.tool(&tool.name)
        }
        Feature::Tool | Feature::Prompt | Feature::Resources | Feature::Preview => None,
    };
    let Some(typed) = typed else {
        return Cow::Borrowed(call.arguments());
    };
    let mut arguments = call.arguments().clone();
    typed.apply_defaults(&mut arguments);
    Cow::Owned(arguments)
}

fn subject<'a>(
    cx: &'a CallContext,
    tool: &'a Tool,
    arguments: &'a Value,
    result: Option<&'a Value>,
) -> CallSubject<'a> {
    CallSubject {
        arguments,
        labels: &tool.labels,
        principal: &cx.principal,
        result,
        run: cx.run,
        tool: &tool.name,
        user: &cx.on_behalf_of,
    }
}

/// The data of a result: structured content, else text that is JSON, else the text.
fn result(content: &[Content]) -> Value {
    let structured = content.iter().find_map(|part| match part {
        Content::Structured(value) => Some(value.clone()),
        _ => None,
    });
    let text = || {
        content.iter().find_map(|part| match part {
            Content::Text { text } => {
                Some(canonical::parse(text).unwrap_or_else(|_| Value::String(text.clone())))
            }
            _ => None,
        })
    };
    structured.or_else(text).unwrap_or(Value::Null)
}

fn counts_at_decision(counts: CountedCalls, decided: &DecidedCall) -> bool {
    let allowed = decided.outcome == Outcome::Allow;
    match counts {
        CountedCalls::Decided => !decided.is_resumption,
        CountedCalls::Denied => matches!(decided.outcome, Outcome::Deny | Outcome::Error),
        CountedCalls::Approved => allowed && decided.is_approved,
        CountedCalls::Started | CountedCalls::NotFailed | CountedCalls::Running => allowed,
        CountedCalls::Succeeded | CountedCalls::Released | CountedCalls::Failed => false,
    }
}

fn counts_at_outcome(counts: CountedCalls, outcome: &OutcomeRecord) -> bool {
    match counts {
        CountedCalls::Succeeded => outcome.status == Status::Ok,
        CountedCalls::Released => {
            let released = matches!(outcome.release, Some(Release::Released | Release::Redacted));
            outcome.status == Status::Ok && released
        }
        CountedCalls::Failed => !matches!(
            outcome.status,
            Status::Ok | Status::Pending | Status::Indeterminate
        ),
        CountedCalls::Decided
        | CountedCalls::Denied
        | CountedCalls::Approved
        | CountedCalls::Started
        | CountedCalls::NotFailed
        | CountedCalls::Running => false,
    }
}

impl FactQuery<'_> {
    fn tenant(&self) -> &str {
        &self.cx.ruleset.config.gate.tenant
    }

    /// The series in which the fact counts this call; `None` if it is not known.
    fn series(&self, fact: &HistoryFact) -> Result<Option<SeriesId>, LedgerError> {
        let Some(group) = fact.group(&self.subject) else {
            return Ok(None);
        };
        let mut parts: Vec<&[u8]> = vec![b"series of a fact", fact.id.as_bytes()];
        parts.extend(group.iter().map(|value| value.as_bytes()));
        let id = self.pep.ledger.keys().short_digest(self.tenant(), &parts)?;
        Ok(Some(SeriesId::from_bytes(id)))
    }

    fn digests(&self, addend: &Addend) -> Result<Vec<ValueDigest>, LedgerError> {
        let digest = |value: &String| {
            let parts: [&[u8]; 2] = [b"value of a fact", value.as_bytes()];
            let digest = self.pep.ledger.keys().short_digest(self.tenant(), &parts)?;
            Ok(ValueDigest::from_bytes(digest))
        };
        addend.values.iter().map(digest).collect()
    }

    /// The value of a fact; `None` if it is not known. Adds the series on which it depends to `read`.
    fn value(
        &self,
        fact: &HistoryFact,
        read: &mut Vec<SeriesId>,
    ) -> Result<Option<FactValue>, LedgerError> {
        let Some(series) = self.series(fact)? else {
            return Ok(None);
        };
        read.push(series);
        let facts = &self.cx.ruleset.config.facts;
        let after = match fact.since.as_ref().and_then(|name| facts.get(name)) {
            None => None,
            Some(since) => match self.last(since, read)? {
                Some(last) => Some(last),
                None => return Ok(None),
            },
        };
        let addend = match fact.with_call && fact.selects(&self.subject) {
            true => Some(fact.addend(&self.subject)),
            false => None,
        };
        let values = match &addend {
            Some(addend) => self.digests(addend)?,
            None => Vec::new(),
        };
        let query = SeriesQuery {
            after,
            negative: fact.negative,
            values: &values,
            ..self.window(fact)
        };
        let totals = self.pep.ledger.series_totals(series, &query)?;
        Ok(value(fact.kind, &totals, addend.as_ref()))
    }

    /// The record of the latest call of a fact.
    fn last(
        &self,
        fact: &HistoryFact,
        read: &mut Vec<SeriesId>,
    ) -> Result<Option<u64>, LedgerError> {
        let Some(series) = self.series(fact)? else {
            return Ok(None);
        };
        read.push(series);
        let totals = self.pep.ledger.series_totals(series, &self.window(fact))?;
        Ok(totals.last.map(|(_, index)| index))
    }

    /// The calls in the fact's window, without this one.
    fn window(&self, fact: &HistoryFact) -> SeriesQuery<'static> {
        let micros =
            |within: std::time::Duration| i64::try_from(within.as_micros()).unwrap_or(i64::MAX);
        SeriesQuery {
            since: fact
                .within
                .map(|within| Timestamp(self.now.0.saturating_sub(micros(within)))),
            without: Some(self.cx.call),
            ..SeriesQuery::default()
        }
    }

    /// What the call adds to a fact; `None` if the fact does not count it.
    fn entry(&self, fact: &HistoryFact) -> Result<Option<FactEntry>, LedgerError> {
        if !fact.selects(&self.subject) {
            return Ok(None);
        }
        let Some(series) = self.series(fact)? else {
            return Ok(None);
        };
        let addend = fact.addend(&self.subject);
        let amount = match addend.amount {
            None => None,
            Some(amount) => Some(self.mask(series, self.cx.call, amount)?),
        };
        Ok(Some(FactEntry {
            amount,
            counts: fact.counts,
            fact: fact.name.clone(),
            further: addend.further,
            of_run: fact.is_of_run(),
            series,
            until: fact.within.map(|within| self.now.after(within)),
            values: self.digests(&addend)?,
        }))
    }

    fn mask(
        &self,
        series: SeriesId,
        call: SpanId,
        amount: i64,
    ) -> Result<tollgate_model::ids::MaskedAmount, LedgerError> {
        let place = AmountPlace {
            series,
            call,
            time: self.now,
        };
        let keys = self.pep.ledger.keys();
        keys.mask_amount(self.tenant(), place, amount)
    }
}

/// The value of a fact, with the call that is decided if it counts as well.
fn value(kind: FactKind, totals: &SeriesTotals, own: Option<&Addend>) -> Option<FactValue> {
    let long = |n: u64| FactValue::Long(i64::try_from(n).unwrap_or(i64::MAX));
    match kind {
        FactKind::Count => Some(long(totals.calls + u64::from(own.is_some()))),
        FactKind::Distinct => {
            let own = own.map_or(0, |own| totals.unseen + own.further);
            Some(long(totals.distinct + own))
        }
        FactKind::Sum(ty) => {
            let own = match own {
                Some(own) => own.amount?,
                None => 0,
            };
            let sum = totals.sum?.checked_add(own)?;
            match ty {
                SumType::Integer => Some(FactValue::Long(sum)),
                SumType::Decimal => Some(FactValue::Decimal(sum)),
            }
        }
        FactKind::Last => totals.last.map(|(time, _)| FactValue::Datetime(time)),
    }
}
