use rmcp::model::{CallToolRequest, CallToolRequestParams, PingRequest};

use super::*;

fn sent(wire: &Wire, id: i64) {
    let request = CallToolRequest::new(CallToolRequestParams::new("t"));
    let request = ClientRequest::CallToolRequest(request);
    wire.sent(&ClientJsonRpcMessage::request(
        request,
        RequestId::Number(id),
    ));
}

fn reply(wire: &Wire, text: &str) -> Option<Reply> {
    let message = wire.read(text.as_bytes()).pop()?;
    let (result, id) = message.into_response()?;
    assert_eq!(id, RequestId::Number(7));
    Reply::of(result)
}

#[test]
fn an_answer_finds_its_request_however_it_is_written() {
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"result":{"a":1}}"#,
        r#"{"id":"7","result":{"a":1},"error":null}"#,
        r#"{"id":7.0,"result":{"a":1}}"#,
        r#"[{"id":7,"result":{"a":1}}]"#,
        "\u{feff} {\"id\":7,\"result\":{\"a\":1}}\r",
    ] {
        let wire = Wire::default();
        sent(&wire, 7);
        assert_eq!(
            reply(&wire, text),
            Some(Reply::Answer(json!({"a": 1}))),
            "{text}"
        );
        assert!(wire.read(text.as_bytes()).is_empty(), "it is answered once");
    }
}

#[test]
fn an_answer_that_cannot_be_read_ends_its_request() {
    for text in [
        r#"{"jsonrpc":"2.0","id":7,"result":{"#,
        r#"{"jsonrpc":"2.0","id":7}"#,
    ] {
        let wire = Wire::default();
        sent(&wire, 7);
        assert!(
            matches!(reply(&wire, text), Some(Reply::Unusable(_))),
            "{text}"
        );
    }
    let wire = Wire::default();
    sent(&wire, 7);
    for noise in [
        "ready",
        "{not json}",
        "[1,2",
        "7",
        "{}",
        r#"{"id":8,"result":1}"#,
        r#"{"id":7,"method":"notifications/message","params":{"#,
        r#"{"result":{]},"id":7}"#,
    ] {
        assert!(wire.read(noise.as_bytes()).is_empty(), "{noise}");
    }
    let own = RequestId::Number(7);
    assert_eq!(wire.read_for(Some(&own), b"ping").len(), 0);
    let asked = br#"{"method":"a","params":{"#;
    assert_eq!(wire.read_for(Some(&own), asked).len(), 0);
    assert_eq!(wire.read_for(Some(&own), b"{broken").len(), 1);
}

#[test]
fn an_error_of_any_shape_has_a_message() {
    for (error, code, message) in [
        (
            r#"{"code":-32602,"message":"no \udfff"}"#,
            -32602,
            "no \u{fffd}",
        ),
        (r#""it broke""#, -32603, "it broke"),
        (r#"{"code":"E1","message":{"a":1}}"#, -32603, r#"{"a":1}"#),
    ] {
        let wire = Wire::default();
        sent(&wire, 7);
        let read = wire.read(format!(r#"{{"id":7,"error":{error}}}"#).as_bytes());
        let (error, _) = read.into_iter().next().unwrap().into_error().unwrap();
        assert_eq!((error.code.0, error.message.as_ref()), (code, message));
    }
}

#[test]
fn a_handshake_with_odd_members_is_one() {
    let wire = Wire::default();
    // Any typed request will do: the members of the result determine its type.
    let ping = ClientRequest::PingRequest(PingRequest::default());
    wire.sent(&ClientJsonRpcMessage::request(ping, RequestId::Number(1)));
    let text = r#"{"id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":[],"logging":true,
            "prompts":null},"serverInfo":{"name":"s","version":2},"instructions":null}}"#;
    let (result, _) = wire
        .read(text.as_bytes())
        .pop()
        .unwrap()
        .into_response()
        .unwrap();
    let ServerResult::InitializeResult(result) = result else {
        panic!("{result:?}")
    };
    assert_eq!(result.server_info.version, "2");
    assert!(result.capabilities.tools.is_some() && result.capabilities.prompts.is_none());
}
