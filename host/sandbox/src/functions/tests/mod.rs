//! Types and values, in both directions, also through a component that returns its argument.

use std::collections::BTreeMap;

use proptest::{
    collection::vec,
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tollgate_model::{
    canonical::to_canonical,
    tool::{Content, Execution, Limits, Size},
};
use tollgate_policy::tool_input::ToolInput;

use super::{
    schema::{self, Direction, MAX_SAFE},
    shape::{Integer, Shape},
    value::{to_json, to_val},
};
use crate::{
    Component, SandboxError,
    test_support::{guest, sandbox},
};

mod calls;

const NAMES: [&str; 5] = ["a", "is-it", "x2", "type", "long-name-of-it"];

fn names() -> impl Strategy<Value = Vec<String>> {
    subsequence(NAMES.map(str::to_owned).to_vec(), 1..=4)
}

fn shapes() -> impl Strategy<Value = Shape> {
    use Integer::{S8, S16, S32, S64, U8, U16, U32, U64};
    let integer = select(vec![U8, S8, U16, S16, U32, S32, U64, S64]).prop_map(Shape::Integer);
    let leaf = prop_oneof![
        Just(Shape::Bool),
        integer,
        Just(Shape::Float32),
        Just(Shape::Float64),
        Just(Shape::Char),
        Just(Shape::Text),
        Just(Shape::Bytes),
        names().prop_map(Shape::Enum),
        names().prop_map(Shape::Flags),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        let maybe = || prop::option::of(boxed());
        let named = (names(), vec(inner.clone(), 4));
        let cases = (names(), vec(prop::option::of(inner.clone()), 4));
        prop_oneof![
            // A list of u8 is bytes.
            boxed().prop_map(|element| match *element {
                Shape::Integer(U8) => Shape::Bytes,
                _ => Shape::List(element),
            }),
            vec(inner.clone(), 1..4).prop_map(Shape::Tuple),
            named.prop_map(|(names, types)| Shape::Record(names.into_iter().zip(types).collect())),
            cases.prop_map(|(names, types)| Shape::Variant(names.into_iter().zip(types).collect())),
            boxed().prop_map(Shape::Option),
            (maybe(), maybe()).prop_map(|(ok, error)| Shape::Result(ok, error)),
        ]
    })
}

fn just(value: Value) -> BoxedStrategy<Value> {
    Just(value).boxed()
}

/// Integers of a type, in the form that they come back in.
fn integers((min, max): (i128, i128)) -> BoxedStrategy<Value> {
    prop_oneof![Just(min), Just(max), min..=max]
        .prop_map(|n| match i64::try_from(n) {
            Ok(small) if (-MAX_SAFE..=MAX_SAFE).contains(&n) => small.into(),
            _ => n.to_string().into(),
        })
        .boxed()
}

fn variant_case((name, shape): &(String, Option<Shape>)) -> BoxedStrategy<Value> {
    let tag = json!({ "tag": name });
    match shape {
        None => just(tag),
        Some(shape) => values(shape)
            .prop_map(move |value| json!({ "tag": tag["tag"], "value": value }))
            .boxed(),
    }
}

fn optional(inner: &Shape) -> BoxedStrategy<Value> {
    let wrap = inner.has_null();
    let some = values(inner).prop_map(move |value| {
        if wrap {
            json!({ "some": value })
        } else {
            value
        }
    });
    prop_oneof![Just(Value::Null), some].boxed()
}

/// Values of a shape in the form that they come back in.
fn values(shape: &Shape) -> BoxedStrategy<Value> {
    let maybe = |shape: &Option<Box<Shape>>| match shape {
        Some(shape) => values(shape),
        None => just(Value::Null),
    };
    let members = |fields: &[(String, Shape)]| {
        fields.iter().fold(just(json!({})), |all, (name, shape)| {
            let name = name.clone();
            (all, values(shape))
                .prop_map(move |(mut all, value)| {
                    all[&name] = value;
                    all
                })
                .boxed()
        })
    };
    match shape {
        Shape::Bool => any::<bool>().prop_map(Value::from).boxed(),
        Shape::Integer(ty) => integers(ty.range()),
        Shape::Float32 => any::<f32>()
            .prop_filter("as JSON", |n| n.abs() < 1e15)
            .prop_map(|n| json!(n.to_string().parse::<f64>().unwrap()))
            .boxed(),
        Shape::Float64 => any::<f64>()
            .prop_filter("as JSON", |n| n.abs() < 1e15)
            .prop_map(Value::from)
            .boxed(),
        Shape::Char => any::<char>().prop_map(|c| c.to_string().into()).boxed(),
        Shape::Text => ".{0,6}".prop_map(Value::from).boxed(),
        Shape::Bytes => select(vec!["", "AA==", "AQID", "//79"])
            .prop_map(Value::from)
            .boxed(),
        Shape::List(element) => vec(values(element), 0..3).prop_map(Value::from).boxed(),
        Shape::Tuple(shapes) => shapes.iter().fold(just(json!([])), |all, shape| {
            (all, values(shape))
                .prop_map(|(mut all, value)| {
                    all.as_array_mut().unwrap().push(value);
                    all
                })
                .boxed()
        }),
        Shape::Record(fields) => members(fields),
        Shape::Variant(cases) => prop::strategy::Union::new(cases.iter().map(variant_case)).boxed(),
        Shape::Enum(names) => select(names.clone()).prop_map(Value::from).boxed(),
        Shape::Flags(names) => subsequence(names.clone(), 0..=names.len())
            .prop_map(Value::from)
            .boxed(),
        Shape::Option(inner) => optional(inner),
        Shape::Result(ok, error) => {
            let ok = maybe(ok).prop_map(|value| json!({ "ok": value }));
            let error = maybe(error).prop_map(|value| json!({ "error": value }));
            prop_oneof![ok, error].boxed()
        }
    }
}

