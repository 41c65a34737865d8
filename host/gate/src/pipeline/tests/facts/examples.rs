//! Each example of `docs/facts.md`: its facts and its policies are loaded as they stand there, and played.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::{Value, json};
use tollgate_model::decision::Outcome;

use super::{Desk, call, finish, latest};
use crate::Gate;

/// Calls and their outcomes: `[user@run ]tool arguments = outcome`, where the outcome is `deny`, `ask`, `open`
/// (allowed, and not ended), `fails`, or the result of the call as JSON; or `wait 10m`. The user is alice, and the run is
/// `r`, unless it says otherwise.
type Script = &'static [&'static str];

const SCRIPTS: &[(&str, Script)] = &[
    (
        "At most three refunds for a customer in a day",
        &[
            r#"refund {"customer":"a"} = {}"#,
            r#"refund {"customer":"a"} = fails"#,
            r#"bob@s refund {"customer":"a"} = {}"#,
            r#"refund {"customer":"a"} = deny"#,
            r#"refund {"customer":"b"} = {}"#,
            r#"refund {} = deny"#,
            r#"refund {"customer":["a"]} = deny"#,
            "wait 1439m",
            r#"refund {"customer":"a"} = deny"#,
            "wait 1m",
            r#"refund {"customer":"a"} = {}"#,
        ],
    ),
    (
        "At most 1,000 a day for each user",
        &[
            r#"transfer {"amount":600.5} = {}"#,
            r#"transfer {"amount":399.51} = deny"#,
            r#"bob@r transfer {"amount":399.51} = {}"#,
            r#"transfer {"amount":399.5} = {}"#,
            r#"transfer {"amount":0.0001} = deny"#,
            r#"transfer {"amount":-50000} = deny"#,
            r#"transfer {"amount":"1"} = deny"#,
            r#"transfer {} = deny"#,
            "wait 1440m",
            r#"transfer {"amount":1000} = {}"#,
        ],
    ),
    (
        "At most two large transfers an hour, for all agents together",
        &[
            r#"transfer {"amount":99} = {}"#,
            r#"transfer {"amount":100} = {}"#,
            r#"bob@s transfer {"amount":500} = {}"#,
            r#"transfer {"amount":100} = deny"#,
            "wait 60m",
            r#"transfer {"amount":100} = {}"#,
        ],
    ),
    (
        "At most two transfers at once",
        &[
            // Their callers execute these, so each holds its place for the window.
            r#"transfer {"amount":1} = open"#,
            r#"transfer {"amount":2} = {}"#,
            r#"transfer {"amount":3} = deny"#,
            "close",
            r#"transfer {"amount":4} = deny"#,
            "wait 60m",
            r#"transfer {"amount":4} = {}"#,
        ],
    ),
    (
        "Pay a claim only after it was approved",
        &[
            r#"pay {"claim":"c1"} = deny"#,
            r#"approve {"id":"c1"} = {"status":"rejected"}"#,
            r#"pay {"claim":"c1"} = deny"#,
            r#"approve {"id":"c1"} = fails"#,
            r#"pay {"claim":"c1"} = deny"#,
            r#"approve {"id":"c1"} = {"status":"approved"}"#,
            r#"pay {"claim":"c2"} = deny"#,
            r#"pay {} = deny"#,
            r#"alice@other pay {"claim":"c1"} = deny"#,
            r#"pay {"claim":"c1"} = {}"#,
        ],
    ),
    (
        "An approval goes stale after 15 minutes",
        &[
            r#"pay {} = deny"#,
            r#"approve {} = {}"#,
            "wait 15m",
            r#"pay {} = {}"#,
            "wait 1m",
            r#"pay {} = deny"#,
        ],
    ),
    (
        "Write only what was read",
        &[
            r#"write {"document":"d"} = deny"#,
            r#"read {"document":"d"} = open"#,
            r#"write {"document":"d"} = deny"#,
            "close",
            r#"write {"document":"e"} = deny"#,
            r#"write {"document":"d"} = {}"#,
            r#"bob@r write {"document":"d"} = deny"#,
            "wait 60m",
            r#"write {"document":"d"} = deny"#,
        ],
    ),
    (
        "Log in first",
        &[
            r#"read {} = deny"#,
            r#"login {} = {"ok":false}"#,
            r#"read {} = deny"#,
            r#"login {} = {"ok":true}"#,
            r#"read {} = {}"#,
            "wait 60m",
            r#"read {} = deny"#,
        ],
    ),
    (
        "Logged in, and not logged out since",
        &[
            r#"read {} = deny"#,
            r#"login {} = {}"#,
            r#"read {} = {}"#,
            r#"logout {} = open"#,
            r#"read {} = deny"#,
            "close",
            r#"login {} = {}"#,
            r#"read {} = {}"#,
        ],
    ),
    (
        "Granted, and not revoked since",
        &[
            r#"read {"document":"d"} = deny"#,
            r#"grant {"document":"d"} = {}"#,
            r#"read {"document":"d"} = {}"#,
            r#"revoke {"document":"e"} = {}"#,
            r#"read {"document":"d"} = {}"#,
            r#"read {"document":"e"} = deny"#,
            r#"revoke {"document":"d"} = {}"#,
            r#"read {"document":"d"} = deny"#,
            r#"grant {"document":"d"} = {}"#,
            r#"read {"document":"d"} = {}"#,
            r#"bob@r read {"document":"d"} = deny"#,
            "wait 60m",
            r#"read {"document":"d"} = deny"#,
        ],
    ),
    (
        "Delete only right after a confirmation",
        &[
            r#"delete {"document":"d"} = deny"#,
            r#"confirm {} = {}"#,
            r#"read {} = {}"#,
            r#"delete {"document":"d"} = deny"#,
            r#"confirm {} = {}"#,
            r#"delete {"document":"d"} = {}"#,
            r#"delete {"document":"e"} = deny"#,
        ],
    ),
    (
        "Three steps in their order",
        &[
            r#"approve {} = {}"#,
            r#"lookup {} = {}"#,
            r#"pay {} = deny"#,
            r#"approve {} = {}"#,
            r#"pay {} = {}"#,
        ],
    ),
    (
        "Transfer only to an account that was looked up",
        &[
            r#"transfer {"to":"DE1"} = deny"#,
            r#"lookup {"customer":"a"} = {"account":"DE1"}"#,
            r#"transfer {"to":"DE2"} = deny"#,
            r#"transfer {} = deny"#,
            r#"transfer {"to":"DE1"} = {}"#,
        ],
    ),
    (
        "A pause of ten minutes between two refunds",
        &[
            r#"refund {} = {}"#,
            r#"bob@r refund {} = deny"#,
            "wait 9m",
            r#"refund {} = deny"#,
            "wait 1m",
            r#"refund {} = {}"#,
        ],
    ),
    (
        "Nothing is sent once a secret was read",
        &[
            r#"send {"to":["a"]} = {}"#,
            r#"secret {} = open"#,
            r#"send {"to":["a"]} = deny"#,
            r#"alice@other send {"to":["a"]} = deny"#,
            r#"bob@r send {"to":["a"]} = deny"#,
            "close",
            r#"send {"to":["a"]} = deny"#,
            "wait 1440m",
            r#"send {"to":["a"]} = {}"#,
        ],
    ),
    (
        "The first transfer to a recipient is approved by a person",
        &[r#"transfer {"to":"DE1"} = ask"#, r#"transfer {} = ask"#],
    ),
    (
        "At most three recipients in an hour",
        &[
            r#"send {"to":["a","b"]} = {}"#,
            r#"send {"to":["b","c"]} = {}"#,
            r#"send {"to":["d"]} = deny"#,
            r#"send {"to":["a","c"]} = {}"#,
            r#"bob@r send {"to":["d","e","f","g"]} = deny"#,
            r#"send {"to":"d, e, f, g"} = deny"#,
            r#"send {} = deny"#,
            "wait 60m",
            r#"send {"to":["d"]} = {}"#,
        ],
    ),
    (
        "Stop after a failure",
        &[
            r#"transfer {} = {}"#,
            r#"transfer {} = fails"#,
            r#"transfer {} = deny"#,
            r#"alice@other transfer {} = deny"#,
            "wait 1440m",
            r#"transfer {} = {}"#,
        ],
    ),
    (
        "Locked out after three denials",
        &[
            r#"secret {} = deny"#,
            r#"secret {} = deny"#,
            r#"read {} = {}"#,
            r#"secret {} = deny"#,
            r#"read {} = deny"#,
            "wait 10m",
            r#"read {} = {}"#,
        ],
    ),
    (
        "A heartbeat within 30 seconds",
        &[
            r#"read {} = deny"#,
            r#"heartbeat {} = {}"#,
            r#"read {} = {}"#,
            "wait 1m",
            r#"read {} = deny"#,
        ],
    ),
    (
        "No more payments than approvals",
        &[
            r#"pay {} = deny"#,
            r#"approve {} = {}"#,
            r#"approve {} = {}"#,
            r#"pay {} = open"#,
            r#"pay {} = {}"#,
            r#"pay {} = deny"#,
        ],
    ),
];

const TOOLS: &[&str] = &[
    "approve",
    "confirm",
    "delete",
    "grant",
    "heartbeat",
    "login",
    "logout",
    "lookup",
    "pay",
    "read",
    "refund",
    "revoke",
    "secret",
    "send",
    "transfer",
    "write",
];

/// An example: its facts and its policies.
struct Example {
    facts: String,
    policies: String,
}

fn block(text: &str, language: &str) -> String {
    let begin = format!("```{language}\n");
    let (_, rest) = text.split_once(&begin).unwrap_or_default();
    let (block, _) = rest.split_once("```").unwrap_or_default();
    block.to_owned()
}

/// The examples of the page by their headings.
fn examples() -> BTreeMap<String, Example> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/facts.md");
    let page = fs::read_to_string(page).unwrap();
    let sections = page.split("\n### ").skip(1);
    sections
        .map(|section| {
            let (heading, text) = section.split_once('\n').unwrap();
            let example = Example {
                facts: block(text, "toml"),
                policies: block(text, "cedar"),
            };
            (heading.to_owned(), example)
        })
        .collect()
}

