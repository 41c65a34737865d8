//! What is reported of runs of this gate.

use super::*;

#[tokio::test]
async fn the_gates_own_spans_lie_beside_and_are_never_replaced() {
    let intake = Intake::new().await;
    let answer = call(
        &intake.gate,
        "monday",
        "files__read",
        r#"{"path":"none.txt"}"#,
    )
    .await;
    let ledger = intake.gate.ledger().reader();
    assert!(projector::catch_up(&intake.store, ledger).await.unwrap() > 0);
    assert_eq!(projector::catch_up(&intake.store, ledger).await.unwrap(), 0);
    let reader = intake.store.reader();
    let by_tool = TraceFilter {
        tenant: "default".into(),
        runs: true,
        has: vec![(Facet::Tool, "files__read".into())],
        ..TraceFilter::default()
    };
    let found = reader.find(&by_tool).unwrap();
    assert_eq!(found.len(), 1);
    let run = answer.run.unwrap();
    assert_eq!(found[0].trace, run);
    let own = reader
        .spans("default", run, Some(SpanOrigin::Gate))
        .unwrap();
    let root = own.iter().find(|s| s.parent.is_none()).unwrap();
    let tool = own.iter().find(|s| s.kind == "execute_tool").unwrap();
    assert_eq!(tool.parent, Some(root.span));
    let version = tool.body.attributes["tollgate.tool.version"].as_str();
    let by_version = TraceFilter {
        tenant: "default".into(),
        has: vec![(Facet::Version, format!("tool:{}", version.unwrap()))],
        ..TraceFilter::default()
    };
    assert_eq!(reader.find(&by_version).unwrap().len(), 1);

    // Its id, and one that is new, under the run's trace.
    let mut forged = span(1, 1);
    forged.trace_id = run.as_bytes().to_vec();
    forged.span_id = tool.span.as_bytes().to_vec();
    let mut new = span(1, 2);
    new.trace_id = run.as_bytes().to_vec();
    let (refused, why) = intake.send(vec![forged, new]).await;
    assert_eq!(refused, 1);
    assert!(why.contains("the gate's own span"), "{why}");
    assert_eq!(
        reader
            .spans("default", run, Some(SpanOrigin::Gate))
            .unwrap(),
        own
    );
    let reported = reader.spans("default", run, Some(SpanOrigin::Reported));
    assert_eq!(reported.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_reported_of_a_run_changes_neither_its_time_nor_what_it_is_found_by() {
    let intake = Intake::new().await;
    let answer = call(
        &intake.gate,
        "monday",
        "files__read",
        r#"{"path":"none.txt"}"#,
    )
    .await;
    let run = answer.run.unwrap();
    let ledger = intake.gate.ledger().reader();
    projector::catch_up(&intake.store, ledger).await.unwrap();
    let reader = intake.store.reader();
    let before = reader.trace("default", run).unwrap().unwrap();
    let mut early = span(1, 1);
    early.trace_id = run.as_bytes().to_vec();
    early.start_time_unix_nano = 0;
    early.end_time_unix_nano = u64::MAX;
    intake.send(vec![early]).await;
    let after = reader.trace("default", run).unwrap().unwrap();
    assert_eq!((before.started, before.last), (after.started, after.last));
    assert_eq!(after.reported, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn budgets_are_spent_by_what_was_reported_soon_after_it_was() {
    let intake = Intake::with("[budgets.run]\ntokens = 1000").await;
    let quote = || {
        call(
            &intake.gate,
            "monday",
            "payments__quote",
            r#"{"amount":1,"currency":"EUR"}"#,
        )
    };
    let first = quote().await;
    assert!(is_released(&first));
    let mut used = span(1, 1);
    used.trace_id = first.run.unwrap().as_bytes().to_vec();
    used.attributes = vec![attribute("gen_ai.usage.input_tokens", Any::IntValue(1_000))];
    assert_eq!(intake.send(vec![used]).await, (0, String::new()));
    let denied = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let answer = quote().await;
            if !is_released(&answer) {
                return answer;
            }
        }
    });
    assert_eq!(denied_by(&denied.await.unwrap()), ["budget/run/tokens"]);
}

/// A call of a model in a run's trace, with this many tokens.
fn chat(run: RunId, id: u8, tokens: i64) -> Span {
    let mut chat = span(1, id);
    chat.trace_id = run.as_bytes().to_vec();
    chat.name = "chat gpt".into();
    chat.attributes = vec![
        attribute("gen_ai.request.model", Any::StringValue("gpt".into())),
        attribute("gen_ai.usage.input_tokens", Any::IntValue(tokens)),
    ];
    chat
}

#[tokio::test]
async fn a_run_is_shown_with_what_its_own_agent_reported() {
    let mut intake = Intake::new().await;
    let answer = call(&intake.gate, "monday", "files__read", r#"{"path":"x"}"#).await;
    let run = answer.run.unwrap();
    assert_eq!(intake.send(vec![chat(run, 2, 70)]).await.0, 0);
    let log = LogRecord {
        trace_id: run.as_bytes().to_vec(),
        span_id: vec![2; 8],
        severity_text: "INFO".into(),
        ..LogRecord::default()
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: vec![log],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    let protobuf = [("content-type", PROTOBUF)];
    let posted = intake.post("/v1/logs", &protobuf, logs.encode_to_vec());
    assert_eq!(posted.await.unwrap().0, 200);

    // Another sender reports something of the same trace.
    let support = intake.token.clone();
    let other = Uid::new(Kind::Agent, "other");
    intake.token = token_of(&intake.gate, other.clone()).await;
    assert_eq!(intake.send(vec![chat(run, 3, 1_000)]).await.0, 0);

    let shown = async |token: &str| -> (u16, Value) {
        let request = intake.client.get(format!("{}/v1/runs/{run}", intake.url));
        let response = request.bearer_auth(token).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    };
    assert_eq!(shown(&intake.token).await.0, 404, "it is not the other's");
    let (_, own) = shown(&support).await;
    let reported = own["reported"].as_array().unwrap();
    assert_eq!(reported.len(), 1, "{own}");
    assert_eq!(reported[0]["origin"], "reported");
    assert_eq!(reported[0]["name"], "chat gpt");
    assert_eq!(own["logs"][0]["severity"], "INFO");
    assert_eq!(own["usage"]["input_tokens"], 70);
    assert_eq!(own["more_reported"], false);
    let alice = token_of(&intake.gate, Uid::new(Kind::User, "alice")).await;
    let (_, seen) = shown(&alice).await;
    assert_eq!(seen["reported"].as_array().unwrap().len(), 2, "{seen}");
    assert_eq!(seen["usage"]["input_tokens"], 70, "{seen}");

    // What is recalled after a restart, and what statistics sum up.
    let reader = intake.store.reader();
    let support = Uid::new(Kind::Agent, "support").to_string();
    let hours = reader.usage_by_hour("default", &support, Timestamp(0));
    let hours = hours.unwrap();
    assert_eq!(hours.len(), 1);
    assert_eq!(hours[0].1.usage.input_tokens, 70);
    let hour = 3_600_000_000;
    let now = intake.gate.now();
    assert_eq!(hours[0].0.0 / hour, now.0 / hour, "by the gate's clock");
    let later = reader.usage_by_hour("default", &support, now.plus(2 * 3_600_000_000));
    assert_eq!(later.unwrap(), []);
    let other = reader.usage_by_hour("default", &other.to_string(), Timestamp(0));
    assert_eq!(other.unwrap(), [], "it was not the other's run");
    let sums = reader.usage_of_runs("default", [run, RunId::from_bytes([9; 16])]);
    let sums = sums.unwrap();
    assert_eq!((sums.len(), sums[0].0), (1, run));
    assert_eq!(sums[0].2.usage.input_tokens, 70);
}

#[tokio::test]
async fn a_search_finds_the_oldest_of_many_runs_that_began_at_once() {
    const RUNS: usize = 2_500;
    let intake = Intake::new().await;
    let now = intake.gate.now();
    let id = |n: usize| {
        let mut bytes = [7; 16];
        bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
        RunId::from_bytes(bytes)
    };
    let begun = |n: usize| {
        let started = RunStarted {
            inherited: Default::default(),
            key: None,
            on_behalf_of: Uid::new(Kind::User, "alice"),
            origin: Origin::default(),
            principal: Uid::new(Kind::Agent, "support"),
            span: SpanId::from_bytes((n as u64 + 1).to_be_bytes()),
        };
        Record::new(
            "default",
            Some(id(n)),
            now,
            record::Event::RunStarted(started),
        )
    };
    for from in (0..RUNS).step_by(500) {
        let batch = Batch {
            records: (from..from + 500).map(begun).collect(),
            ..Batch::default()
        };
        intake.gate.ledger().commit(batch).await.unwrap();
    }
    let ledger = intake.gate.ledger().reader();
    projector::catch_up(&intake.store, ledger).await.unwrap();
    let reader = intake.store.reader();
    let all = RunSearch {
        tenant: "default".into(),
        principal: Some("support".into()),
        limit: 900,
        ..RunSearch::default()
    };
    let (found, _) = search::runs(reader, ledger, &all, |run| run.id == id(0)).unwrap();
    assert_eq!(found.len(), 1, "what others may not see is passed over");
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = RunSearch {
            before,
            ..all.clone()
        };
        let (found, next) = search::runs(reader, ledger, &page, |_| true).unwrap();
        pages.extend(found.into_iter().map(|run| run.id));
        match next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    let newest_first: Vec<RunId> = (0..RUNS).rev().map(id).collect();
    assert_eq!(pages, newest_first);
}

/// Logs as Claude Code writes them: no trace id, numbers as text.
fn claude_code_logs(session: &str) -> Value {
    let attribute = |key: &str, text: &str| json!({"key": key, "value": {"stringValue": text}});
    json!({"resourceLogs": [{
        "resource": {"attributes": [attribute("service.name", "claude-code")]},
        "scopeLogs": [{"logRecords": [{
            "timeUnixNano": "1795800000000000000",
            "severityNumber": "SEVERITY_NUMBER_INFO",
            "body": {"stringValue": "claude_code.api_request"},
            "attributes": [
                attribute("session.id", session),
                attribute("event.name", "api_request"),
                attribute("model", "claude-x"),
                attribute("input_tokens", "12"),
                attribute("output_tokens", "300"),
                attribute("cache_read_tokens", "48000"),
                attribute("cache_creation_tokens", "1500"),
                attribute("cost_usd", "0.0231"),
                attribute("duration_ms", "2100"),
            ],
        }]}],
    }]})
}

#[tokio::test]
async fn logs_of_a_session_count_for_the_run_of_its_hook() {
    let intake = Intake::new().await;
    let json = [("content-type", "application/json")];
    let logs = claude_code_logs("s1").to_string().into_bytes();
    // Sent twice, as a sender does that has not heard the answer.
    for _ in 0..2 {
        let answer = intake.post("/v1/logs", &json, logs.clone()).await.unwrap();
        assert_eq!(answer, (200, b"{}".to_vec()));
    }
    let trace = tollgate_trace::session::session_trace("default", "s1");
    let reader = intake.store.reader();
    assert_eq!(reader.logs("default", trace).unwrap().len(), 1);
    let spans = reader.spans("default", trace, None).unwrap();
    let [span] = spans.as_slice() else {
        panic!("{spans:?}")
    };
    let usage = span.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (49_512, 300));
    assert_eq!(usage.cost_nano, Some(23_100_000));
    let row = reader.trace("default", trace).unwrap().unwrap();
    assert_eq!(row.conversation.as_deref(), Some("s1"));
    // Without a session nothing says where it belongs.
    let lost = claude_code_logs("").to_string().into_bytes();
    let (status, body) = intake.post("/v1/logs", &json, lost).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(status, 200);
    assert_eq!(body["partialSuccess"]["rejectedLogRecords"], "1");
}
