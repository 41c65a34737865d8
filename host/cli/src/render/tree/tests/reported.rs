//! What agents reported, drawn with what the gate saw.

use super::*;

/// What an agent reports, some time after the run began.
fn told(n: u8, parent: Option<u8>, name: &str, after: i64) -> StoredSpan {
    let start = Timestamp(1_795_249_800_000_000 + after);
    StoredSpan {
        trace: RunId::from_bytes([1; 16]),
        span: span(n),
        parent: parent.map(span),
        origin: SpanOrigin::Reported,
        reporter: AGENT.into(),
        name: name.into(),
        kind: "internal".into(),
        start,
        end: Some(start.plus(1_500_000)),
        error: None,
        model: None,
        usage: None,
        counts: false,
        resource: Default::default(),
        scope: Default::default(),
        body: Body::default(),
    }
}

/// The line of a tree that contains these words.
#[track_caller]
fn place(tree: &str, words: &str) -> usize {
    let line = tree.lines().position(|line| line.contains(words));
    line.unwrap_or_else(|| panic!("`{words}` is not in\n{tree}"))
}

#[test]
fn what_was_reported_stands_beside_what_was_seen() {
    let mut story = Story::new();
    let no = [policy("no", "security", "No.")];
    story.call_with(40, 41, "files__read", Outcome::Deny, &no, |decision| {
        decision.caller_span = Some(span(102));
    });
    story.call(50, 51, "files__list", Outcome::Deny, &no);
    let mut chat = told(101, Some(100), "chat gpt-5", 10);
    chat.model = Some("gpt-5".into());
    chat.counts = true;
    chat.usage = Some(Usage {
        input_tokens: 12_345,
        output_tokens: 60,
        cached_tokens: 0,
        cache_write_tokens: 0,
        cost_nano: Some(16_031_250),
    });
    let mut failed = told(103, Some(99), "an orphan\u{1b}[31m", 5_000_000);
    failed.error = Some("_OTHER".into());
    failed.body.message = "it broke".into();
    failed.reporter = "Tollgate::Agent::\"collector\"".into();
    let reported = vec![
        told(100, None, "invoke_agent support", 0),
        chat,
        told(102, Some(100), "execute_tool read", 20),
        failed,
        // These two stand above each other.
        told(104, Some(105), "hen", 6_000_000),
        told(105, Some(104), "egg", 7_000_000),
        // The gate's own span, which came back, is there once.
        told(40, None, "execute_tool files__read", 30),
    ];
    let merged = MergedTrace::of(reported, &story.records);
    let tree = story.draw_merged(&merged, false);
    let place = |words: &str| place(&tree, words);
    let order = [
        "invoke_agent support",
        "chat gpt-5",
        "execute_tool read",
        "files__read",
        "an orphan\\u{1b}[31m",
        "it broke",
        "egg",
        "hen",
    ]
    .map(place);
    assert!(order.is_sorted(), "{tree}");
    for words in [
        "12k → 60 tokens",
        "0.0160 USD",
        "by Tollgate::Agent::\"collector\"",
        "files__list",
    ] {
        place(words);
    }
    assert!(!tree.contains("execute_tool files__read"), "{tree}");
}

#[test]
fn neither_depth_nor_circles_lose_a_span() {
    let mut story = Story::new();
    let no = [policy("no", "security", "No.")];
    story.call_with(40, 41, "files__read", Outcome::Deny, &no, |decision| {
        decision.caller_span = Some(span(100));
    });
    // The call stands under 100, which says that it stands under the call's own decision.
    let round = MergedTrace::of(vec![told(100, Some(41), "round", 0)], &story.records);
    assert!(story.draw_merged(&round, true).contains("round"));

    let deep = |n: u32| {
        let id = |n: u32| SpanId::from_bytes((u64::from(n) + 1_000).to_be_bytes());
        let mut span = told(1, None, "deep", i64::from(n));
        span.span = id(n);
        span.parent = (n > 0).then(|| id(n - 1));
        span
    };
    let chain = MergedTrace::of((0..20_000).map(deep).collect(), &story.records);
    assert_eq!(
        story.draw_merged(&chain, false).matches("deep").count(),
        20_000
    );
}

#[test]
fn spans_of_one_id_hang_below_those_of_their_own_sender() {
    let story = Story::new();
    let chain = |reporter: &'static str| {
        (0..40).map(move |n| StoredSpan {
            reporter: reporter.into(),
            ..told(
                100 + n,
                (n > 0).then(|| 99 + n),
                &format!("span of {reporter}"),
                i64::from(n),
            )
        })
    };
    let reported = chain("Agent::\"a\"").chain(chain("Agent::\"b\"")).collect();
    let merged = MergedTrace::of(reported, &story.records);
    let tree = story.draw_merged(&merged, false);
    for reporter in ["a", "b"] {
        assert_eq!(
            tree.matches(&format!("span of Agent::\"{reporter}\""))
                .count(),
            40,
            "{tree}"
        );
    }
    let top: Vec<&str> = merged.top().map(|span| span.reporter.as_str()).collect();
    assert_eq!(top, ["Agent::\"a\"", "Agent::\"b\""]);
    for span in merged.spans() {
        assert!(
            merged
                .below_reported(span)
                .all(|below| below.reporter == span.reporter)
        );
    }
}

#[test]
fn reported_logs_stand_where_they_belong_and_move_no_cursor() {
    let mut story = Story::new();
    let no = [policy("no", "security", "No.")];
    story.call(40, 41, "files__read", Outcome::Deny, &no);
    let log = |n: Option<u8>, text: &str| StoredLog {
        trace: RunId::from_bytes([1; 16]),
        span: n.map(span),
        reporter: AGENT.into(),
        time: Timestamp(1_795_249_800_000_000),
        severity: "WARN".into(),
        event: None,
        body: text.into(),
        attributes: Default::default(),
    };
    let mut logs = vec![
        log(None, "of the run"),
        log(Some(99), "of an unknown span"),
        log(Some(40), "of the call\u{1b}[2J"),
    ];
    logs.extend((0..5).map(|n| log(Some(100), &format!("line {n}"))));
    logs[3].reporter = "Tollgate::Agent::\"collector\"".into();
    let reported = vec![told(100, None, "chat gpt-5", 10)];
    let merged = MergedTrace::of(reported, &story.records).with_logs(logs);
    let tree = story.draw_merged(&merged, false);
    let place = |words: &str| place(&tree, words);
    let order = [
        "of the run",
        "of an unknown span",
        "chat gpt-5",
        "reported log by Tollgate::Agent::\"collector\" WARN: line 0",
        "reported log WARN: line 2",
        "… and 2 reported logs more: --full",
    ]
    .map(place);
    assert!(order.is_sorted(), "{tree}");
    assert_eq!(
        place("reported log WARN: of the call\\u{1b}[2J"),
        place("files__read") + 1,
        "{tree}"
    );
    assert!(!tree.contains("line 4"), "{tree}");
    assert!(story.draw_merged(&merged, true).contains("line 4"));
}
