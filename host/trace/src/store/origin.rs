//! Who made a span.

/// The origin of a span.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum SpanOrigin {
    /// The gate's own, made from the ledger's records.
    Gate,
    /// Reported by an agent, or by a user for it.
    Reported,
}

tollgate_model::named!(SpanOrigin);

impl SpanOrigin {
    pub(crate) const fn column(self) -> i64 {
        match self {
            Self::Gate => 0,
            Self::Reported => 1,
        }
    }

    pub(super) fn of_column(column: i64) -> Self {
        match column == Self::Gate.column() {
            true => Self::Gate,
            false => Self::Reported,
        }
    }
}
