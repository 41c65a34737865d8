use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    canonical::{parse, to_canonical},
    provenance::{ArgumentRoles, PointerPattern, Role, proposed_roles},
};

fn roles() -> ArgumentRoles {
    let text = json!({ "type": "string" });
    let schema = json!({ "properties": { "to": text, "path": text, "url": text, "order_id": text,
        "command": text } });
    ArgumentRoles::new(Vec::new(), proposed_roles(&schema))
}

fn pattern(
    arguments: &Value,
    allowances: &[(&str, Allowance)],
) -> Result<ArgumentPattern, AllowanceError> {
    let allowances = allowances.iter().cloned();
    let allowances = allowances.map(|(pointer, allowance)| (pointer.to_owned(), allowance));
    ArgumentPattern::of(arguments, allowances.collect(), &roles())
}

fn prefix(text: &str) -> Allowance {
    Allowance::Prefix(text.into())
}

#[test]
fn without_allowances_only_the_call_itself_is_alike() {
    let call = json!({ "order": "A-1", "lines": [{ "n": 1 }], "note": null });
    let pattern = pattern(&call, &[]).unwrap();
    assert!(pattern.admits(&call));
    for other in [
        json!({ "order": "A-1", "lines": [{ "n": 1 }] }),
        json!({ "order": "A-1", "lines": [{ "n": 1 }], "note": null, "more": 1 }),
        json!({ "order": "A-1", "lines": [{ "n": 1, "m": 1 }], "note": null }),
        json!({ "order": "A-1", "lines": [{ "n": "1" }], "note": null }),
        json!({ "order": "A-1", "lines": [{ "n": 1 }, { "n": 1 }], "note": null }),
        json!({ "order": "A-1", "lines": { "0": { "n": 1 } }, "note": null }),
        json!({ "order": "А-1", "lines": [{ "n": 1 }], "note": null }),
        json!({ "order": "A-1\u{200b}", "lines": [{ "n": 1 }], "note": null }),
        json!({ "order": "A-1", "lines": [{ "n": 1 }], "note": false }),
        json!([]),
        json!(null),
    ] {
        assert!(!pattern.admits(&other), "{other}");
    }
}

