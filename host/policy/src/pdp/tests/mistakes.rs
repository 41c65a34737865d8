//! Mistakes that people make: each is reported once, where it is, with what to write instead.

use super::*;
use crate::policy::{ConfiguredNames, Level};

/// What is wrong, a policy without its annotations, the marked text, and part of the advice.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

const IDS: &[Mistake] = &[
    (
        "a grant that does not exist",
        r#"forbid (principal, action == A"read_file", resource in T::Directory::"desk/dat:/vip");"#,
        r#""desk/dat:/vip""#,
        "did you mean `desk/data`?",
    ),
    (
        "a slash at the end",
        r#"forbid (principal, action == A"read_file", resource in T::Directory::"desk/data:/vip/");"#,
        r#""desk/data:/vip/""#,
        "without a slash at the end",
    ),
    (
        "a directory without its component",
        r#"forbid (principal, action == A"read_file", resource in T::Directory::"data:/vip");"#,
        r#""data:/vip""#,
        "<component>/<grant>:/path",
    ),
    (
        "a directory like a path",
        r#"forbid (principal, action == A"read_file", resource in T::Directory::"/vip");"#,
        r#""/vip""#,
        "<component>/<grant>:/path",
    ),
    (
        "a component that does not exist",
        r#"forbid (principal, action == A"read_file", resource in T::Directory::"dsek/data:/vip");"#,
        r#""dsek/data:/vip""#,
        "did you mean `desk`?",
    ),
    (
        "a file without a slash",
        r#"forbid (principal, action == A"read_file", resource == T::File::"desk/data:vip.txt");"#,
        r#""desk/data:vip.txt""#,
        "files are",
    ),
    (
        "a scope of state",
        r#"forbid (principal, action == A"read_state", resource in T::State::"desk/adaptor:");"#,
        r#""desk/adaptor:""#,
        "adapter",
    ),
    (
        "a configuration entry",
        r#"forbid (principal, action == A"read_config", resource == T::ConfigEntry::"desk/regoin");"#,
        r#""desk/regoin""#,
        r#"did you mean "desk/region"?"#,
    ),
    (
        "a host with its scheme",
        r#"forbid (principal, action == A"http_request", resource == T::Host::"https://api.example.com");"#,
        r#""https://api.example.com""#,
        r#"write "api.example.com""#,
    ),
    (
        "a host in upper case",
        r#"forbid (principal, action == A"http_request", resource == T::Host::"API.example.com");"#,
        r#""API.example.com""#,
        r#"write "api.example.com""#,
    ),
    (
        "a host with its port",
        r#"forbid (principal, action == A"http_request", resource == T::Host::"api.example.com:443");"#,
        r#""api.example.com:443""#,
        r#"write "api.example.com""#,
    ),
    (
        "a domain with a star",
        r#"forbid (principal, action == A"http_request", resource in T::Domain::"*.example.com");"#,
        r#""*.example.com""#,
        r#"write "example.com""#,
    ),
    (
        "a host in Unicode",
        "forbid (principal, action == A\"http_request\", resource == T::Host::\"m\u{fc}nchen.de\");",
        "\"m\u{fc}nchen.de\"",
        "ASCII",
    ),
    (
        "a role",
        r#"forbid (principal in T::Role::"securty", action in A"call", resource);"#,
        r#""securty""#,
        r#"did you mean "security"?"#,
    ),
    (
        "a label",
        r#"forbid (principal, action in A"call", resource) when { context.run.labels.contains(T::Label::"privat") };"#,
        r#""privat""#,
        r#"did you mean "private"?"#,
    ),
    (
        "a tool",
        r#"forbid (principal, action == A"raed", resource);"#,
        r#"A"raed""#,
        r#"Action::"read""#,
    ),
    (
        "an entity type",
        r#"forbid (principal in T::Rol::"clerk", action in A"call", resource);"#,
        "T::Rol",
        "Tollgate::Role",
    ),
];

