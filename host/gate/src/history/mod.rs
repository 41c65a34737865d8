//! History facts (`[facts.NAME]`): which calls a fact counts, by what, and what a call adds to it.
//!
//! Everything here is a function of the configuration and of one call. `enforce` reads the ledger with it, and records
//! what calls add.

mod call;
mod condition;
mod field;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tollgate_model::{
    canonical::Sha256Digest,
    history::{Absence, FactShape, FactType},
    record::CountedCalls,
};

pub use call::{Addend, CallSubject};
pub use condition::Condition;
pub use field::{Field, FieldError, FoundValues, Pointer};

/// The most facts that can be configured: an entry of each is part of a record, which has 64 KiB.
pub const MAX_FACTS: usize = 32;
/// The most values of one call that a fact tells apart.
pub const MAX_VALUES: usize = 32;
/// The longest window.
pub const MAX_WINDOW: Duration = Duration::from_secs(400 * 24 * 3600);

/// A configured fact.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryFact {
    /// Its name, which is an identifier in policies.
    pub name: String,
    /// A digest of what its series depend on. A fact of which this changes begins anew.
    pub id: Sha256Digest,
    /// The line of the configuration, from 1; 0 if it is not known.
    pub line: usize,
    /// What it tells.
    pub kind: FactKind,
    /// The calls that it is about.
    pub of: CallSelection,
    /// What these calls must have come to.
    pub counts: CountedCalls,
    /// The values of a call that are added up or distinguished.
    pub argument: Option<Field>,
    /// Whether amounts below zero are numbers for a sum, so that one call gives back what another took.
    pub negative: bool,
    /// Which texts are the same value.
    pub fold: Fold,
    /// What the counted calls have in common with the call that is decided.
    pub by: Vec<Dimension>,
    /// What must hold for a call to count.
    pub conditions: Vec<(Field, Condition)>,
    /// Where a tool has an argument of `by` or `argument`, if it is elsewhere: by the tool's name.
    pub places: BTreeMap<String, BTreeMap<Pointer, Field>>,
    /// How long a call counts; `None`: as long as its run is open.
    pub within: Option<Duration>,
    /// The fact since whose latest call calls count.
    pub since: Option<String>,
    /// Whether the call that is decided counts as well.
    pub with_call: bool,
}

/// What a fact tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// How many calls.
    Count,
    /// The sum of a number in them.
    Sum(SumType),
    /// How many different values they have.
    Distinct,
    /// The time of the latest.
    Last,
}

/// The type of a sum.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum SumType {
    /// Of integers: a `Long` in policies.
    #[default]
    Integer,
    /// Of numbers with at most four decimal places: a `decimal` in policies.
    Decimal,
}

tollgate_model::named!(SumType);

/// Which texts are the same value, where a fact counts by an argument or distinguishes values.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantNames,
)]
#[strum(serialize_all = "snake_case")]
pub enum Fold {
    /// Those that are equal.
    #[default]
    Exact,
    /// Those that differ only in case and white space.
    Case,
}

tollgate_model::named!(Fold);

/// The calls that a fact is about. Empty: all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallSelection {
    /// Names of tools, prompts and resources; one that ends in `*` stands for all that begin so.
    pub names: Vec<String>,
    /// Labels, one of which the tool has.
    pub labels: BTreeSet<String>,
}

impl CallSelection {
    /// Whether this tool is selected.
    #[must_use]
    pub fn has(&self, name: &str, labels: &BTreeSet<String>) -> bool {
        let all = self.names.is_empty() && self.labels.is_empty();
        all || self.names.iter().any(|selected| matches(selected, name))
            || !self.labels.is_disjoint(labels)
    }
}

/// Whether a name is the selected one, or begins with what is before its `*`.
#[must_use]
pub fn matches(selected: &str, name: &str) -> bool {
    match selected.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == selected,
    }
}

/// What calls have in common that are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dimension {
    /// The run.
    Run,
    /// The agent or user who calls.
    Principal,
    /// The user for whom the call is made.
    User,
    /// The tenant: all calls of the gate.
    Tenant,
    /// The tool.
    Tool,
    /// The value of an argument.
    Argument(Pointer),
}

impl HistoryFact {
    /// Its form in policies. `since` is the fact that it names.
    #[must_use]
    pub fn shape(&self, since: Option<&Self>) -> FactShape {
        let ty = match self.kind {
            FactKind::Count | FactKind::Distinct | FactKind::Sum(SumType::Integer) => {
                FactType::Long
            }
            FactKind::Sum(SumType::Decimal) => FactType::Decimal,
            FactKind::Last => FactType::Datetime,
        };
        let absent = match self.kind {
            FactKind::Last => Some(Absence::Never),
            FactKind::Sum(_) => Some(Absence::Unknown),
            FactKind::Count | FactKind::Distinct => {
                let unknown = self.is_by_argument() || since.is_some_and(Self::is_by_argument);
                let never = since.is_some();
                match unknown {
                    true => Some(Absence::Unknown),
                    false => never.then_some(Absence::Never),
                }
            }
        };
        FactShape {
            absent,
            of_run: self.is_of_run() || since.is_some_and(Self::is_of_run),
            ty,
        }
    }

    /// Whether the group of a call depends on its arguments.
    fn is_by_argument(&self) -> bool {
        self.by
            .iter()
            .any(|dimension| matches!(dimension, Dimension::Argument(_)))
    }

    /// Whether its series are of one run each.
    #[must_use]
    pub fn is_of_run(&self) -> bool {
        self.by.contains(&Dimension::Run)
    }

    /// With the digest of what its series depend on.
    #[must_use]
    pub fn identified(mut self) -> Self {
        let Self {
            name,
            id: _,
            line: _,
            kind,
            of,
            counts,
            argument,
            negative: _,
            fold,
            by,
            conditions,
            places,
            within: _,
            since: _,
            with_call: _,
        } = &self;
        let mut definition = format!(
            "{name} {kind:?} {of:?} {counts} {argument:?} {by:?} {conditions:?} {places:?}"
        );
        if *fold != Fold::Exact {
            definition = format!("{definition} {fold}");
        }
        self.id = Sha256Digest::of(definition.as_bytes());
        self
    }
}

/// The forms of all facts in policies.
#[must_use]
pub fn shapes(facts: &BTreeMap<String, HistoryFact>) -> BTreeMap<String, FactShape> {
    let shape = |fact: &HistoryFact| {
        let since = fact.since.as_ref().and_then(|name| facts.get(name));
        (fact.name.clone(), fact.shape(since))
    };
    facts.values().map(shape).collect()
}

#[cfg(test)]
mod tests;