#[test]
fn numbers_are_alike_if_their_canonical_form_is() {
    let pattern = pattern(&parse(r#"{"n":1}"#).unwrap(), &[]).unwrap();
    assert!(pattern.admits(&parse(r#"{"n":1.0}"#).unwrap()));
    assert!(pattern.admits(&json!({ "n": 1.0 })));
    assert!(!pattern.admits(&json!({ "n": "1" })));
    assert!(!pattern.admits(&json!({ "n": 1.000_001 })));
}

#[test]
fn a_limit_has_a_lower_end() {
    let most = |n: i64| [("/n", Allowance::AtMost(n.into()))];
    let alike = pattern(&json!({ "n": 100 }), &most(500)).unwrap();
    for (n, is_alike) in [(0, true), (500, true), (501, false), (-1, false)] {
        assert_eq!(alike.admits(&json!({ "n": n })), is_alike, "{n}");
    }
    let negative = pattern(&json!({ "n": -5 }), &most(0)).unwrap();
    assert!(negative.admits(&json!({ "n": -5 })));
    assert!(!negative.admits(&json!({ "n": -6 })));
    assert!(!negative.admits(&json!({ "n": "-5" })));
    assert!(pattern(&json!({ "n": 501 }), &most(500)).is_err());
    assert!(pattern(&json!({ "n": "5" }), &most(500)).is_err());
}

#[test]
fn a_prefix_has_no_way_out() {
    let call = json!({ "path": "/srv/docs/a.md" });
    let alike = pattern(&call, &[("/path", prefix("/srv/docs/"))]).unwrap();
    assert!(alike.admits(&json!({ "path": "/srv/docs/b/c.md" })));
    for path in [
        "/srv/docs",
        "/srv/docs-secret/a",
        "/srv/docs/../../etc/passwd",
        "/srv/docs/./a",
        "/srv/docs/..",
        "/srv/docs/%2e%2e/x",
        "/srv/docs/a%2Fb",
        "/srv/docs/a\\..\\b",
        "/srv/docs/a\nb",
        "/srv/docs/a\u{202e}b",
        "/srv/docs/a\u{0}",
        "/SRV/docs/a",
        "/srv/docs/..;/admin",
        "/srv/docs/..;x=1/admin",
        "/srv/docs/..?b=1",
        "/srv/docs/..#x",
        "/srv/docs/%252e%252e/x",
        "/srv/docs/..%3b/x",
        "/srv/docs/a,/etc/shadow",
        "/srv/docs/a;/etc/shadow",
        "/srv/docs/a:/etc",
        "/srv/docs/a /etc/shadow",
        "/srv/docs/a|/etc/shadow",
        "/srv/docs/*",
        "/srv/docs/?",
        "/srv/docs/{a,b}",
        "/srv/docs/$HOME",
    ] {
        assert!(!alike.admits(&json!({ "path": path })), "{path:?}");
    }
    let url = json!({ "url": "https://example.com/docs/a" });
    let alike = pattern(&url, &[("/url", prefix("https://example.com/docs/"))]).unwrap();
    assert!(alike.admits(&json!({ "url": "https://example.com/docs/b?c=d" })));
    for rest in [
        "../admin",
        "..?b=1",
        "..#x",
        "..;/admin",
        "a/..;v=1/admin",
        "%252e%252e/x",
        "a,https://evil.example/",
    ] {
        let url = format!("https://example.com/docs/{rest}");
        assert!(!alike.admits(&json!({ "url": url })), "{url}");
    }
}

#[test]
fn a_text_that_is_not_a_path_continues_with_anything_that_is_shown() {
    let alike = pattern(
        &json!({ "note": "order 5: late" }),
        &[("/note", prefix("order "))],
    )
    .unwrap();
    assert!(alike.admits(&json!({ "note": "order 7, 8; and a/b?" })));
}

#[test]
fn a_role_that_an_argument_gets_later_narrows_what_counts() {
    let call = json!({ "note": "/srv/a", "limit": 5, "other": "x" });
    let allowances = [
        ("/note", Allowance::Any),
        ("/limit", Allowance::AtMost(9.into())),
    ];
    let wide = pattern(&call, &allowances).unwrap();
    let narrow = pattern(&call, &[("/note", Allowance::OneOf(vec![json!("/srv/b")]))]).unwrap();
    assert!(wide.suits(&roles()) && narrow.suits(&roles()));
    let schema = json!({ "properties": { "note": { "type": "string" } } });
    let given = (
        PointerPattern::parse("/note").unwrap(),
        Some(Role::Recipient),
    );
    let later = ArgumentRoles::new(vec![given], proposed_roles(&schema));
    assert!(!wide.suits(&later));
    assert!(narrow.suits(&later));
}

#[test]
fn an_encoded_separator_does_not_begin_in_the_prefix() {
    let alike = pattern(&json!({ "note": "a%x" }), &[("/note", prefix("a%"))]).unwrap();
    assert!(!alike.admits(&json!({ "note": "a%2fb" })));
    assert!(alike.admits(&json!({ "note": "a%3fb" })));
}

#[test]
fn what_decides_where_a_call_goes_is_named_value_by_value() {
    let call = json!({ "to": "ann@example.com", "path": "/srv/a", "url": "https://example.com/a",
        "order_id": "A-1", "command": "ls", "note": "hello", "tags": ["a"] });
    let most = Allowance::AtMost(5.into());
    for (pointer, allowance, word) in [
        ("/to", Allowance::Any, "recipient"),
        ("/to", prefix("ann@"), "recipient"),
        ("/order_id", prefix("A-"), "identifier"),
        ("/command", prefix("ls "), "command"),
        ("/path", Allowance::Any, "path"),
        ("/path", prefix("/srv"), "ends in"),
        ("/path", prefix("/"), "name more"),
        ("/url", prefix("https://example.com"), "host"),
        ("/url", prefix("https:///"), "host"),
        ("/note", prefix(""), "name more"),
        ("/note", prefix("good"), "does not fit"),
        ("/note", most, "number"),
        ("/tags", Allowance::Any, "text, a number"),
        ("/tags/0", Allowance::Any, "no such argument"),
        ("/other", Allowance::Any, "no such argument"),
        ("", Allowance::Any, "no such argument"),
    ] {
        let error = pattern(&call, &[(pointer, allowance)]).unwrap_err();
        assert_eq!(error.pointer, pointer);
        assert!(error.problem.contains(word), "{pointer}: {}", error.problem);
    }
    let both = Allowance::OneOf(vec![json!("bob@example.com")]);
    let alike = pattern(&call, &[("/to", both)]).unwrap();
    let to = |to: &str| {
        let mut call = call.clone();
        call["to"] = json!(to);
        call
    };
    assert!(alike.admits(&to("bob@example.com")) && alike.admits(&call));
    assert!(!alike.admits(&to("bob@example.com ")));
    assert!(!alike.admits(&to("bob@example.com,eve@example.com")));
}

#[test]
fn a_member_of_an_object_may_differ_and_the_object_stays_closed() {
    let call = json!({ "order": { "id": "A-1", "note": "x", "a/b": 1 } });
    let any = [
        ("/order/note", Allowance::Any),
        ("/order/a~1b", Allowance::Any),
    ];
    let alike = pattern(&call, &any).unwrap();
    assert!(alike.admits(&json!({ "order": { "id": "A-1", "note": "y", "a/b": 2 } })));
    for other in [
        json!({ "order": { "id": "A-2", "note": "y", "a/b": 2 } }),
        json!({ "order": { "id": "A-1", "note": 5, "a/b": 2 } }),
        json!({ "order": { "id": "A-1", "a/b": 2 } }),
        json!({ "order": { "id": "A-1", "note": "y", "a/b": 2, "express": true } }),
        json!({ "order": "A-1" }),
    ] {
        assert!(!alike.admits(&other), "{other}");
    }
    let pointers: Vec<String> = alike.constraints().into_keys().collect();
    assert_eq!(pointers, ["/order/a~1b", "/order/id", "/order/note"]);
}

#[test]
fn a_pattern_reads_back_as_written() {
    let call = json!({ "a": { "b": 1, "c": "x" }, "d": [1], "e": 2 });
    let one_of = Allowance::OneOf(vec![json!("y")]);
    let most = Allowance::AtMost(9.into());
    let whole = pattern(&call, &[("/a/c", one_of), ("/e", most)]).unwrap();
    let text = serde_json::to_string(&whole).unwrap();
    assert_eq!(
        serde_json::from_str::<ArgumentPattern>(&text).unwrap(),
        whole
    );
}

/// Texts that differ little, in the ways that readers confuse.
fn near(text: &str) -> Vec<String> {
    let confused = text.replace('a', "а").replace('A', "А").replace('1', "１");
    vec![
        format!("{text} "),
        format!(" {text}"),
        format!("{text}\u{200b}"),
        format!("{text}\u{301}"),
        format!("{text}\u{0}"),
        text.to_uppercase(),
        text.chars().rev().collect(),
        confused,
        String::new(),
    ]
}

/// Every value that differs from `value` in one place.
fn near_misses(value: &Value) -> Vec<Value> {
    let mut found = vec![json!(null), json!([value]), json!({ "value": value })];
    match value {
        Value::Null | Value::Bool(_) => found.push(json!(value.to_string())),
        Value::Number(n) => {
            found.push(json!(n.to_string()));
            found.extend(n.as_f64().map(|n| json!(n + 0.5)));
            found.extend(n.as_f64().map(|n| json!(-n)));
            // The same number, in another spelling.
            found.extend(n.as_f64().map(|n| json!(n)));
        }
        Value::String(text) => found.extend(near(text).into_iter().map(Value::String)),
        Value::Array(items) => {
            found.push(json!([items.clone(), items.clone()].concat()));
            found.push(json!(items.iter().skip(1).collect::<Vec<_>>()));
            for (at, item) in items.iter().enumerate() {
                found.extend(near_misses(item).into_iter().map(|other| {
                    let mut items = items.clone();
                    items[at] = other;
                    Value::Array(items)
                }));
            }
        }
        Value::Object(members) => found.extend(near_objects(members)),
    }
    found
}

fn near_objects(members: &Map<String, Value>) -> Vec<Value> {
    let mut found = Vec::new();
    let with = |change: &dyn Fn(&mut Map<String, Value>)| {
        let mut members = members.clone();
        change(&mut members);
        Value::Object(members)
    };
    found.push(with(&|m| drop(m.insert("extra".into(), json!(1)))));
    for (name, value) in members {
        found.push(with(&|m| drop(m.remove(name))));
        for other in near(name) {
            found.push(with(&|m| {
                m.remove(name);
                m.insert(other.clone(), value.clone());
            }));
            found.push(with(&|m| drop(m.insert(other.clone(), value.clone()))));
        }
        for other in near_misses(value) {
            found.push(with(&|m| drop(m.insert(name.clone(), other.clone()))));
        }
    }
    found
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::from),
        (-1000_i64..1000).prop_map(Value::from),
        (-1000_i64..1000).prop_map(|n| json!(n as f64 / 8.0)),
        "[aA1./ é-]{0,8}".prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(2, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::btree_map("[ab/~]{1,3}", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn arguments() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[ab1/~]{1,3}", value(), 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// Pointers of the values of objects, with the values.
fn members(value: &Value, above: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        let pointer = format!("{above}/{}", crate::canonical::escape_segment(name));
        found.extend(members(value, &pointer));
        found.insert(pointer, value.clone());
    }
    found
}

/// Whether `allowance` lets a value be `other` instead of `own`, read as plainly as possible.
fn is_allowed(allowance: &Allowance, own: &Value, other: &Value) -> bool {
    match allowance {
        Allowance::OneOf(values) => {
            let same = |v: &Value| to_canonical(v).unwrap() == to_canonical(other).unwrap();
            same(own) || values.iter().any(same)
        }
        Allowance::Prefix(prefix) => other.as_str().is_some_and(|text| text.starts_with(prefix)),
        Allowance::AtMost(most) => other
            .as_f64()
            .is_some_and(|n| n <= most.as_f64().unwrap() && n >= own.as_f64().unwrap().min(0.0)),
        Allowance::Any => std::mem::discriminant(own) == std::mem::discriminant(other),
    }
}

fn allowance_for(own: &Value, kind: u8) -> Allowance {
    match (own, kind % 3) {
        (Value::Number(n), 0) => Allowance::AtMost(n.clone()),
        (Value::String(text), 0) => Allowance::Prefix(text.chars().take(2).collect()),
        (_, 1) => Allowance::OneOf(vec![json!("other"), json!(7)]),
        _ => Allowance::Any,
    }
}

proptest! {
    /// A call that differs in one place is covered only if an allowance is for that place.
    #[test]
    fn a_near_miss_is_covered_only_where_an_allowance_says_so(
        call in arguments(), choice in any::<prop::sample::Index>(), kind in any::<u8>(), open in any::<bool>(),
    ) {
        let places: Vec<(String, Value)> = members(&call, "").into_iter().collect();
        let mut allowances = BTreeMap::new();
        if open && !places.is_empty() {
            let (pointer, own) = choice.get(&places);
            allowances.insert(pointer.clone(), allowance_for(own, kind));
        }
        let Ok(pattern) = ArgumentPattern::of(&call, allowances.clone(), &roles()) else {
            return Ok(());
        };
        prop_assert!(pattern.admits(&call));
        for other in near_misses(&call) {
            if !pattern.admits(&other) {
                continue;
            }
            // With the allowed place as in the call, it is the call.
            let mut restored = other.clone();
            for (pointer, allowance) in &allowances {
                let own = call.pointer(pointer).unwrap();
                let place = restored.pointer_mut(pointer).unwrap();
                prop_assert!(is_allowed(allowance, own, place), "{other} for {call}");
                *place = own.clone();
            }
            prop_assert_eq!(to_canonical(&restored).unwrap(), to_canonical(&call).unwrap());
        }
    }
}
