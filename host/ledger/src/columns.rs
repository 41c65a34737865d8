//! Conversion between columns and types.

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, types::Type};
use tollgate_model::entity::{Kind, Uid};

use crate::sqlite::to_sql_i64;

/// One text column of a run's rows.
pub(crate) fn texts_of_run(
    conn: &Connection,
    sql: &str,
    run: u64,
) -> rusqlite::Result<BTreeSet<String>> {
    conn.prepare_cached(sql)?
        .query_map([to_sql_i64(run)], |row| row.get(0))?
        .collect()
}

/// An entity from two columns: those of its type and of its id.
pub(crate) fn uid(row: &Row<'_>, kind: &str, id: &str) -> rusqlite::Result<Uid> {
    let column = row.as_ref().column_index(kind)?;
    let name = row.get_ref(column)?.as_str()?;
    let kind = Kind::ALL.iter().copied().find(|kind| kind.name() == name);
    let unknown = || {
        let reason = "not a type of entity".into();
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, reason)
    };
    Ok(Uid::new(
        kind.ok_or_else(unknown)?,
        row.get::<_, String>(id)?,
    ))
}
