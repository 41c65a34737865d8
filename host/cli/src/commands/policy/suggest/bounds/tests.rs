use serde_json::json;
use tollgate_model::provenance::proposed_roles;

use super::*;

fn roles() -> ArgumentRoles {
    let text = json!({ "type": "string" });
    let schema = json!({ "properties": { "to": text, "path": text, "url": text } });
    ArgumentRoles::new(Vec::new(), proposed_roles(&schema))
}

fn found(calls: &[Value], any: &[&str]) -> Result<Vec<String>, String> {
    let calls: Vec<&Value> = calls.iter().collect();
    let any = any.iter().map(|pointer| (*pointer).to_owned()).collect();
    let bounds = bounds(&calls, &roles(), &any)?;
    let texts = bounds.allowances.iter();
    texts
        .map(|(pointer, how)| difference(pointer, how))
        .collect()
}

fn with(name: &str, values: &[Value]) -> Vec<Value> {
    let calls = values.iter();
    calls
        .map(|value| json!({ name: value, "same": 1 }))
        .collect()
}

#[test]
fn bounds_are_as_narrow_as_the_calls() {
    let same = with("amount", &[json!(5), json!(5)]);
    assert_eq!(found(&same, &[]), Ok(vec![]));
    let amounts = with("amount", &[json!(5000), json!(7000.5), json!(6000)]);
    assert_eq!(
        found(&amounts, &[]),
        Ok(vec!["/amount=at-most:7000.5".into()])
    );
    let few = with(
        "currency",
        &[json!("EUR"), json!("USD"), json!("EUR"), json!("USD")],
    );
    assert_eq!(
        found(&few, &[]),
        Ok(vec![r#"/currency=one-of:["EUR","USD"]"#.into()])
    );
    let paths = with(
        "path",
        &[
            json!("/srv/docs/a"),
            json!("/srv/docs/b/c"),
            json!("/srv/docs/é"),
        ],
    );
    assert_eq!(
        found(&paths, &[]),
        Ok(vec!["/path=prefix:/srv/docs/".into()])
    );
    let nested = [
        json!({ "a": { "b/c": 1, "d": 2 } }),
        json!({ "a": { "b/c": 3, "d": 2 } }),
    ];
    assert_eq!(found(&nested, &[]), Ok(vec!["/a/b~1c=at-most:3".into()]));
}

#[test]
fn what_decides_where_a_call_goes_is_named_value_by_value() {
    let people = with("to", &[json!("a@example.com"), json!("b@example.com")]);
    let named = vec![r#"/to=one-of:["a@example.com","b@example.com"]"#.to_owned()];
    assert_eq!(found(&people, &["/to"]), Ok(named), "also with --any");
    // Below no common folder, and on no common host.
    let paths = with("path", &[json!("/a/x"), json!("/b/x")]);
    assert_eq!(
        found(&paths, &[]),
        Ok(vec![r#"/path=one-of:["/a/x","/b/x"]"#.into()])
    );
    let hosts = with(
        "url",
        &[json!("https://a.example/x"), json!("https://b.example/x")],
    );
    let named = r#"/url=one-of:["https://a.example/x","https://b.example/x"]"#;
    assert_eq!(found(&hosts, &[]), Ok(vec![named.into()]));
    let many: Vec<Value> = (0..40).map(|n| json!(format!("{n}@example.com"))).collect();
    let refused = found(&with("to", &many), &[]).unwrap_err();
    assert!(refused.contains("40 values"), "{refused}");
}

#[test]
fn a_free_text_has_no_bound_unless_it_may_be_anything() {
    let reasons = with("reason", &[json!("broken"), json!("lost"), json!("late")]);
    let refused = found(&reasons, &[]).unwrap_err();
    assert!(refused.contains("--any /reason"), "{refused}");
    assert_eq!(
        found(&reasons, &["/reason"]),
        Ok(vec!["/reason=any".into()])
    );
    let below_zero = with("amount", &[json!(-5), json!(7)]);
    assert!(found(&below_zero, &[]).is_err());
}

#[test]
fn calls_with_other_members_have_no_bounds() {
    assert!(found(&[json!({ "a": 1 }), json!({ "b": 1 })], &[]).is_err());
    assert!(found(&[json!([1]), json!([2])], &[]).is_err());
}

#[test]
fn a_value_is_one_word_of_the_command_or_none() {
    let sly = with("to", &[json!("a'; rm -rf ~ #"), json!("$(id)")]);
    let text = found(&sly, &[]).unwrap().remove(0);
    assert_eq!(
        shell_word(&text),
        r#"'/to=one-of:["a'\''; rm -rf ~ #","$(id)"]'"#
    );
    assert_eq!(shell_word("/amount=at-most:7"), "/amount=at-most:7");
    let unseen = with("to", &[json!("a\u{202e}b"), json!("c")]);
    assert!(
        found(&unseen, &[])
            .unwrap_err()
            .contains("cannot be written")
    );
    let named = [json!({ "a=b": 1 }), json!({ "a=b": 2 })];
    assert!(
        found(&named, &[])
            .unwrap_err()
            .contains("cannot be written")
    );
}