const VALUES: &[Mistake] = &[
    (
        "a method in lower case",
        r#"forbid (principal, action == A"http_request", resource) when { context.method == "get" };"#,
        r#"context.method == "get""#,
        r#"write "GET""#,
    ),
    (
        "a method in a list",
        r#"forbid (principal, action == A"http_request", resource) when { ["post", "PUT"].contains(context.method) };"#,
        r#".contains(context.method)"#,
        r#"write "POST""#,
    ),
    (
        "a scheme in upper case",
        r#"forbid (principal, action == A"http_request", resource) when { context.scheme == "HTTP" };"#,
        r#"context.scheme == "HTTP""#,
        r#""http" or "https""#,
    ),
    (
        "a pattern of paths without a slash",
        r#"forbid (principal, action == A"http_request", resource) when { context.path like "admin/*" };"#,
        r#"context.path like "admin/*""#,
        "begin with a slash",
    ),
    (
        "a path without a slash",
        r#"forbid (principal, action == A"http_request", resource) when { context.path == "admin" };"#,
        r#"context.path == "admin""#,
        r#"write "/admin""#,
    ),
    (
        "a port",
        r#"forbid (principal, action == A"http_request", resource) when { context.port == 0 };"#,
        "context.port == 0",
        "1 to 65535",
    ),
    (
        "a weekday",
        r#"forbid (principal, action in A"call", resource) when { context.local.weekday == 0 };"#,
        "context.local.weekday == 0",
        "1 (Monday)",
    ),
    (
        "a channel",
        r#"forbid (principal, action == A"approve", resource) when { context.channel == "slak" };"#,
        r#"context.channel == "slak""#,
        r#"did you mean "slack"?"#,
    ),
    (
        "an enumeration as a text",
        r#"forbid (principal, action == A"refund", resource) when { context.input has currency && context.input.currency == "EUR" };"#,
        r#"context.input.currency == "EUR""#,
        r#"Tollgate::refund::Input::currency::"EUR""#,
    ),
    (
        "a wrong value of an enumeration",
        r#"forbid (principal, action == A"refund", resource) when { context.input has currency && context.input.currency == "EURO" };"#,
        r#"context.input.currency == "EURO""#,
        r#"did you mean Tollgate::refund::Input::currency::"EUR"?"#,
    ),
    (
        "a label as a text",
        r#"forbid (principal, action in A"call", resource) when { context.run.labels.contains("private") };"#,
        r#"contains("private")"#,
        r#"Tollgate::Label::"private""#,
    ),
    (
        "a user as a text",
        r#"forbid (principal, action in A"call", resource) when { context.on_behalf_of == "alice" };"#,
        r#"context.on_behalf_of == "alice""#,
        r#"Tollgate::User::"alice""#,
    ),
    (
        "a set as one of its elements",
        r#"forbid (principal, action in A"call", resource) when { context.run.labels == T::Label::"private" };"#,
        "context.run.labels ==",
        ".contains(x)",
    ),
    (
        "a number in quotes",
        r#"forbid (principal, action == A"refund", resource) when { context.input.amount > "5000" };"#,
        "\"5000\"",
        "without quotes: 5000",
    ),
    (
        "an equal number in quotes",
        r#"forbid (principal, action == A"refund", resource) when { context.input.amount == "3" };"#,
        r#"context.input.amount == "3""#,
        "without quotes: 3",
    ),
    (
        "a decimal compared like an integer",
        r#"forbid (principal, action == A"refund", resource) when { context.input has rate && context.input.rate > 5 };"#,
        "context.input.rate",
        ".lessThan(decimal(",
    ),
    (
        "a truth value in quotes",
        r#"forbid (principal, action in A"call", resource) when { context.run.reported.complete == "true" };"#,
        r#"context.run.reported.complete == "true""#,
        "without quotes",
    ),
];

