//! Where an amount of a history fact is recorded.

use tollgate_model::{
    ids::{SeriesId, SpanId},
    time::Timestamp,
};

/// Where an amount is recorded. Each place has a mask of its own.
#[derive(Debug, Clone, Copy)]
pub struct AmountPlace {
    /// The series.
    pub series: SeriesId,
    /// The call.
    pub call: SpanId,
    /// The time of the record.
    pub time: Timestamp,
}
