//! Annotations of users about runs: notes and labels, sets of runs, and feedback.

use rusqlite::{OptionalExtension as _, params};
use serde::{Deserialize, Serialize};
use tollgate_model::{
    ids::{RunId, SpanId},
    time::Timestamp,
};

use super::{Facet, Reader, Store, StoreError, key, nat, span_of, writer::Writer};

/// The longest label, name of a set, and kind of feedback, in bytes.
const MAX_NAME: usize = 64;
/// The longest note or comment, in bytes.
const MAX_TEXT: usize = 16 << 10;
/// The most notes, and the most feedback entries, of one run.
const MAX_OF_RUN: u64 = 1_000;
/// The most runs of one set.
const MAX_OF_SET: u64 = 10_000;

/// A note or label for a run, or for one span of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewNote {
    /// The run.
    pub run: RunId,
    /// The span; absent for the run as a whole.
    pub span: Option<SpanId>,
    /// Such as `goal`, `context`, `decision`, `guardrail`, `stop_reason`.
    pub label: String,
    /// The text; may be empty.
    pub note: String,
    /// Who wrote it.
    pub by: String,
}

/// A note on a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Its id.
    pub id: u64,
    /// When it was written.
    pub time: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub note: NewNote,
}

/// A named set of runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSet {
    /// Its name.
    pub name: String,
    /// The purpose of the set.
    pub about: String,
    /// Who made it.
    pub by: String,
    /// When.
    pub created: Timestamp,
    /// How many runs it has.
    pub runs: u64,
}

/// Feedback on a run, or on one span of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewFeedback {
    /// The run.
    pub run: RunId,
    /// The span; absent for the run as a whole.
    pub span: Option<SpanId>,
    /// Such as `correction`, `business_outcome`, `edit_distance`, `citation_correctness`,
    /// `no_evidence_answer`, `wrong_tool`.
    pub kind: String,
    /// A number, if the kind has one.
    pub value: Option<f64>,
    /// A word, if the kind has one.
    pub label: Option<String>,
    /// A comment.
    pub comment: Option<String>,
    /// The user who gave it.
    pub by: String,
}

/// Feedback that was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Its number.
    pub id: u64,
    /// When it was given.
    pub time: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub feedback: NewFeedback,
}

fn bounded(what: &str, text: &str, max: usize) -> Result<(), StoreError> {
    if text.len() <= max {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "{what} has at most {max} bytes, this one has {}",
        text.len()
    )))
}

fn named(what: &str, name: &str) -> Result<(), StoreError> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(legal) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "{what} has 1 to {MAX_NAME} ASCII letters, digits, `-`, `_` and `.`"
    )))
}

fn no_set(name: &str) -> StoreError {
    StoreError::NotFound {
        what: "set",
        name: tollgate_model::text::printable(name, MAX_NAME),
    }
}

impl Writer {
    fn sql<T>(&self, done: rusqlite::Result<T>) -> Result<T, StoreError> {
        done.map_err(|e| self.failed(&e))
    }

    fn count_of_run(&self, table: &str, tenant: &str, run: RunId) -> Result<u64, StoreError> {
        let sql = format!("SELECT count(*) FROM {table} WHERE tenant = ?1 AND run = ?2");
        self.sql(
            self.conn
                .query_row(&sql, params![tenant, run.as_bytes()], |row| {
                    row.get(0).map(nat)
                }),
        )
    }

    fn set(&self, tenant: &str, name: &str) -> Result<i64, StoreError> {
        let found = self
            .conn
            .query_row(
                "SELECT id FROM sets WHERE tenant = ?1 AND name = ?2",
                params![tenant, name],
                |row| row.get(0),
            )
            .optional();
        self.sql(found)?.ok_or_else(|| no_set(name))
    }
}