/// Tools that take any of the arguments of the examples.
fn tools() -> Value {
    let schema = json!({ "type": "object", "properties": {
        "amount": {}, "claim": {}, "customer": {}, "document": {}, "id": {}, "to": {},
    }});
    let tool = |name: &&str| json!({ "name": name, "inputSchema": schema });
    TOOLS.iter().map(tool).collect()
}

const BANK: &str = r#"
[external.bank]
tools = "bank.json"
labels = []
taints = []
"#;

async fn play(heading: &str, example: &Example, script: Script) {
    let desk = Desk::new(&format!("{BANK}{}", example.facts), &example.policies);
    fs::write(desk.dir.path().join("bank.json"), tools().to_string()).unwrap();
    let gate = desk.open().await;
    let pdp = &gate.ruleset().pdp;
    assert_eq!((pdp.warnings(), pdp.lint()), (&[][..], vec![]), "{heading}");
    let mut open = Vec::new();
    for line in script {
        let place = format!("{heading}: {line}");
        if let Some(minutes) = line.strip_prefix("wait ") {
            let minutes: i64 = minutes.trim_end_matches('m').parse().unwrap();
            desk.pass(minutes * 60_000_000);
        } else if *line == "close" {
            for (user, call) in open.drain(..) {
                finish(&gate, user, &call, false, "{}").await;
            }
        } else {
            let (call, expected) = line.split_once(" = ").unwrap();
            open.extend(step(&gate, call, expected, &place).await);
        }
    }
    gate.close().await;
}