fn with_values() -> impl Strategy<Value = (Shape, Value)> {
    shapes().prop_flat_map(|shape| (Just(shape.clone()), values(&shape)))
}

fn validator(shape: &Shape, way: Direction) -> jsonschema::Validator {
    jsonschema::options()
        .build(&schema::schema(shape, way))
        .unwrap()
}

proptest! {
    #[test]
    fn a_value_comes_back_as_it_was((shape, value) in with_values()) {
        let val = to_val(&shape, &value, "").unwrap();
        prop_assert_eq!(to_json(&shape, &val).unwrap(), value.clone());
        prop_assert!(validator(&shape, Direction::In).is_valid(&value), "as an argument");
        prop_assert!(validator(&shape, Direction::Out).is_valid(&value), "as a result");
    }

    #[test]
    fn what_is_converted_matches_the_schema(shape in shapes(), (_, other) in with_values()) {
        if to_val(&shape, &other, "").is_ok() {
            prop_assert!(validator(&shape, Direction::In).is_valid(&other));
        }
    }

    #[test]
    fn policies_can_speak_of_every_type(shape in shapes()) {
        let schema = schema::object(&[("x".into(), shape)], Direction::In);
        let input = ToolInput::from_json_schema("t", &schema, &BTreeMap::new());
        prop_assert!(input.is_ok(), "{:?}", input);
    }
}

/// The type in WebAssembly text; types that must have names are defined before, in `types`.
fn text(shape: &Shape, types: &mut String) -> String {
    let quoted = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        names.join(" ")
    };
    let named = |types: &mut String, definition: String| {
        let n = types.lines().count();
        types.push_str(&format!(
            "(type $t{n}' {definition}) (export $t{n} \"t{n}\" (type $t{n}'))\n"
        ));
        format!("$t{n}")
    };
    match shape {
        Shape::Bool => "bool".into(),
        Shape::Integer(ty) => format!("{ty:?}").to_lowercase(),
        Shape::Float32 => "f32".into(),
        Shape::Float64 => "f64".into(),
        Shape::Char => "char".into(),
        Shape::Text => "string".into(),
        Shape::Bytes => "(list u8)".into(),
        Shape::List(element) => format!("(list {})", text(element, types)),
        Shape::Tuple(shapes) => {
            let all: Vec<String> = shapes.iter().map(|shape| text(shape, types)).collect();
            format!("(tuple {})", all.join(" "))
        }
        Shape::Record(fields) => {
            let field = |(name, shape): &(String, Shape)| {
                format!("(field \"{name}\" {})", text(shape, types))
            };
            let fields: Vec<String> = fields.iter().map(field).collect();
            named(types, format!("(record {})", fields.join(" ")))
        }
        Shape::Variant(cases) => {
            let case = |(name, shape): &(String, Option<Shape>)| match shape {
                Some(shape) => format!("(case \"{name}\" {})", text(shape, types)),
                None => format!("(case \"{name}\")"),
            };
            let cases: Vec<String> = cases.iter().map(case).collect();
            named(types, format!("(variant {})", cases.join(" ")))
        }
        Shape::Enum(names) => named(types, format!("(enum {})", quoted(names))),
        Shape::Flags(names) => named(types, format!("(flags {})", quoted(names))),
        Shape::Option(inner) => format!("(option {})", text(inner, types)),
        Shape::Result(ok, error) => {
            let ok = ok
                .as_ref()
                .map(|shape| text(shape, types))
                .unwrap_or_default();
            let error = error.as_ref().map(|shape| text(shape, types));
            let error = error
                .map(|error| format!("(error {error})"))
                .unwrap_or_default();
            format!("(result {ok} {error})")
        }
    }
}

