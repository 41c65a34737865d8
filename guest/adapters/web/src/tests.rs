use tollgate_guest::Content;
use tollgate_guest::testing;

use super::*;

const HTML: &str = r#"<!doctype html><html><head><title>Prices &amp; terms</title><style>p{}</style>
        <script>if (a < b) document.write("<p>no</p>")</script></head>
        <body><h1>Prices</h1><p>One <b>unit</b> costs&nbsp;5.</p>
        <ul><li>first<li><a href="/terms#x">Terms</a></ul><a href="../up?q=a b">Up</a></body></html>"#;

fn json(outcome: Result<Vec<Content>, ToolError>) -> tollgate_guest::serde_json::Value {
    match outcome.unwrap().as_slice() {
        [Content::Text(_), Content::Structured(text)] => {
            tollgate_guest::serde_json::from_str(text).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_page_is_read_in_parts() {
    let web = testing::web();
    web.answer_as(
        "GET",
        "https://a.example/x/y",
        200,
        &[("content-type", "text/html; charset=utf-8")],
        HTML,
    );
    let whole = json(ADAPTER.call("fetch", r#"{"url":"https://a.example/x/y"}"#));
    assert_eq!(whole["title"], "Prices & terms");
    assert_eq!(
        whole["text"],
        "# Prices\n\nOne unit costs 5.\n\n- first\n- Terms\n\nUp"
    );
    assert_eq!(whole["next"], tollgate_guest::serde_json::Value::Null);
    let long = "word ".repeat(100);
    web.answer_as(
        "GET",
        "https://a.example/long",
        200,
        &[("content-type", "text/plain")],
        long.as_str(),
    );
    let part = json(ADAPTER.call(
        "fetch",
        r#"{"url":"https://a.example/long","limit":100,"start":450}"#,
    ));
    assert_eq!(
        (part["total"].as_u64(), part["next"].as_u64()),
        (Some(499), None)
    );
    let part = json(ADAPTER.call("fetch", r#"{"url":"https://a.example/long","limit":100}"#));
    assert_eq!(part["next"], 100);
}

#[test]
fn links_are_absolute_and_listed_once() {
    let web = testing::web();
    web.answer_as(
        "GET",
        "https://a.example/x/y",
        200,
        &[("content-type", "text/html")],
        HTML.repeat(2),
    );
    let found = json(ADAPTER.call("links", r#"{"url":"https://a.example/x/y"}"#));
    assert_eq!(
        found["links"].to_string(),
        r#"[{"text":"Terms","url":"https://a.example/terms"},{"text":"Up","url":"https://a.example/up?q=a%20b"}]"#
    );
    let some = json(ADAPTER.call(
        "links",
        r#"{"url":"https://a.example/x/y","contains":"TERM"}"#,
    ));
    assert_eq!(some["links"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_page_is_an_error_that_says_so() {
    let web = testing::web();
    web.answer_as(
        "GET",
        "https://a.example/p",
        200,
        &[("content-type", "image/png")],
        [1, 2, 3],
    );
    web.answer("GET", "https://a.example/gone", 410, "");
    let said = |url: &str| {
        let arguments = format!(r#"{{"url":"{url}"}}"#);
        ADAPTER.call("fetch", &arguments).unwrap_err().to_string()
    };
    assert!(said("https://a.example/p").contains("is not text but image/png (3 bytes)"));
    assert!(said("https://a.example/gone").contains("the server answered 410"));
    web.deny("a.example", "This host is closed.");
    assert!(said("https://a.example/p").starts_with("denied: "));
}
