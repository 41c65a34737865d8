//! What programs read: JSON with the documented keys, CSV by its rules, and filters that filter.

use serde_json::Value;
use tollgate_testkit::command::{DELETE, READ, REFUND, World};

const COLUMNS: &str = "index id time kind outcome principal on_behalf_of action resource policies reason run approval";

#[track_caller]
fn has(value: &Value, keys: &str) {
    let object = value.as_object().unwrap();
    for key in keys.split_whitespace() {
        assert!(object.contains_key(key), "no `{key}`: {value}");
    }
}

const CALL: &str =
    "tool outcome exit run call decision policies message content redacted approval micros";

/// What a call prints that does not succeed.
fn refused(world: &World, args: &[&str], exit: i32, outcome: &str) -> Value {
    let ran = world.run(&[args, &["--json"]].concat()).exits(exit);
    let reply: Value = serde_json::from_str(&ran.out).unwrap();
    has(&reply, CALL);
    assert_eq!(reply["outcome"], outcome, "{reply}");
    assert_eq!(reply["exit"], exit, "{reply}");
    reply
}

#[test]
fn json_has_the_documented_keys() {
    let world = World::new();
    let read = world.json(READ);
    has(&read, CALL);
    assert_eq!(
        (&read["outcome"], &read["exit"]),
        (&"ok".into(), &0.into()),
        "{read}"
    );
    assert_eq!(read["content"][0]["text"], "Dear Ada");
    let denied = refused(&world, DELETE, 3, "denied");
    assert_eq!(denied["policies"][0]["id"], "no-deleting");
    assert_eq!(denied["policies"][0]["owner"], "tests");
    let waiting = refused(&world, REFUND, 4, "waiting");
    has(&waiting["approval"], "id needs expires");
    refused(&world, &["call", "files__raed"], 6, "unknown_tool");
    refused(&world, &["call", "files__read"], 6, "invalid");
    approvals_have_the_documented_keys(&world, &waiting);
    runs_have_the_documented_keys(&world, &denied);
    tools_and_policies_have_the_documented_keys(&world);
}

fn approvals_have_the_documented_keys(world: &World, waiting: &Value) {
    let list = world.json(&["approvals", "list"]);
    has(
        &list[0],
        "id state severity tool digest principal on_behalf_of run call policies needs approvers \
         requested expires round",
    );
    assert_eq!(list[0]["id"], waiting["approval"]["id"]);
    let reason = "Large refunds need finance's approval.";
    assert_eq!(list[0]["policies"][0]["reason"], reason);
    assert_eq!(list[0]["policies"][0]["owner"], "finance");
    world.run(&["approvals", "list"]).exits(0).says(&[reason]);
}

/// In a run with a denied call. Decisions are those of its calls.
fn runs_have_the_documented_keys(world: &World, denied: &Value) {
    let shown = world.json(&["runs", "show"]);
    let run = "id tenant principal on_behalf_of key root started last ended outcome stop_reason \
        calls denials errors pending labels";
    has(&shown, "run spans");
    has(&shown["run"], run);
    assert_eq!(shown["run"]["calls"], 3, "{}", shown["run"]);
    let spans = shown["spans"].as_array().unwrap();
    for span in spans {
        has(
            span,
            "span parent kind name start end error openinference attributes",
        );
    }
    let of_call = spans.iter().find(|span| span["span"] == denied["call"]);
    let decision = &of_call.unwrap()["attributes"]["tollgate.decision.id"];
    assert_eq!(*decision, denied["decision"]);
    has(&world.json(&["runs", "list"])[0], run);

    for entry in world.json_lines(&["decisions", "list"]) {
        has(&entry, COLUMNS);
    }
    let id = denied["decision"].as_str().unwrap();
    has(
        &world.json(&["decisions", "show", id]),
        "id run tenant time decision facts",
    );
}

fn tools_and_policies_have_the_documented_keys(world: &World) {
    let tools = world.json(&["tools", "list"]);
    for tool in tools.as_array().unwrap() {
        has(
            tool,
            "name component own_name digest title description labels taints annotations limits \
             input_schema output_schema policies",
        );
    }
    let read = world.json(&["tools", "show", "files__read"]);
    assert!(tools.as_array().unwrap().contains(&read), "{read}");

    let checked = world.json(&["policy", "check"]);
    has(&checked, "ok bundle policies shadow tools diagnostics");
    assert_eq!(checked["ok"], true);
    world.write("policies/story.cedar", "permit (principal);");
    let failed = world.run(&["policy", "check", "--json"]).exits(1);
    let checked: Value = serde_json::from_str(&failed.out).unwrap();
    assert_eq!(checked["ok"], false);
    has(
        &checked["diagnostics"][0],
        "file line column length error code message help",
    );
}

