//! Storing and reading of self-reports.

use rusqlite::params;
use tollgate_model::{ids::RunId, time::Timestamp};

use super::{Facet, Reader, Store, StoreError, key, nat, span_of, writer::Writer};
use crate::self_report::{SelfReport, SelfReportTopic};

/// The most self-reports of one run.
const MAX_OF_RUN: u64 = 20_000;

/// The reporter id of self-reports in `trace_reporters`.
const SELF: i64 = 0;

impl Store {
    /// Stores self-reports. All are kept; of a name, a state or a result the latest is used.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the run would have too many; [`StoreError`] if they cannot be stored.
    pub async fn add_self_reports(
        &self,
        tenant: &str,
        run: RunId,
        reports: Vec<SelfReport>,
    ) -> Result<(), StoreError> {
        let tenant = tenant.to_owned();
        self.write(move |writer| {
            writer.room()?;
            let stored = writer.count_self_reports(&tenant, run);
            let stored = stored.map_err(|e| writer.failed(&e))?;
            if stored.saturating_add(reports.len() as u64) > MAX_OF_RUN {
                let message = format!("a run takes at most {MAX_OF_RUN} self-reports");
                return Err(StoreError::Invalid(message));
            }
            for report in &reports {
                let stored = writer.add_self_report(&tenant, run, report);
                stored.map_err(|e| writer.failed(&e))?;
            }
            Ok(())
        })
        .await
    }
}

impl Writer {
    fn count_self_reports(&self, tenant: &str, run: RunId) -> rusqlite::Result<u64> {
        self.conn.query_row(
            "SELECT count(*) FROM self_reports WHERE tenant = ?1 AND run = ?2",
            params![tenant, run.as_bytes()],
            |row| row.get(0).map(nat),
        )
    }

    fn add_self_report(
        &mut self,
        tenant: &str,
        run: RunId,
        report: &SelfReport,
    ) -> rusqlite::Result<()> {
        let text = report.cut();
        self.conn
            .prepare_cached(
                "INSERT INTO self_reports (tenant, run, call, topic, text, time) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                tenant,
                run.as_bytes(),
                report.call.map(key),
                report.topic.as_str(),
                text,
                report.at.0
            ])?;
        let mut open = self.opened(tenant, run, report.at, report.at)?;
        open.mark_seen(report.at);
        let mut totals = self.totals(open.id, SELF)?;
        let (facet, value) = match version(report.topic, &text) {
            Some(version) => (Facet::Version, version),
            None if report.topic == SelfReportTopic::Model => (Facet::Model, text),
            None => (Facet::Text, text),
        };
        self.add_facet(open.id, &mut totals, facet, &value)?;
        self.keep_totals(open.id, SELF, totals);
        self.keep(tenant, run, open);
        Ok(())
    }
}

/// The value of [`Facet::Version`] for a topic that is a version.
fn version(topic: SelfReportTopic, text: &str) -> Option<String> {
    let what = match topic {
        SelfReportTopic::AgentVersion => "agent",
        SelfReportTopic::WorkflowVersion => "workflow",
        SelfReportTopic::PromptVersion => "prompt",
        _ => return None,
    };
    Some(format!("{what}:{text}"))
}

impl Reader {
    /// The self-reports of a run, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn self_reports(&self, tenant: &str, run: RunId) -> Result<Vec<SelfReport>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT topic, text, call, time FROM self_reports WHERE tenant = ?1 AND run = ?2 ORDER BY id",
            )?;
            let rows = select.query_map(params![tenant, run.as_bytes()], |row| {
                let topic: String = row.get(0)?;
                let (text, call) = (row.get(1)?, row.get::<_, Option<i64>>(2)?.map(span_of));
                let at = Timestamp(row.get(3)?);
                // A topic of a newer version is left out.
                Ok(SelfReportTopic::from_name(&topic).map(|topic| SelfReport {
                    topic,
                    text,
                    call,
                    at,
                }))
            })?;
            rows.filter_map(Result::transpose).collect()
        })
    }
}