/// One call; returns it if it stays open.
async fn step<'s>(
    gate: &Gate,
    line: &'s str,
    expected: &str,
    place: &str,
) -> Option<(&'s str, crate::gate::AuthorizedCall)> {
    let (user, run, line) = match line.split_once('@') {
        Some((user, rest)) if !user.contains(' ') => {
            let (run, rest) = rest.split_once(' ').unwrap();
            (user, run, rest)
        }
        _ => ("alice", "r", line),
    };
    let (tool, arguments) = line.split_once(' ').unwrap();
    let arguments: Value = serde_json::from_str(arguments).unwrap();
    let authorized = call(gate, user, run, &format!("bank__{tool}"), &arguments).await;
    let outcome = match expected {
        "deny" => Outcome::Deny,
        "ask" => Outcome::Escalate,
        _ => Outcome::Allow,
    };
    let (decision, facts) = latest(gate);
    assert_eq!(decision.outcome, outcome, "{place}: {:?}", facts.history);
    let call = authorized.ok()?;
    match expected {
        "open" => return Some((user, call)),
        "fails" => finish(gate, user, &call, true, "it failed").await,
        result => finish(gate, user, &call, false, result).await,
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn each_example_of_the_documentation_does_what_it_says() {
    let examples = examples();
    let scripts: BTreeMap<&str, Script> = SCRIPTS.iter().copied().collect();
    let headings: Vec<&str> = examples.keys().map(String::as_str).collect();
    let played: Vec<&str> = scripts.keys().copied().collect();
    assert_eq!(headings, played, "each example has a script");
    for (heading, example) in &examples {
        play(heading, example, scripts[heading.as_str()]).await;
    }
}
