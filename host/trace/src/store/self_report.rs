//! What agents tell about their own runs.

use rusqlite::params;
use tollgate_model::{ids::RunId, time::Timestamp};

use super::{Facet, Reader, Store, StoreError, key, nat, span_of};
use crate::self_report::{Told, Topic};

/// Things that are told about one run at most.
const MAX_OF_RUN: u64 = 20_000;

impl Store {
    /// Keep what an agent tells about a run. Of a topic that is a name, and of the states and results of a
    /// run, the latest counts; all of it is kept.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if there would be too much of it; [`StoreError`] if it cannot be stored.
    pub async fn tell(&self, tenant: &str, run: RunId, told: Vec<Told>) -> Result<(), StoreError> {
        let tenant = tenant.to_owned();
        self.write(move |writer| {
            writer.room()?;
            let held = writer.conn.query_row(
                "SELECT count(*) FROM told WHERE tenant = ?1 AND run = ?2",
                params![tenant, run.as_bytes()],
                |row| row.get(0).map(nat),
            );
            let held = held.map_err(|e| writer.failed(&e))?;
            if held.saturating_add(told.len() as u64) > MAX_OF_RUN {
                let message = format!("at most {MAX_OF_RUN} things are told about a run");
                return Err(StoreError::Invalid(message));
            }
            let stored = (|| {
                for told in &told {
                    let text = told.cut();
                    writer
                        .conn
                        .prepare_cached(
                            "INSERT INTO told (tenant, run, call, topic, text, time) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                        )?
                        .execute(params![
                            tenant,
                            run.as_bytes(),
                            told.call.map(key),
                            told.topic.as_str(),
                            text,
                            told.at.0
                        ])?;
                    let mut open = writer.opened(&tenant, run, told.at, told.at)?;
                    open.heard(told.at);
                    match version(told.topic, &text) {
                        Some(version) => writer.word(&mut open, Facet::Version, &version)?,
                        None if told.topic == Topic::Model => {
                            writer.word(&mut open, Facet::Model, &text)?;
                        }
                        None => writer.word(&mut open, Facet::Text, &text)?,
                    }
                    writer.keep(&tenant, run, open);
                }
                Ok(())
            })();
            stored.map_err(|e| writer.failed(&e))
        })
        .await
    }
}

/// By what a run is found that has this version.
fn version(topic: Topic, text: &str) -> Option<String> {
    let what = match topic {
        Topic::AgentVersion => "agent",
        Topic::WorkflowVersion => "workflow",
        Topic::PromptVersion => "prompt",
        _ => return None,
    };
    Some(format!("{what}:{text}"))
}

impl Reader {
    /// What was told about a run, in order.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn told(&self, tenant: &str, run: RunId) -> Result<Vec<Told>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT topic, text, call, time FROM told WHERE tenant = ?1 AND run = ?2 ORDER BY id",
            )?;
            let rows = select.query_map(params![tenant, run.as_bytes()], |row| {
                let topic: String = row.get(0)?;
                let (text, call) = (row.get(1)?, row.get::<_, Option<i64>>(2)?.map(span_of));
                let at = Timestamp(row.get(3)?);
                // A topic of a newer version is none that can be shown.
                Ok(Topic::from_name(&topic).map(|topic| Told {
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
