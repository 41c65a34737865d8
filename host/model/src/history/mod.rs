//! History facts: what calls have done so far, as policies see it.
//!
//! A fact counts calls in *series*: one for each group of calls, such as those for one customer. What a call adds to a
//! series is an entry of its record. [`Series`] holds the entries of one series and answers questions about them.

mod series;
mod value;

pub use series::{Series, SeriesEntry, SeriesQuery, SeriesTotals};
pub use value::{Absence, FactShape, FactType, FactValue, decimal_amount};
