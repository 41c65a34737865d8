//! What users ask for, told by the hosts of their agents.

use reqwest::Method;
use serde_json::json;

use tollgate_testkit::{rest::HttpGate, world::World};

async fn served() -> HttpGate {
    let world = World::new("");
    let table = "[agents.support]\n";
    let config = world.read("tollgate.toml");
    assert!(config.contains(table));
    let trusted = config.replace(table, &format!("{table}request_from = [\"rest\"]\n"));
    let external = "[external.claude]\npreset = \"claude-code\"\nlabels = []\n";
    world.write("tollgate.toml", &format!("{trusted}\n{external}"));
    HttpGate::at(world, "192.0.2.1:443").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_belongs_to_the_run_of_the_calls_that_follow() {
    let served = served().await;
    let agent = served.agent("support").await;
    let told = json!({ "text": "Close ticket t1", "run": "r" });
    let reply = served.post(&agent, "/v1/requests", told).await.is(200);
    let call = json!({ "tool": "claude__Bash", "arguments": { "command": "ls" }, "run": "r" });
    let call = served.post(&agent, "/v1/authorize", call).await.is(200);
    assert_eq!(reply["run"], call["run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_from_elsewhere_is_refused() {
    let served = served().await;
    let (agent, other) = (served.agent("support").await, served.agent("other").await);
    let told = json!({ "text": "Close ticket t1", "run": "r" });
    served
        .post(&other, "/v1/requests", told)
        .await
        .fails(403, "forbidden");
    let long = json!({ "text": "x".repeat(65_537), "run": "r" });
    served
        .post(&agent, "/v1/requests", long)
        .await
        .fails(400, "invalid_request");
}

/// A channel that tells the user's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Channel {
    Rest,
    Mcp,
    Header,
    Otlp,
}

const CHANNELS: [Channel; 4] = [Channel::Rest, Channel::Mcp, Channel::Header, Channel::Otlp];
const REQUEST: &str = "Quote 12900 Euro";

impl Channel {
    fn name(self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Mcp => "mcp",
            Self::Header => "header",
            Self::Otlp => "otlp",
        }
    }
}

/// Allows a quote only of an amount that is known to be the user's.
const USERS_AMOUNT: &str = r#"@id("the-users-amount") @owner("tests")
forbid (principal, action == Tollgate::Action::"payments__quote", resource)
unless { context.provenance.known && context.provenance.user.contains("/amount") };"#;

/// A gate with an agent for each channel that is trusted for it, and `support`, for which none is.
async fn trusting() -> HttpGate {
    let world = World::new(USERS_AMOUNT);
    let agent = |channel: Channel| {
        let name = channel.name();
        format!(
            "[agents.{name}]\noperator = \"alice\"\nroles = [\"clerk\"]\nrequest_from = [\"{name}\"]\n"
        )
    };
    let agents: String = CHANNELS.into_iter().map(agent).collect();
    world.configure("[agents.support]\n", &format!("{agents}[agents.support]\n"));
    HttpGate::at(world, "192.0.2.1:443").await
}

/// Tells the request over a channel, and calls for a quote in the same trace. Returns the outcome of the call.
async fn quote(gate: &HttpGate, agent: &str, channel: Channel, trace: u8) -> String {
    let token = gate.agent(agent).await;
    let trace = format!("{trace:02x}").repeat(16);
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let post = |path: &str| {
        let request = gate.request(Method::POST, path).bearer_auth(&token);
        request.header("traceparent", &parent)
    };
    let arguments = json!({ "amount": 12900, "currency": "EUR" });
    let call = json!({ "tool": "payments__quote", "arguments": arguments });
    let mut calling = post("/v1/calls").json(&call);
    match channel {
        Channel::Rest => {
            let told = post("/v1/requests").json(&json!({ "text": REQUEST }));
            gate.send(told).await;
        }
        Channel::Header => {
            calling = calling.header("tollgate-user-request", REQUEST.replace(' ', "%20"));
        }
        Channel::Otlp => {
            let span = json!({
                "traceId": trace, "spanId": "b7ad6b7169203332", "name": "request",
                "startTimeUnixNano": "1", "endTimeUnixNano": "2",
                "attributes": [{ "key": "tollgate.user_request", "value": { "stringValue": REQUEST } }],
            });
            let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
            let token = gate.request(Method::POST, "/v1/traces").bearer_auth(&token);
            gate.send(token.json(&spans)).await.is(200);
        }
        Channel::Mcp => {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "dev.tollgate/user-request": REQUEST,
            });
            let params =
                json!({ "name": "payments__quote", "arguments": arguments, "_meta": meta });
            let message =
                json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
            let message = post("/mcp")
                .header("accept", "application/json, text/event-stream")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "payments__quote")
                .json(&message);
            let answer = gate.send(message).await.is(200).to_string();
            let denied = answer.contains("the-users-amount");
            return if denied { "denied" } else { "ok" }.to_owned();
        }
    }
    let reply = gate.send(calling).await.is(200);
    reply["outcome"].as_str().unwrap().to_owned()
}

