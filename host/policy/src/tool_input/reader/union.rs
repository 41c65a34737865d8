//! Types of values that match one of several schemas.

use serde_json::{Map, Value};

use super::{NullableType, Place, Reader};
use crate::tool_input::{
    InputError,
    reference::SchemaLocation,
    types::{Choice, InputType},
    validation::BranchValidator,
};

/// The most alternatives of unions that are typed: each has its own validator.
const MAX_CHOICES: usize = 512;

impl<'a> Reader<'_, 'a> {
    /// A value with one of several values of `type`.
    pub(super) fn types(
        &mut self,
        types: &[Value],
        at: &SchemaLocation<'a>,
        object: &Map<String, Value>,
        place: &Place,
    ) -> Result<NullableType, InputError> {
        let names: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
        let nullable = names.contains(&"null");
        let others: Vec<&str> = names.into_iter().filter(|name| *name != "null").collect();
        let ty = match others.as_slice() {
            [] => InputType::Null,
            [one] => self.typed(one, at, object, place)?,
            several => {
                let mut choices = Vec::with_capacity(several.len());
                for (i, name) in several.iter().enumerate() {
                    choices.push(Choice {
                        ty: self.typed(name, at, object, &choice_place(place, i))?,
                        validator: BranchValidator::Type((*name).to_owned()).into(),
                    });
                }
                InputType::Union(choices)
            }
        };
        Ok(NullableType {
            nullable: nullable && !matches!(ty, InputType::Null),
            ty,
        })
    }

    /// A value that matches one of several schemas, or some of them.
    pub(super) fn union(
        &mut self,
        parts: &[(String, SchemaLocation<'a>)],
        place: &Place,
    ) -> Result<NullableType, InputError> {
        let is_null =
            |at: &SchemaLocation<'a>| at.schema.get("type").and_then(Value::as_str) == Some("null");
        let nullable = parts.iter().any(|(_, part)| is_null(part));
        let others: Vec<&SchemaLocation<'a>> = parts
            .iter()
            .map(|(_, part)| part)
            .filter(|part| !is_null(part))
            .collect();
        let ty = match others.as_slice() {
            [] => InputType::Json,
            [one] => {
                let typed = self.read(one, &place.deeper())?;
                return Ok(NullableType {
                    nullable: nullable || typed.nullable,
                    ..typed
                });
            }
            several => {
                let typed = self.choices(several, place)?;
                return Ok(NullableType {
                    nullable: nullable || typed.nullable,
                    ..typed
                });
            }
        };
        Ok(NullableType { ty, nullable })
    }

    fn choices(
        &mut self,
        parts: &[&SchemaLocation<'a>],
        place: &Place,
    ) -> Result<NullableType, InputError> {
        self.choices += parts.len();
        if self.choices > MAX_CHOICES {
            return Ok(InputType::Json.into());
        }
        let mut nullable = false;
        let mut choices = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            let typed = self.read(part, &choice_place(place, i))?;
            let validator = self.branches.as_ref();
            let Some(validator) = validator.and_then(|branches| branches.compile(&part.location))
            else {
                return Ok(InputType::Json.into());
            };
            nullable |= typed.nullable;
            choices.push(Choice {
                ty: typed.ty,
                validator,
            });
        }
        Ok(NullableType {
            ty: InputType::Union(choices),
            nullable,
        })
    }
}

fn choice_place(place: &Place, i: usize) -> Place {
    Place {
        namespace: place.within(),
        name: format!("TypeChoice{i}"),
        pointer: place.pointer.clone(),
        depth: place.depth + 1,
    }
}
