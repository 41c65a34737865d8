//! The trace of a run.

use std::collections::HashMap;

use tollgate_model::{
    ids::{RunId, SpanId},
    record::Event,
    span::{self, SpanChange, SpanKind},
};

use super::LedgerReader;
use crate::{LedgerError, SpanRow};

impl LedgerReader {
    /// The run's trace: the spans of its records, in the order in which they were opened.
    ///
    /// # Errors
    /// [`LedgerError`] if the store cannot be read.
    pub fn spans(&self, run: RunId) -> Result<Vec<SpanRow>, LedgerError> {
        let records = self.records_of_run(run)?;
        let mut spans: Vec<SpanRow> = Vec::new();
        let mut places: HashMap<SpanId, usize> = HashMap::new();
        let mut root = None;
        for (index, record) in &records {
            if let Event::RunStarted(started) = &record.event {
                root = Some(started.span);
            }
            let mut changes = span::changes(record);
            if let (Event::RunEnded(_), Some(span)) = (&record.event, root) {
                changes.push(SpanChange::Close {
                    span,
                    end: record.time,
                    error: None,
                    unless_ended: false,
                });
            }
            for change in changes {
                match change {
                    SpanChange::Open {
                        span,
                        parent,
                        kind,
                        name,
                        start,
                        end,
                        error,
                    } => {
                        let place = spans.len();
                        if *places.entry(span).or_insert(place) != place {
                            continue;
                        }
                        let parent = parent.or(root.filter(|_| kind != SpanKind::InvokeAgent));
                        let error = error.map(str::to_owned);
                        let (opened, closed) = (*index, end.map(|_| *index));
                        spans.push(SpanRow {
                            span,
                            parent,
                            kind,
                            name,
                            start,
                            end,
                            error,
                            opened,
                            closed,
                        });
                    }
                    SpanChange::Close {
                        span, end, error, ..
                    } => {
                        let row = places.get(&span).and_then(|place| spans.get_mut(*place));
                        if let Some(row) = row.filter(|row| row.end.is_none()) {
                            row.end = Some(end);
                            row.error = error.map(str::to_owned);
                            row.closed = Some(*index);
                        }
                    }
                }
            }
        }
        Ok(spans)
    }
}