/// RFC 4180: fields between commas, quoted where they hold a comma, a quote or a line end.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => field.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            '\r' if !quoted => {}
            c => field.push(c),
        }
    }
    assert!(!quoted && row.is_empty() && field.is_empty(), "cut off");
    rows
}

#[test]
fn decisions_are_csv_with_the_columns_of_json() {
    let world = World::new();
    // A name that a spreadsheet must not take apart.
    world
        .run(&[
            "halt",
            "agent",
            "a,b",
            "--force",
            "--reason",
            "a \"quoted\", reason",
        ])
        .exits(0);
    world.run(READ).exits(0);
    world.run(DELETE).exits(3);
    let ran = world.run(&["decisions", "list", "--csv"]).exits(0);
    let rows = csv(&ran.out);
    let columns: Vec<&str> = COLUMNS.split(' ').collect();
    assert_eq!(rows[0], columns);
    assert!(rows.iter().all(|row| row.len() == columns.len()), "{ran:?}");
    let entries = world.json_lines(&["decisions", "list"]);
    assert_eq!(rows.len(), entries.len() + 1);
    for (row, entry) in rows[1..].iter().zip(&entries) {
        for (at, column) in columns.iter().enumerate() {
            match &entry[column] {
                Value::Null => assert_eq!(row[at], ""),
                Value::String(text) => assert_eq!(row[at], *text),
                Value::Number(number) => assert_eq!(row[at], number.to_string()),
                Value::Array(parts) => {
                    assert!(parts.iter().all(|p| row[at].contains(p.as_str().unwrap())))
                }
                other => panic!("{other}"),
            }
        }
    }
    let reason = columns.iter().position(|column| *column == "reason");
    let halted = rows.iter().find(|row| row[3] == "halted").unwrap();
    assert!(halted[reason.unwrap()].contains("a \"quoted\", reason"));
    world
        .run(&["decisions", "list", "--csv", "--json"])
        .exits(2);
}

#[test]
fn decisions_are_filtered() {
    let world = World::new();
    world.run(READ).exits(0);
    world.run(DELETE).exits(3);
    let by_agent = [REFUND, &["--agent", "support"]].concat();
    world.run(&by_agent).exits(4);
    world.run(&["call", "files__raed"]).exits(6);
    let list = |filter: &[&str]| world.json_lines(&[&["decisions", "list"], filter].concat());
    let all = list(&[]).len();
    let resources = |filter: &[&str]| -> Vec<String> {
        let found = list(filter);
        assert!(found.len() < all, "{filter:?} filters nothing");
        let resource = |entry: &Value| entry["resource"].as_str().unwrap().to_owned();
        found.iter().map(resource).collect()
    };
    assert_eq!(resources(&["--outcome", "deny"]), ["files__delete"]);
    assert_eq!(resources(&["--outcome", "escalate"]), ["payments__refund"]);
    assert!(resources(&["--outcome", "error"]).is_empty());
    assert_eq!(resources(&["--policy", "no-deleting"]), ["files__delete"]);
    assert_eq!(resources(&["--principal", "support"]), ["payments__refund"]);
    assert_eq!(
        resources(&["--principal", "files"]),
        ["files/data:/letter.txt"]
    );
    assert_eq!(
        resources(&["--tool", "files__read"]),
        ["files__read", "files__read"],
        "the call and its result"
    );
    assert_eq!(resources(&["--tool", "files__raed"]), ["files__raed"]);
    assert!(resources(&["--tool", "files__read", "--outcome", "deny"]).is_empty());
    assert!(resources(&["--since", "2999-01-01"]).is_empty());
    assert!(resources(&["--until", "2001-01-01"]).is_empty());
    assert_eq!(list(&["--since", "2001-01-01"]).len(), all);
    assert_eq!(list(&["--limit", "2"]).len(), 2);
    world
        .run(&["decisions", "list", "--outcome", "denied"])
        .exits(2)
        .says(&["allow, deny, escalate, error"]);
    world
        .run(&["decisions", "list", "--since", "yesterday-ish"])
        .exits(2)
        .says(&["--since"]);
}