const PARTS: &[Mistake] = &[
    (
        "a group as an action",
        r#"forbid (principal, action == A"call", resource);"#,
        r#"A"call""#,
        "action in",
    ),
    (
        "an agent as what writes a file",
        r#"forbid (principal == T::Agent::"support", action == A"write_file", resource);"#,
        r#"T::Agent::"support""#,
        "context.agent == ",
    ),
    (
        "a role of what sends a request",
        r#"forbid (principal in T::Role::"clerk", action == A"http_request", resource);"#,
        r#"T::Role::"clerk""#,
        "context.agent in ",
    ),
    (
        "a user as what uses a secret",
        r#"forbid (principal == T::User::"alice", action == A"use_secret", resource);"#,
        r#"T::User::"alice""#,
        "context.on_behalf_of == ",
    ),
    (
        "an agent in the condition",
        r#"forbid (principal, action == A"write_file", resource) when { principal == T::Agent::"support" };"#,
        r#"principal == T::Agent::"support""#,
        "context.agent == ",
    ),
    (
        "a directory that is equal to a file",
        r#"forbid (principal, action == A"read_file", resource == T::Directory::"desk/data:/vip");"#,
        r#"T::Directory::"desk/data:/vip""#,
        "resource in ",
    ),
    (
        "a directory that is equal to a file, in what a permit leaves out",
        r#"permit (principal, action == A"read_file", resource) unless { resource == T::Directory::"desk/data:/vip" };"#,
        r#"resource == T::Directory::"desk/data:/vip""#,
        "resource in ",
    ),
    (
        "a role that is equal to an agent, under a negation",
        r#"permit (principal, action == A"refund", resource) when { !(principal == T::Role::"clerk") };"#,
        r#"principal == T::Role::"clerk""#,
        "principal in ",
    ),
    (
        "an argument that a tool does not have, in what a permit leaves out",
        r#"permit (principal, action == A"refund", resource) unless { context.input has town };"#,
        "context.input has town",
        "`context.input` has amount",
    ),
    (
        "a domain that is equal to a host",
        r#"forbid (principal, action == A"http_request", resource == T::Domain::"example.com");"#,
        r#"T::Domain::"example.com""#,
        "resource in ",
    ),
    (
        "a principal that cannot do it",
        r#"permit (principal is T::Agent, action == A"halt", resource);"#,
        "permit",
        "of type User",
    ),
    (
        "an argument that some tools have",
        r#"forbid (principal, action in [A"refund", A"read"], resource) when { context.input.amount > 3 };"#,
        "context.input.amount",
        "context.input has amount",
    ),
    (
        "an argument of one tool in all calls",
        r#"forbid (principal, action in A"call", resource) when { context.input.amount > 3 && context.input.amount < 9 };"#,
        "context.input.amount",
        "context has input.amount &&",
    ),
    (
        "the arguments of all calls",
        r#"forbid (principal, action in A"call", resource) when { context.input has amount && context.input.amount > 3 };"#,
        "context.input",
        "context has input &&",
    ),
    (
        "a misspelt fact",
        r#"forbid (principal, action in A"call", resource) when { context.run.cals > 3 };"#,
        "context.run.cals",
        "did you mean `calls`?",
    ),
    (
        "a misspelt argument after `has`",
        r#"forbid (principal, action == A"refund", resource) when { context.input has notee };"#,
        "context.input has notee",
        "did you mean `note`?",
    ),
    (
        "an optional argument",
        r#"forbid (principal, action == A"refund", resource) when { context.input.rate.lessThan(decimal("1.0")) };"#,
        "context.input.rate",
        "context.input has rate",
    ),
    (
        "a misspelt member of a result",
        r#"@redact("/colums/*/name") forbid (principal, action == A"return_result", resource == T::Tool::"read");"#,
        "@id",
        "did you mean `columns`?",
    ),
    (
        "a misspelt argument to redact",
        r#"@redact("/notee") forbid (principal, action == A"refund", resource);"#,
        "@id",
        "correct the pointer",
    ),
    (
        "a misspelt annotation",
        r#"@severty("high") forbid (principal, action in A"call", resource) when { context.run.calls > 9 };"#,
        "@id",
        "`@severity`",
    ),
];

fn checked(policies: &str) -> Bundle {
    let output = json!({
        "type": "object",
        "properties": { "columns": { "type": "array", "items": {
            "type": "object", "properties": { "name": { "type": "string" } },
        } } },
    });
    Bundle {
        checked: CheckedNames {
            configured: ConfiguredNames {
                grants: BTreeSet::from(["desk/data".into()]),
                config_entries: BTreeSet::from(["desk/region".into()]),
            },
            output_schemas: BTreeMap::from([("read".into(), output)]),
        },
        ..bundle(policies)
    }
}

