//! List, call, denial, bad input: over both transports and in both protocol generations.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::Stdio,
};

use rmcp::{ServiceError, model::ErrorCode};
use serde_json::{Value, json};
use tollgate_testkit::{
    binary,
    mcp::{Client, Era, decision, is_ok, params, text, world},
    serve::Server,
};

/// Every way in which a client reaches the gate.
async fn everywhere(check: impl AsyncFn(&Client)) {
    let world = world("0s", "0s");
    for era in [Era::Legacy, Era::Modern] {
        let client = Client::stdio(&world, era, false).await;
        check(&client).await;
        client.end().await;
    }
    let server = Server::start(&world);
    for era in [Era::Legacy, Era::Modern] {
        let client = Client::http(&server, era, false).await;
        check(&client).await;
        client.end().await;
    }
    server.signal("TERM");
    server.ends();
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_listed_called_and_denied() {
    everywhere(async |client| {
        let tools = client.service.list_all_tools().await.unwrap();
        let names: Vec<&str> = tools.iter().map(|tool| &*tool.name).collect();
        let (last, others) = names.split_last().unwrap();
        assert_eq!(*last, "tollgate_resume");
        assert!(others.is_sorted() && others.contains(&"files__read"));
        let read = tools.iter().find(|t| t.name == "files__read").unwrap();
        assert_eq!(read.input_schema["required"], json!(["path"]));
        assert!(read.annotations.as_ref().unwrap().read_only_hint.unwrap());

        let found = client
            .call("files__read", json!({"path": "letter.txt"}))
            .await;
        is_ok(&found);
        assert_eq!(text(&found), "Dear Ada");

        let denied = client
            .call("files__delete", json!({"path": "letter.txt"}))
            .await;
        assert_eq!(denied.is_error, Some(true));
        assert!(denied.structured_content.is_none());
        assert_eq!(denied.content.len(), 1);
        for said in ["Nothing is deleted here.", "no-deleting", "Do not retry"] {
            assert!(text(&denied).contains(said), "{}", text(&denied));
        }
        let decided = decision(&denied);
        assert_eq!(decided["outcome"], "denied");
        assert_eq!(decided["policies"][0]["id"], "no-deleting");
        assert_eq!(decided["retry"], "never_unchanged");
        assert!(decided["decision"].as_str().unwrap().starts_with("dec-"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_call_is_told_where_it_can_be_acted_on() {
    everywhere(async |client| {
        let unknown = client.service.call_tool(params("files__raed", json!({})));
        match unknown.await {
            Err(ServiceError::McpError(error)) => {
                assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
                assert!(error.message.contains("files__read"), "{}", error.message);
            }
            other => panic!("{other:?}"),
        }
        let wrong = client.call("files__read", json!({"path": 7})).await;
        assert_eq!(wrong.is_error, Some(true));
        assert!(text(&wrong).contains("`/path`"), "{}", text(&wrong));
        assert_eq!(decision(&wrong)["outcome"], "invalid");
        for arguments in [
            json!({}),
            json!({"approval_id": "x"}),
            json!({"approval_id": "apr-0123456789abcdef"}),
        ] {
            let nothing = client.call("tollgate_resume", arguments).await;
            assert_eq!(nothing.is_error, Some(true));
            assert!(
                text(&nothing).starts_with("Not called"),
                "{}",
                text(&nothing)
            );
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_hangs_in_the_callers_trace_and_conversation() {
    let world = world("0s", "0s");
    let client = Client::stdio(&world, Era::Legacy, false).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let mut call = params("files__read", json!({"path": "letter.txt"}));
    call.meta = Some(
        serde_json::from_value(json!({
            "traceparent": format!("00-{trace}-b7ad6b7169203331-01"),
            "dev.tollgate/conversation": "chat-7",
        }))
        .unwrap(),
    );
    let found = client.service.call_tool(call).await.unwrap();
    assert_eq!(decision(&found)["run"], trace);
    // Without a trace it is the session's run.
    let found = client
        .call("files__read", json!({"path": "letter.txt"}))
        .await;
    assert_ne!(decision(&found)["run"], trace);
    client.end().await;
    let shown = world.json(&["runs", "show", trace]);
    let root = &shown["spans"][0]["attributes"];
    assert_eq!(root["gen_ai.conversation.id"], "chat-7", "{root}");
    assert_eq!(root["tollgate.caller.span.id"], "b7ad6b7169203331");
    world
        .run(&["runs", "show", trace])
        .exits(0)
        .says(&["conversation chat-7"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_gate_is_served_already_is_passed_on_and_outlives_that() {
    let world = world("0s", "0s");
    let server = Server::start(&world);
    let client = Client::stdio(&world, Era::Legacy, false).await;
    is_ok(
        &client
            .call("files__read", json!({"path": "letter.txt"}))
            .await,
    );
    server.signal("TERM");
    server.ends();
    // It has become the owner itself, and the client has not noticed.
    is_ok(
        &client
            .call("files__read", json!({"path": "letter.txt"}))
            .await,
    );
    world.run(&["approvals", "list"]).exits(0);
    client.end().await;
}

/// The first process is its own owner, and asks nevertheless whether its user speaks for the agent.
#[test]
fn a_user_who_does_not_operate_the_agent_speaks_for_it_only_by_policy() {
    let world = world("0s", "0s");
    world.own_token("dana", "dana.token");
    let serves = || {
        let mut command = world.command(binary());
        command.args([
            "--as",
            "dana",
            "--token-file",
            "dana.token",
            "serve",
            "--stdio",
            "--quiet",
        ]);
        let said = command.stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        (said.status.success(), text)
    };
    let (is_served, text) = serves();
    assert!(
        !is_served && text.contains("operator of `support`"),
        "{text}"
    );
    let permit = "@id(\"dana-administers\") @owner(\"tests\")\n\
         permit (principal == Tollgate::User::\"dana\", action == Tollgate::Action::\"administer\", resource);\n";
    world.write("policies/dana.cedar", permit);
    let (is_served, text) = serves();
    assert!(is_served, "{text}");
}

#[test]
fn what_is_no_message_is_answered_and_the_stream_goes_on() {
    let world = world("0s", "0s");
    let mut command = world.command(binary());
    command.args(["serve", "--stdio", "--quiet"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let mut say = |line: &[u8]| {
        input.write_all(line).unwrap();
        input.write_all(b"\n").unwrap();
    };
    let client = json!({"name": "tests", "version": "1"});
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": "1999-01-01", "capabilities": {}, "clientInfo": client}});
    say(begin.to_string().as_bytes());
    assert_eq!(
        next()["result"]["protocolVersion"],
        "2025-11-25",
        "the newest with a handshake"
    );
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    for (line, code, id) in [
        (&b"{bad"[..], -32700, Value::Null),
        (b"\xff\xfe", -32700, Value::Null),
        (deep.as_bytes(), -32700, Value::Null),
        (&vec![b'x'; 17 << 20], -32600, Value::Null),
        (br#"{"id": 7, "n": 1}"#, -32600, json!(7)),
        (
            br#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{}}"#,
            -32602,
            json!(8),
        ),
        (
            br#"{"jsonrpc":"2.0","id":9,"method":"none/such"}"#,
            -32601,
            json!(9),
        ),
    ] {
        say(line);
        let answer = next();
        let shown = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
        assert_eq!(answer["error"]["code"], code, "{shown}: {answer}");
        assert_eq!(answer.get("id"), Some(&id), "{shown}: {answer}");
    }
    say(br#"{"jsonrpc":"2.0","id":10,"method":"tools/list"}"#);
    assert!(next()["result"]["tools"].is_array());
    drop(input);
    assert!(child.wait().unwrap().success());
}

#[test]
fn arguments_count_as_they_were_written_and_what_is_meant_is_understood() {
    let world = world("0s", "0s");
    let mut command = world.command(binary());
    command.args(["serve", "--stdio", "--quiet"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    let mut say = |line: &str| writeln!(input, "{line}").unwrap();
    let client = json!({"name": "tests", "version": "1"});
    let begin = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client}});
    say(&begin.to_string());
    next();
    say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
    let call = |id: &str, arguments: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","method":"tools/call","params":{{"name":"files__read"{arguments}}}}}"#
        )
    };
    for (id, arguments, words) in [
        (
            "dup",
            r#","arguments":{"path":"letter.txt","path":"other.txt"}"#,
            "`/path` occurs twice",
        ),
        ("null", r#","arguments":null"#, "path"),
        ("none", "", "path"),
        ("list", r#","arguments":[]"#, "path"),
        (
            "text",
            r#","arguments":"{\"path\":\"letter.txt\"}""#,
            "`arguments` is a string and must be an object",
        ),
    ] {
        say(&call(id, arguments));
        let answer = next();
        assert_eq!(answer["id"], id, "{answer}");
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
    }
    for (line, id, words) in [
        (
            r#"{"jsonrpc":"2.0","id":"n","method":"tools/call","params":{"name":"files__read","name":"files__delete"}}"#,
            json!("n"),
            "`/params/name` occurs twice",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            json!(1.5),
            "text or an integer",
        ),
    ] {
        say(line);
        let answer = next();
        assert_eq!(answer["id"], id, "{answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
    say(r#"{"jsonrpc":"2.0","id":"list","method":"tools/list","params":{"cursor":""}}"#);
    assert!(next()["result"]["tools"].is_array());
    drop(input);
    assert!(child.wait().unwrap().success());
}
