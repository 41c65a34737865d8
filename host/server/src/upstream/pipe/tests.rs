use tokio::io::AsyncWriteExt as _;

use rmcp::model::{CallToolRequest, CallToolRequestParams, ClientRequest, RequestId};

use super::*;

async fn answered(written: &[u8]) -> Option<Reply> {
    let (read, mut server) = tokio::io::duplex(1 << 16);
    let mut pipe = Pipe::new(read, tokio::io::sink());
    let request = CallToolRequest::new(CallToolRequestParams::new("t"));
    let request = ClientRequest::CallToolRequest(request);
    let sent = pipe.send(ClientJsonRpcMessage::request(request, RequestId::Number(3)));
    sent.await.unwrap();
    let written = written.to_vec();
    tokio::spawn(async move {
        server.write_all(&written).await.unwrap();
    });
    let message = pipe.receive().await?;
    Reply::of(message.into_response()?.0)
}

#[tokio::test]
async fn noise_is_passed_over() {
    let written = "\u{feff}\n\n=== ready ===\r\n{not json}\n[1,2\n\u{1b}[32mok\u{1b}[0m\n50%\rdone\n\
                       {\"id\":3,\"result\":1}\r\n";
    let reply = answered(written.as_bytes()).await;
    assert_eq!(reply, Some(Reply::Answer(1.into())));
    assert_eq!(answered(b"nothing\n").await, None, "the stream has ended");
}

#[tokio::test]
async fn an_answer_that_is_too_large_ends_its_call() {
    let long = "x".repeat(MAX_MESSAGE);
    for written in [
        format!("{{\"id\":3,\"result\":\"{long}\"}}\n"),
        format!("{{\"result\":\"{long}\",\"id\":3}}\n"),
    ] {
        let reply = answered(written.as_bytes()).await;
        assert!(matches!(reply, Some(Reply::Unusable(_))), "{reply:?}");
    }
}