/// A component with one function that returns its argument. With seventeen more numbers, a type of any form
/// is passed and returned in memory, so the function is the identity on a pointer.
fn echo(shape: &Shape) -> (Shape, Vec<u8>) {
    let ballast = Shape::Tuple(vec![Shape::Integer(Integer::U8); 17]);
    let whole = Shape::Tuple(vec![shape.clone(), ballast]);
    let mut types = String::new();
    let ty = text(&whole, &mut types);
    let text = format!(
        r#"(component
  (core module $m
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 8))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
    (func (export "echo") (param i32) (result i32) (local.get 0)))
  (core instance $i (instantiate $m))
  {types}
  (func (export "echo") (param "x" {ty}) (result {ty})
    (canon lift (core func $i "echo") (memory $i "memory") (realloc (func $i "realloc")))))"#
    );
    (
        whole,
        wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}")),
    )
}

pub(super) fn load(bytes: &[u8]) -> Result<Component, SandboxError> {
    sandbox().load("test", bytes, Size::Standard)
}

pub(super) async fn call(component: &Component, tool: &str, arguments: &Value) -> Execution {
    let (_sender, never) = watch::channel(false);
    let arguments = String::from_utf8(to_canonical(arguments).unwrap()).unwrap();
    guest(component, &Limits::default())
        .await
        .call(tool, &arguments, never)
        .await
}

pub(super) fn structured(execution: &Execution) -> &Value {
    match execution.content.as_ref().map(Vec::as_slice) {
        Ok([Content::Text { .. }, Content::Structured(value)]) => value,
        other => panic!("{other:?} {:?}", execution.cause),
    }
}

#[test]
fn a_value_comes_back_through_a_component() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 48,
        ..Config::default()
    });
    runner
        .run(&with_values(), |(shape, value)| {
            let (whole, bytes) = echo(&shape);
            let component = load(&bytes).unwrap();
            let tools = runtime
                .block_on(sandbox().list_tools(&component))
                .unwrap()
                .tools;
            let expected = schema::object(&[("x".into(), whole)], Direction::In);
            prop_assert_eq!(&tools[0].input_schema, &expected);
            let x = json!([value, vec![7; 17]]);
            let execution = runtime.block_on(call(&component, "echo", &json!({ "x": x })));
            // Numbers are compared in their written form.
            let form = |value: &Value| to_canonical(value).unwrap();
            let back = structured(&execution);
            prop_assert_eq!(form(back), form(&json!({ "result": x })));
            Ok(())
        })
        .unwrap();
}

#[test]
fn each_value_has_one_form() {
    let refused = |shape: &Shape, value: Value| {
        let error = to_val(shape, &value, "/x").unwrap_err().to_string();
        assert!(error.starts_with("`/x"), "{error}");
    };
    let s64 = Shape::Integer(Integer::S64);
    for value in [
        json!("5"),
        json!("9007199254740991"),
        json!("+9007199254740993"),
        json!("09007199254740993"),
        json!("9223372036854775808"),
        json!(9_007_199_254_740_992_u64),
        json!(0.5),
    ] {
        refused(&s64, value);
    }
    for (n, text) in [
        (i64::MIN, "-9223372036854775808"),
        (MAX_SAFE as i64 + 1, "9007199254740992"),
    ] {
        let val = to_val(&s64, &json!(text), "").unwrap();
        assert_eq!(val, wasmtime::component::Val::S64(n));
    }
    refused(&Shape::Integer(Integer::U8), json!(256));
    refused(&Shape::Integer(Integer::U8), json!(-1));
    refused(&Shape::Float32, json!(1e39));
    refused(&Shape::Float64, json!("NaN"));
    refused(&Shape::Char, json!("ab"));
    refused(&Shape::Char, json!(""));
    for text in ["AA", "AB==", "A A=", "_w=="] {
        refused(&Shape::Bytes, json!(text));
    }
    let flags = Shape::Flags(vec!["a".into(), "b".into()]);
    refused(&flags, json!(["a", "a"]));
    refused(&flags, json!(["c"]));
    let nested = Shape::Option(Box::new(Shape::Option(Box::new(Shape::Bool))));
    refused(&nested, json!(true));
    assert_ne!(
        to_val(&nested, &json!(null), "").unwrap(),
        to_val(&nested, &json!({ "some": null }), "").unwrap()
    );
    let record = Shape::Record(vec![("a".into(), Shape::Bool)]);
    refused(&record, json!({}));
    refused(&record, json!({ "a": true, "b": true }));
    let result = Shape::Result(None, Some(Box::new(Shape::Bool)));
    refused(&result, json!({ "ok": true }));
    refused(&result, json!({ "ok": null, "error": true }));
    refused(
        &Shape::Variant(vec![("a".into(), None)]),
        json!({ "tag": "a", "value": 1 }),
    );
}

#[test]
fn a_float_that_is_no_number_is_a_word() {
    use wasmtime::component::Val;
    for (n, word) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (-1.5e18, "-1.5e18"),
    ] {
        let value = to_json(&Shape::Float64, &Val::Float64(n)).unwrap();
        assert_eq!(value, json!(word));
        assert!(validator(&Shape::Float64, Direction::Out).is_valid(&value));
    }
    assert_eq!(
        to_json(&Shape::Float32, &Val::Float32(0.1)).unwrap(),
        json!(0.1)
    );
}
