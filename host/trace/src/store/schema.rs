//! The tables and migrations.

use tollgate_ledger::sqlite::Format;

/// The application id of a trace store: `Tolt`.
pub(super) const FORMAT: Format = Format {
    application: 0x546f_6c74,
    migrations: &[
        include_str!("migrations/0001_trace.sql"),
        include_str!("migrations/0002_told.sql"),
        include_str!("migrations/0003_reporters.sql"),
        include_str!("migrations/0004_roots.sql"),
        include_str!("migrations/0005_self_reports.sql"),
    ],
};

#[cfg(test)]
mod tests;
