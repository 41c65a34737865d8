//! The types of a component's functions, as one tree.
//!
//! Both the JSON Schema and the conversion of values use this tree, so they cannot disagree. It is bounded:
//! a component may describe types whose tree is larger than any memory.

use wasmtime::component::types::Type;

/// The deepest nesting of types: as deep as their JSON Schema may be.
const MAX_DEPTH: usize = 14;
/// The most types in one function's signature.
const MAX_TYPES: usize = 1_000;

/// A type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    Bool,
    Integer(Integer),
    Float32,
    Float64,
    Char,
    Text,
    /// `list<u8>`.
    Bytes,
    List(Box<Shape>),
    Tuple(Vec<Shape>),
    Record(Vec<(String, Shape)>),
    Variant(Vec<(String, Option<Shape>)>),
    Enum(Vec<String>),
    Flags(Vec<String>),
    Option(Box<Shape>),
    Result(Option<Box<Shape>>, Option<Box<Shape>>),
}

/// The integer types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Integer {
    U8,
    S8,
    U16,
    S16,
    U32,
    S32,
    U64,
    S64,
}

impl Integer {
    pub(crate) const fn range(self) -> (i128, i128) {
        match self {
            Self::U8 => (0, u8::MAX as i128),
            Self::S8 => (i8::MIN as i128, i8::MAX as i128),
            Self::U16 => (0, u16::MAX as i128),
            Self::S16 => (i16::MIN as i128, i16::MAX as i128),
            Self::U32 => (0, u32::MAX as i128),
            Self::S32 => (i32::MIN as i128, i32::MAX as i128),
            Self::U64 => (0, u64::MAX as i128),
            Self::S64 => (i64::MIN as i128, i64::MAX as i128),
        }
    }

    /// Whether it has numbers that not every JSON reader preserves.
    pub(crate) const fn is_wide(self) -> bool {
        matches!(self, Self::U64 | Self::S64)
    }
}

impl Shape {
    /// Whether `null` is one of its values: then an option of it needs a different form.
    pub(crate) fn has_null(&self) -> bool {
        matches!(self, Self::Option(_))
    }
}

/// Reads the types of one function.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    read: usize,
}

impl Reader {
    /// The shape of a type, or why it is not supported.
    pub(crate) fn read(&mut self, ty: &Type, depth: usize) -> Result<Shape, &'static str> {
        self.read += 1;
        if depth > MAX_DEPTH || self.read > MAX_TYPES {
            return Err("its types are too large");
        }
        let depth = depth + 1;
        Ok(match ty {
            Type::Bool => Shape::Bool,
            Type::U8 => Shape::Integer(Integer::U8),
            Type::S8 => Shape::Integer(Integer::S8),
            Type::U16 => Shape::Integer(Integer::U16),
            Type::S16 => Shape::Integer(Integer::S16),
            Type::U32 => Shape::Integer(Integer::U32),
            Type::S32 => Shape::Integer(Integer::S32),
            Type::U64 => Shape::Integer(Integer::U64),
            Type::S64 => Shape::Integer(Integer::S64),
            Type::Float32 => Shape::Float32,
            Type::Float64 => Shape::Float64,
            Type::Char => Shape::Char,
            Type::String => Shape::Text,
            Type::List(list) => match list.ty() {
                Type::U8 => Shape::Bytes,
                element => Shape::List(Box::new(self.read(&element, depth)?)),
            },
            Type::Tuple(tuple) => {
                let types: Result<_, _> = tuple.types().map(|ty| self.read(&ty, depth)).collect();
                Shape::Tuple(types?)
            }
            Type::Record(record) => {
                let fields: Result<Vec<_>, _> = record
                    .fields()
                    .map(|field| {
                        self.read(&field.ty, depth)
                            .map(|ty| (field.name.to_owned(), ty))
                    })
                    .collect();
                Shape::Record(fields?)
            }
            Type::Variant(variant) => {
                let cases: Result<Vec<_>, _> = variant
                    .cases()
                    .map(|case| {
                        self.maybe(case.ty, depth)
                            .map(|ty| (case.name.to_owned(), ty))
                    })
                    .collect();
                Shape::Variant(cases?)
            }
            Type::Enum(names) => Shape::Enum(self.names(names.names())?),
            Type::Flags(names) => Shape::Flags(self.names(names.names())?),
            Type::Option(option) => Shape::Option(Box::new(self.read(&option.ty(), depth)?)),
            Type::Result(result) => Shape::Result(
                self.maybe(result.ok(), depth)?.map(Box::new),
                self.maybe(result.err(), depth)?.map(Box::new),
            ),
            Type::Own(_) | Type::Borrow(_) => {
                return Err("it takes or gives a resource, and nothing is kept between two calls");
            }
            Type::Future(_) | Type::Stream(_) => return Err("it takes or gives a stream"),
            _ => return Err("it has a type that this version does not know"),
        })
    }

    fn maybe(&mut self, ty: Option<Type>, depth: usize) -> Result<Option<Shape>, &'static str> {
        ty.map(|ty| self.read(&ty, depth)).transpose()
    }

    fn names<'a>(
        &mut self,
        names: impl ExactSizeIterator<Item = &'a str>,
    ) -> Result<Vec<String>, &'static str> {
        self.read += names.len();
        if self.read > MAX_TYPES {
            return Err("its types are too large");
        }
        Ok(names.map(str::to_owned).collect())
    }
}
