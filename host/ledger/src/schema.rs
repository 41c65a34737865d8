//! The ledger's tables.

use crate::sqlite::Format;

/// Marks a SQLite file as a ledger of Tollgate: `Toll`.
pub(crate) const FORMAT: Format = Format {
    application: 0x546f_6c6c,
    migrations: &[
        include_str!("migrations/0001_ledger.sql"),
        include_str!("migrations/0002_state.sql"),
        include_str!("migrations/0003_identity.sql"),
        include_str!("migrations/0004_budgets.sql"),
        include_str!("migrations/0005_names.sql"),
        include_str!("migrations/0006_durable_names.sql"),
        include_str!("migrations/0007_upstream_logins.sql"),
        include_str!("migrations/0008_makers.sql"),
        include_str!("migrations/0009_history.sql"),
        include_str!("migrations/0010_answers.sql"),
        include_str!("migrations/0011_standing_approvals.sql"),
    ],
};

/// Tables that are derived from the records alone.
pub(crate) const READ_MODELS: &[&str] = &[
    "runs",
    "run_labels",
    "run_tools",
    "run_repeats",
    "calls",
    "approvals",
    "approval_answers",
    "suspended_calls",
    "approval_escalations",
    "approval_links",
    "standing_approvals",
    "standing_uses",
    "halts",
    "principal_labels",
    "principal_calls",
    "file_labels",
    "activations",
    "fact_entries",
];
