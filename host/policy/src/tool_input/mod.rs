//! A tool's arguments: read by the tool's JSON Schema, closed, and typed for Cedar.
//!
//! One tree defines how the arguments appear in the schema that policies are validated against, which
//! members a call may have, and how a value becomes a Cedar value, so the three cannot disagree. Policies
//! see everything that a tool gets: a member that the tree does not know is refused, unless the schema
//! opens its object explicitly (`additionalProperties`, `patternProperties`, `unevaluatedProperties`).
//! Policies then see the other members as JSON text.
//!
//! The types are those of Cedar's own MCP schema generator: objects are records, numbers are decimals,
//! enumerations are entity types, unions are records of `typeChoiceN`. Values that cannot be typed (maps,
//! recursion) are passed as canonical JSON text.

mod alternatives;
mod budget;
mod cedar_type;
mod closed_world;
mod error;
mod identifier;
mod keyword;
mod mend;
mod merge;
mod number;
mod reader;
mod reference;
mod types;
mod validation;
mod value;

use std::collections::BTreeMap;

use cedar_policy_core::ast::Value as CedarValue;
use serde_json::{Map, Value};
use tollgate_model::entity::NAMESPACE;

pub use error::{ArgumentProblem, InputError};
pub use identifier::identifier;
pub use mend::mend;
pub use number::NumberMapping;

use budget::Budget;
use types::Record;
use validation::SchemaValidator;

/// The most problems of one call that are reported.
const MAX_PROBLEMS: usize = 8;

/// The arguments of one tool.
#[derive(Debug, Clone)]
pub struct ToolInput {
    /// The namespace of its enumerations, such as `Tollgate::tickets__list::Input`.
    namespace: String,
    root: Record,
    validator: SchemaValidator,
    budget: Budget,
    notes: Vec<String>,
}

/// Arguments as policies see them.
#[derive(Debug, Clone)]
pub(crate) struct TypedArguments {
    /// `context.input`.
    pub(crate) value: CedarValue,
    /// Context attributes whose values do not fit their type and are passed as text.
    pub(crate) untyped: Vec<Vec<String>>,
}

impl ToolInput {
    /// Reads the JSON Schema of the arguments of `tool`. `numbers` maps JSON pointers into the arguments
    /// (`/*` for any array element) to a form other than decimal.
    ///
    /// # Errors
    /// [`InputError`] if the schema describes something other than an object, is malformed, has a reference
    /// that cannot be resolved or forms a circle, or takes too long to evaluate, or if a mapping does not
    /// lead to a number.
    pub fn from_json_schema(
        tool: &str,
        schema: &Value,
        numbers: &BTreeMap<String, NumberMapping>,
    ) -> Result<Self, InputError> {
        let mut notes = Vec::new();
        let schema = validation::without_unusable_patterns(mend(schema), &mut notes);
        let budget = Budget::of(&schema)?;
        let validator = SchemaValidator::new(&schema)?;
        let namespace = format!("{NAMESPACE}::{}::Input", identifier(tool));
        let root = reader::read(&schema, &namespace, numbers, &validator, &mut notes)?;
        Ok(Self {
            namespace,
            root,
            validator,
            budget,
            notes,
        })
    }

    /// Ignored parts of the schema, with their positions: patterns that do not compile, and defaults that
    /// violate their own schema.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Attributes of `context.input` that hold JSON text because the schema allows members that it does
    /// not name, such as `filter.additionalProperties`.
    #[must_use]
    pub fn open_attributes(&self) -> Vec<String> {
        closed_world::open_attributes(&self.root)
    }

    /// Whether the arguments match the schema, with its defaults filled in, and have no member that
    /// policies would not see.
    ///
    /// # Errors
    /// The first problems, each with its position and without its value.
    pub fn check(&self, arguments: &Value) -> Result<(), Vec<ArgumentProblem>> {
        let Some(members) = arguments.as_object() else {
            return Err(vec![ArgumentProblem::new(
                "",
                "the arguments must be an object",
            )]);
        };
        self.budget
            .check(arguments)
            .map_err(|problem| vec![problem])?;
        let mut filled = arguments.clone();
        self.apply_defaults(&mut filled);
        let mut unknown = Vec::new();
        closed_world::unknown_members(&self.root, members, &mut unknown);
        // Of a member that is one too many it is said once, with its name.
        let mut problems = self
            .validator
            .problems(&filled, MAX_PROBLEMS, unknown.is_empty());
        unknown.retain(|about| {
            let said = problems
                .iter()
                .any(|p| p.pointer.starts_with(&about.pointer));
            about.problem != closed_world::NO_ALTERNATIVE || !said
        });
        problems.append(&mut unknown);
        problems.truncate(MAX_PROBLEMS);
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems),
        }
    }

    /// Fills in the schema's defaults. Arguments that are not an object stay unchanged.
    pub fn apply_defaults(&self, arguments: &mut Value) {
        if let Value::Object(members) = arguments {
            closed_world::apply_defaults(&self.root, members);
        }
    }

    /// The arguments that the schema names, if there are others as well. A schema that names none has no
    /// such part.
    #[must_use]
    pub fn declared(&self, arguments: &Value) -> Option<Value> {
        let mut members = arguments.as_object()?.clone();
        let is_open = !self.root.fields.is_empty();
        (is_open && closed_world::retain_declared(&self.root, &mut members))
            .then_some(Value::Object(members))
    }

    /// Whether the schema would accept text where it accepts a number: `pointer` is into the arguments.
    #[must_use]
    pub fn accepts_text(&self, pointer: &str) -> bool {
        closed_world::accepts_text(&self.root, pointer)
    }

    /// Whether the schema names the member with this path, in which `*` stands for every element of an array.
    #[must_use]
    pub fn declares_member(&self, path: &[String]) -> bool {
        closed_world::declares_member(&self.root, path)
    }

    /// Whether a placeholder may stand where this pointer leads: at a text, or within one.
    #[must_use]
    pub fn can_be_redacted(&self, pointer: &str) -> bool {
        closed_world::can_be_redacted(&self.root, pointer)
    }

    /// The type of `context.input`, in Cedar's JSON schema format.
    #[must_use]
    pub fn cedar_type(&self) -> Value {
        cedar_type::record(&self.root)
    }

    /// Entity types of the enumerations, by namespace, in Cedar's JSON schema format.
    #[must_use]
    pub fn enumerations(&self) -> BTreeMap<String, Map<String, Value>> {
        cedar_type::enumerations(&self.root)
    }

    /// The arguments as a Cedar record, with the schema's defaults filled in.
    ///
    /// # Errors
    /// The first value whose JSON type differs from the schema's.
    pub(crate) fn typed(&self, arguments: &Value) -> Result<TypedArguments, ArgumentProblem> {
        value::typed(&self.root, arguments)
    }

    /// The namespace of this tool's enumerations.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

#[cfg(test)]
mod tests;