impl Store {
    /// Adds a note to a run.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it is too long, or if the run has too many; [`StoreError`] if it cannot be stored.
    pub async fn note(
        &self,
        tenant: &str,
        note: NewNote,
        now: Timestamp,
    ) -> Result<Note, StoreError> {
        named("a label", &note.label)?;
        bounded("a note", &note.note, MAX_TEXT)?;
        let tenant = tenant.to_owned();
        self.write(move |writer| {
            if writer.count_of_run("notes", &tenant, note.run)? >= MAX_OF_RUN {
                let message = format!("a run has at most {MAX_OF_RUN} notes");
                return Err(StoreError::Invalid(message));
            }
            let inserted = writer.conn.execute(
                "INSERT INTO notes (tenant, run, span, label, note, by, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    tenant,
                    note.run.as_bytes(),
                    note.span.map(key),
                    note.label,
                    note.note,
                    note.by,
                    now.0
                ],
            );
            writer.sql(inserted)?;
            let id = nat(writer.conn.last_insert_rowid());
            // Notes are facets of the run.
            let found_by = (|| {
                let mut open = writer.opened(&tenant, note.run, now, now)?;
                writer.add_gate_facet(open.id, Facet::Label, &note.label)?;
                writer.add_gate_facet(open.id, Facet::Text, &note.note)?;
                open.mark_seen(now);
                writer.keep(&tenant, note.run, open);
                Ok(())
            })();
            writer.sql(found_by)?;
            Ok(Note {
                id,
                time: now,
                note,
            })
        })
        .await
    }

    /// Remove a note.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if no note has this id.
    pub async fn remove_note(&self, tenant: &str, id: u64) -> Result<(), StoreError> {
        let tenant = tenant.to_owned();
        self.write(move |writer| {
            let removed = writer.conn.execute(
                "DELETE FROM notes WHERE tenant = ?1 AND id = ?2",
                params![tenant, super::int(id)],
            );
            match writer.sql(removed)? {
                0 => Err(StoreError::NotFound {
                    what: "note",
                    name: id.to_string(),
                }),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Make a set of runs.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if a set has this name, or if the name is not valid.
    pub async fn make_set(
        &self,
        tenant: &str,
        name: &str,
        about: &str,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        named("a set's name", name)?;
        bounded("what a set is for", about, MAX_TEXT)?;
        let values = [tenant, name, about, by].map(str::to_owned);
        self.write(move |writer| {
            let [tenant, name, about, by] = &values;
            let made = writer.conn.execute(
                "INSERT INTO sets (tenant, name, about, by, created) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT DO NOTHING",
                params![tenant, name, about, by, now.0],
            );
            match writer.sql(made)? {
                0 => Err(StoreError::Invalid(format!(
                    "there is a set `{name}` already"
                ))),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Removes a set. Its runs are kept.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn remove_set(&self, tenant: &str, name: &str) -> Result<(), StoreError> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.write(move |writer| {
            let set = writer.set(&tenant, &name)?;
            let removed = writer.conn.execute("DELETE FROM sets WHERE id = ?1", [set]);
            writer.sql(removed).map(drop)
        })
        .await
    }

    /// Adds runs to a set. Returns how many were new.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such set; [`StoreError::Invalid`] if it would have too many.
    pub async fn add_to_set(
        &self,
        tenant: &str,
        name: &str,
        runs: Vec<RunId>,
        by: &str,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let [tenant, name, by] = [tenant, name, by].map(str::to_owned);
        self.write(move |writer| {
            let set = writer.set(&tenant, &name)?;
            let mut new = 0;
            for run in runs {
                let added = writer.conn.execute(
                    "INSERT INTO set_runs (set_id, run, by, added) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
                    params![set, run.as_bytes(), by, now.0],
                );
                new += writer.sql(added)? as u64;
            }
            let held = writer.conn.query_row(
                "SELECT count(*) FROM set_runs WHERE set_id = ?1",
                [set],
                |row| row.get(0).map(nat),
            );
            if writer.sql(held)? > MAX_OF_SET {
                let message = format!("a set has at most {MAX_OF_SET} runs");
                return Err(StoreError::Invalid(message));
            }
            Ok(new)
        })
        .await
    }

    /// Take a run out of a set.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such set, or the run is not in it.
    pub async fn take_from_set(
        &self,
        tenant: &str,
        name: &str,
        run: RunId,
    ) -> Result<(), StoreError> {
        let (tenant, name) = (tenant.to_owned(), name.to_owned());
        self.write(move |writer| {
            let set = writer.set(&tenant, &name)?;
            let taken = writer.conn.execute(
                "DELETE FROM set_runs WHERE set_id = ?1 AND run = ?2",
                params![set, run.as_bytes()],
            );
            match writer.sql(taken)? {
                0 => Err(StoreError::NotFound {
                    what: "run in this set",
                    name: run.to_string(),
                }),
                _ => Ok(()),
            }
        })
        .await
    }

    /// Adds feedback to a run.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it is too long or not a number, or if the run has too many.
    pub async fn give_feedback(
        &self,
        tenant: &str,
        feedback: NewFeedback,
        now: Timestamp,
    ) -> Result<Feedback, StoreError> {
        named("a kind of feedback", &feedback.kind)?;
        bounded(
            "a comment",
            feedback.comment.as_deref().unwrap_or_default(),
            MAX_TEXT,
        )?;
        bounded(
            "feedback in a word",
            feedback.label.as_deref().unwrap_or_default(),
            MAX_NAME,
        )?;
        if feedback.value.is_some_and(|value| !value.is_finite()) {
            return Err(StoreError::Invalid("feedback has a finite number".into()));
        }
        let tenant = tenant.to_owned();
        self.write(move |writer| {
            if writer.count_of_run("feedback", &tenant, feedback.run)? >= MAX_OF_RUN {
                let message = format!("a run has at most {MAX_OF_RUN} pieces of feedback");
                return Err(StoreError::Invalid(message));
            }
            let inserted = writer.conn.execute(
                "INSERT INTO feedback (tenant, run, span, kind, value, label, comment, by, time) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    tenant,
                    feedback.run.as_bytes(),
                    feedback.span.map(key),
                    feedback.kind,
                    feedback.value,
                    feedback.label,
                    feedback.comment,
                    feedback.by,
                    now.0
                ],
            );
            writer.sql(inserted)?;
            Ok(Feedback {
                id: nat(writer.conn.last_insert_rowid()),
                time: now,
                feedback,
            })
        })
        .await
    }
}

impl Reader {
    /// The notes of a run, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn notes(&self, tenant: &str, run: RunId) -> Result<Vec<Note>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT id, span, label, note, by, time FROM notes WHERE tenant = ?1 AND run = ?2 ORDER BY id",
            )?;
            let notes = select.query_map(params![tenant, run.as_bytes()], |row| {
                Ok(Note {
                    id: nat(row.get("id")?),
                    time: Timestamp(row.get("time")?),
                    note: NewNote {
                        run,
                        span: row.get::<_, Option<i64>>("span")?.map(span_of),
                        label: row.get("label")?,
                        note: row.get("note")?,
                        by: row.get("by")?,
                    },
                })
            })?;
            notes.collect()
        })
    }

    /// Every set of `tenant`, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn sets(&self, tenant: &str) -> Result<Vec<RunSet>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT name, about, by, created, (SELECT count(*) FROM set_runs r WHERE r.set_id = sets.id) AS runs \
                 FROM sets WHERE tenant = ?1 ORDER BY name",
            )?;
            let sets = select.query_map([tenant], |row| {
                Ok(RunSet {
                    name: row.get("name")?,
                    about: row.get("about")?,
                    by: row.get("by")?,
                    created: Timestamp(row.get("created")?),
                    runs: nat(row.get("runs")?),
                })
            })?;
            sets.collect()
        })
    }

    /// The runs of a set, in the order in which they were added.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is no such set.
    pub fn set_runs(&self, tenant: &str, name: &str) -> Result<Vec<RunId>, StoreError> {
        let found = self.with(|conn| {
            let set: Option<i64> = conn
                .prepare_cached("SELECT id FROM sets WHERE tenant = ?1 AND name = ?2")?
                .query_row(params![tenant, name], |row| row.get(0))
                .optional()?;
            let Some(set) = set else { return Ok(None) };
            let mut select = conn
                .prepare_cached("SELECT run FROM set_runs WHERE set_id = ?1 ORDER BY added, run")?;
            let runs = select.query_map([set], |row| row.get(0).map(RunId::from_bytes))?;
            runs.collect::<rusqlite::Result<_>>().map(Some)
        })?;
        found.ok_or_else(|| no_set(name))
    }

    /// Feedback on one run, or on all; oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot be read.
    pub fn feedback(
        &self,
        tenant: &str,
        run: Option<RunId>,
        since: Option<Timestamp>,
    ) -> Result<Vec<Feedback>, StoreError> {
        self.with(|conn| {
            let mut select = conn.prepare_cached(
                "SELECT id, run, span, kind, value, label, comment, by, time FROM feedback \
                 WHERE tenant = ?1 AND (?2 IS NULL OR run = ?2) AND time >= ?3 ORDER BY id",
            )?;
            let run = run.map(|run| *run.as_bytes());
            let since = since.map_or(i64::MIN, |since| since.0);
            let feedback = select.query_map(params![tenant, run, since], |row| {
                Ok(Feedback {
                    id: nat(row.get("id")?),
                    time: Timestamp(row.get("time")?),
                    feedback: NewFeedback {
                        run: RunId::from_bytes(row.get("run")?),
                        span: row.get::<_, Option<i64>>("span")?.map(span_of),
                        kind: row.get("kind")?,
                        value: row.get("value")?,
                        label: row.get("label")?,
                        comment: row.get("comment")?,
                        by: row.get("by")?,
                    },
                })
            })?;
            feedback.collect()
        })
    }
}
