//! One call, as facts see it.

use std::collections::BTreeSet;

use serde_json::Value;
use tollgate_model::{canonical, entity::Uid, history::decimal_amount, ids::RunId};

use super::{
    Dimension, FactKind, Field, Fold, FoundValues, HistoryFact, MAX_VALUES, Pointer, SumType,
};

/// One ten-thousandth is the unit of decimals.
const SCALE: i64 = 10_000;

/// A call, as facts see it.
#[derive(Debug, Clone, Copy)]
pub struct CallSubject<'a> {
    /// The arguments, with the defaults that policies see.
    pub arguments: &'a Value,
    /// The labels of the tool.
    pub labels: &'a BTreeSet<String>,
    /// The caller.
    pub principal: &'a Uid,
    /// The result, once it is known.
    pub result: Option<&'a Value>,
    /// The run.
    pub run: RunId,
    /// The name of the tool, prompt or resources.
    pub tool: &'a str,
    /// The user for whom the call is made.
    pub user: &'a Uid,
}

impl CallSubject<'_> {
    fn values(&self, field: &Field) -> Vec<&Value> {
        self.found(field).values
    }

    fn found(&self, field: &Field) -> FoundValues<'_> {
        match (field, self.result) {
            (Field::Argument(pointer), _) => pointer.found(self.arguments),
            (Field::Result(pointer), Some(result)) => pointer.found(result),
            (Field::Result(_), None) => FoundValues {
                values: Vec::new(),
                missing: 1,
            },
        }
    }
}

/// What a call adds to a series.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addend {
    /// To a sum, in its unit; `None` if the value is not a number.
    pub amount: Option<i64>,
    /// Values to be told apart, in canonical form, each once.
    pub values: BTreeSet<String>,
    /// How many more there are.
    pub further: u64,
}

impl HistoryFact {
    /// Whether the call is one of those that the fact is about. Conditions on a result that is not known yet count as
    /// met.
    #[must_use]
    pub fn selects(&self, call: &CallSubject<'_>) -> bool {
        self.of.has(call.tool, call.labels)
            && self.conditions.iter().all(|(field, condition)| {
                let is_open = field.is_of_result() && call.result.is_none();
                let values = call.values(field);
                is_open || values.into_iter().any(|value| condition.is_met_by(value))
            })
    }

    /// The values by which the call is counted; `None` if one of them is not known.
    #[must_use]
    pub fn group(&self, call: &CallSubject<'_>) -> Option<Vec<String>> {
        let value = |dimension: &Dimension| match dimension {
            Dimension::Run => Some(call.run.to_string()),
            Dimension::Principal => Some(call.principal.to_string()),
            Dimension::User => Some(call.user.to_string()),
            Dimension::Tenant => Some(String::new()),
            Dimension::Tool => Some(call.tool.to_owned()),
            Dimension::Argument(pointer) => {
                let found = call.values(&self.place(call.tool, pointer));
                match found.as_slice() {
                    [Value::Bool(_) | Value::Number(_) | Value::String(_)] => {
                        found.first().and_then(|value| self.written(value))
                    }
                    _ => None,
                }
            }
        };
        self.by.iter().map(value).collect()
    }

    /// Where a tool has an argument.
    fn place(&self, tool: &str, pointer: &Pointer) -> Field {
        let own = self.places.get(tool).and_then(|own| own.get(pointer));
        own.cloned()
            .unwrap_or_else(|| Field::Argument(pointer.clone()))
    }

    /// What the call adds.
    #[must_use]
    pub fn addend(&self, call: &CallSubject<'_>) -> Addend {
        let Some(argument) = &self.argument else {
            return Addend::default();
        };
        let place = match argument {
            Field::Argument(pointer) => self.place(call.tool, pointer),
            Field::Result(_) => argument.clone(),
        };
        let found = call.found(&place);
        match self.kind {
            FactKind::Count | FactKind::Last => Addend::default(),
            FactKind::Sum(ty) => Addend {
                amount: self.sum(ty, &found),
                ..Addend::default()
            },
            FactKind::Distinct => self.distinct(found),
        }
    }

    /// The different values. One that is missing is one of its own.
    fn distinct(&self, found: FoundValues<'_>) -> Addend {
        let (mut values, mut further) = (BTreeSet::new(), found.missing);
        let mut waiting = found.values;
        while let Some(value) = waiting.pop() {
            match (value, self.written(value)) {
                (Value::Null, _) => further += 1,
                // A tool may take one or several.
                (Value::Array(items), _) if !items.is_empty() => waiting.extend(items),
                (Value::Array(_), _) | (_, None) => further += 1,
                (_, Some(written)) => drop(values.insert(written)),
            }
        }
        while values.len() > MAX_VALUES {
            values.pop_last();
            further += 1;
        }
        Addend {
            values,
            further,
            ..Addend::default()
        }
    }

    /// The sum of numbers in the unit of the type; `None` unless there is at least one, and all are numbers.
    fn sum(&self, ty: SumType, found: &FoundValues<'_>) -> Option<i64> {
        if found.values.is_empty() || found.missing > 0 {
            return None;
        }
        let mut sum = 0_i64;
        for value in &found.values {
            let amount = amount(ty, value)?;
            if amount < 0 && !self.negative {
                return None;
            }
            sum = sum.checked_add(amount)?;
        }
        Some(sum)
    }

    /// A value in the form in which it is compared.
    fn written(&self, value: &Value) -> Option<String> {
        match (self.fold, value) {
            (Fold::Case, Value::String(text)) => {
                let words: Vec<&str> = text.split_whitespace().collect();
                written(&words.join(" ").to_lowercase().into())
            }
            _ => written(value),
        }
    }
}

/// A number in the unit of the type.
fn amount(ty: SumType, value: &Value) -> Option<i64> {
    let decimal = || decimal_amount(&value.as_number()?.to_string());
    match ty {
        SumType::Decimal => decimal(),
        // An integer may be written with a decimal point.
        SumType::Integer => value.as_i64().or_else(|| {
            let amount = decimal()?;
            (amount % SCALE == 0).then_some(amount / SCALE)
        }),
    }
}

/// A value in canonical form.
fn written(value: &Value) -> Option<String> {
    let bytes = canonical::to_canonical(value).ok()?;
    String::from_utf8(bytes).ok()
}
