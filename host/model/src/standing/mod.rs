//! Standing approvals: a person approves the calls like one that waits, until a time and for a number of uses.
//!
//! [`ArgumentPattern`] says which calls are alike. It is a closed world: a call with a member more or less than
//! the pattern has is another call.

mod allowance;
mod constraint;
mod pattern;

#[cfg(test)]
mod tests;

pub use allowance::{Allowance, AllowanceError, MAX_ALLOWANCES, MAX_VALUES};
pub use constraint::{Constraint, ScalarKind};
pub use pattern::ArgumentPattern;

/// The calls in which a standing approval counts.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum StandingScope {
    /// Only those of the run in which it was made.
    Run,
    /// Those of the principal in any run, for the same user.
    Principal,
}

named!(StandingScope);