/// A request counts over a channel that the operator names, and changes nothing over any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_counts_only_where_the_operator_names_it() {
    let gate = trusting().await;
    let agents = CHANNELS.map(|channel| (channel.name(), Some(channel)));
    let agents = agents.into_iter().chain([("support", None)]);
    let all = agents.flat_map(|agent| CHANNELS.map(|told| (agent, told)));
    for (trace, ((agent, named), told)) in (1..).zip(all) {
        let outcome = quote(&gate, agent, told, trace).await;
        let expected = if named == Some(told) { "ok" } else { "denied" };
        assert_eq!(outcome, expected, "{told:?} where {named:?} is named");
    }
}

/// The same words of another principal, or in another trace, are not this run's.
#[tokio::test(flavor = "multi_thread")]
async fn a_span_of_another_sender_or_trace_tells_nothing() {
    let gate = trusting().await;
    let trace = "77".repeat(16);
    for (sender, trace) in [("other", trace.as_str()), ("otlp", &"78".repeat(16))] {
        let span = json!({
            "traceId": trace, "spanId": "b7ad6b7169203332", "name": "request",
            "startTimeUnixNano": "1", "endTimeUnixNano": "2",
            "attributes": [{ "key": "tollgate.user_request", "value": { "stringValue": REQUEST } }],
        });
        let spans = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
        let token = gate.agent(sender).await;
        gate.post(&token, "/v1/traces", spans).await.is(200);
    }
    // `rest` is not named: only the call is made.
    assert_eq!(quote(&gate, "otlp", Channel::Rest, 0x77).await, "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_cannot_be_read_stops_the_call() {
    let gate = trusting().await;
    let token = gate.agent("header").await;
    let call =
        json!({ "tool": "payments__quote", "arguments": { "amount": 12900, "currency": "EUR" } });
    let request = gate.request(Method::POST, "/v1/calls").bearer_auth(&token);
    let request = request.header("tollgate-user-request", "10% off");
    gate.send(request.json(&call))
        .await
        .fails(400, "invalid_request");
}

/// A principal tells only its own runs, also in a trace that another principal calls in.
#[tokio::test(flavor = "multi_thread")]
async fn a_header_of_another_principal_tells_nothing() {
    let gate = trusting().await;
    // `support` has no channel. `header` tells in its own run only.
    assert_eq!(
        quote(&gate, "support", Channel::Header, 0x79).await,
        "denied"
    );
    assert_eq!(quote(&gate, "header", Channel::Rest, 0x79).await, "denied");
    assert_eq!(quote(&gate, "header", Channel::Header, 0x79).await, "ok");
    assert_eq!(quote(&gate, "support", Channel::Rest, 0x79).await, "denied");
}