/// What is reported about a set, without notes, each with the marked text.
fn reported(policies: &str) -> Vec<(Diagnostic, String)> {
    let found = match Pdp::load(&checked(policies)) {
        Ok(pdp) => [pdp.warnings().to_vec(), pdp.lint()].concat(),
        Err(LoadError::Policies(found)) => found,
        Err(other) => panic!("{other}"),
    };
    let weighty = found.into_iter().filter(|d| d.level != Level::Note);
    weighty
        .map(|d| {
            let marked = policies.get(d.offset..d.offset + d.length).unwrap();
            let marked = marked.to_owned();
            (d, marked)
        })
        .collect()
}

#[test]
fn each_mistake_is_reported_once_where_it_is_with_a_remedy() {
    let mut wrong = Vec::new();
    let mistakes: Vec<&Mistake> = IDS.iter().chain(VALUES).chain(PARTS).collect();
    assert!(mistakes.len() >= 30);
    for (name, body, culprit, remedy) in mistakes {
        let long = |text: &str| {
            let text = text.replace("A\"", "Tollgate::Action::\"");
            text.replace("T::", "Tollgate::")
        };
        let text = format!("@id(\"p\") @owner(\"ops\") @reason(\"r\")\n{}", long(body));
        let found = reported(&text);
        let [(diagnostic, marked)] = found.as_slice() else {
            let found: Vec<String> = found.iter().map(|(d, _)| d.to_string()).collect();
            wrong.push(format!("{name}: {} reports: {found:#?}", found.len()));
            continue;
        };
        let help = diagnostic.help.clone().unwrap_or_default();
        if !marked.contains(&long(culprit)) || !help.contains(remedy) {
            wrong.push(format!("{name}: `{marked}`: {diagnostic}"));
        }
        // The whole policy is marked only where an annotation is the culprit.
        if marked.contains("@id") && !matches!(*culprit, "@id" | "permit") {
            wrong.push(format!("{name}: the whole policy is marked"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The culprit is reported, and not those that it makes pointless.
#[test]
fn a_policy_that_covers_all_others_is_the_culprit() {
    let mut text = policy("open", "permit (principal, action, resource);");
    for n in 0..8 {
        text.push_str(&policy(
            &format!("grant-{n}"),
            &format!(
                "permit (principal, action == Tollgate::Action::\"refund\", resource) when {{ context.input.amount < {n} }};"
            ),
        ));
    }
    let found = reported(&text);
    let messages: Vec<String> = found.iter().map(|(d, _)| d.to_string()).collect();
    assert_eq!(messages.len(), 1, "{messages:#?}");
    for part in [
        "policy `open` permits every request",
        "8 policies make no difference",
        "`grant-0`",
        "3 more",
        "narrow",
    ] {
        assert!(messages[0].contains(part), "{messages:?}");
    }
}

/// What is right is not reported.
#[test]
fn right_forms_are_left_alone() {
    let bodies = [
        r#"forbid (principal, action == Tollgate::Action::"read_resource", resource) when { context.scheme == "file" };"#,
        r#"forbid (principal, action == Tollgate::Action::"http_request", resource) when { context.path like "*/admin" || ["GET", "PURGE"].contains(context.method) };"#,
        r#"forbid (principal, action == Tollgate::Action::"read_file", resource in Tollgate::Directory::"desk/data:/vip") when { context.agent == Tollgate::Agent::"support" };"#,
        r#"forbid (principal, action in Tollgate::Action::"call", resource) when { context has input.amount && context.input.amount > 3 };"#,
        r#"@redact("/columns/*/name") forbid (principal, action == Tollgate::Action::"return_result", resource == Tollgate::Tool::"read");"#,
        r#"@redact("/anything") forbid (principal, action == Tollgate::Action::"return_result", resource);"#,
    ];
    for body in bodies {
        let found = reported(&policy("p", body));
        assert!(found.is_empty(), "{body}: {found:?}");
    }
}
