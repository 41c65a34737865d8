//! Servers that hang: what is cancelled ends first, and telling the server takes a limited time.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc::unbounded_channel,
};
use tollgate::secrets::Vault;
use url::Url;

use super::*;

fn message(value: Value) -> ClientJsonRpcMessage {
    serde_json::from_value(value).unwrap()
}

fn client(address: std::net::SocketAddr) -> HttpClient {
    // Another test of this process may have done so before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let url = Url::parse(&format!("http://{address}/mcp")).unwrap();
    HttpClient::for_tests(url, Arc::new(Vault::new(&BTreeMap::new())))
}

#[tokio::test]
async fn a_cancelled_request_ends_before_its_server_takes_the_notice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heard, mut requests) = unbounded_channel();
    // It takes every request and answers none.
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut begin = [0; 64];
            drop(stream.read(&mut begin).await);
            open.push(stream);
            heard.send(()).ok();
        }
    });
    let mut transport = HttpTransport::new(client(address), StaleFlag::default());
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "a"}});
    let asked = tokio::spawn(transport.send(message(call)));
    requests.recv().await.unwrap();
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 1}});
    let told = tokio::spawn(transport.send(message(cancel)));
    let ended = asked.await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    assert!(!told.is_finished(), "the server has not taken the notice");
    requests.recv().await.unwrap();
    told.abort();
}

#[tokio::test]
async fn telling_a_server_that_hangs_takes_a_limited_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut transport = HttpTransport::new(client(address), StaleFlag::default());
    assert_eq!(transport.shared.telling, Duration::from_secs(10));
    Arc::get_mut(&mut transport.shared).unwrap().telling = Duration::ZERO;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 1}});
    let told = transport.send(message(cancel)).await;
    let late = told.unwrap_err();
    assert_eq!(late.delivery, Delivery::Unknown, "{late}");
    assert!(late.why.contains("in time"), "{late}");
}

#[tokio::test]
async fn a_request_that_a_redirect_led_nowhere_was_not_unsent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // Nothing listens by the time of the second hop.
        drop(listener);
        let mut request = [0; 4096];
        drop(stream.read(&mut request).await);
        let answer =
            "HTTP/1.1 307 x\r\nlocation: /next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let client = client(address);
    let none = HeaderMap::new();
    let send = || client.send(&Method::POST, client.url(), &none, None);
    let failed = send().await.unwrap_err();
    assert_eq!(
        failed.delivery,
        Delivery::NotTaken,
        "the server had it once"
    );
    let failed = send().await.unwrap_err();
    assert_eq!(
        failed.delivery,
        Delivery::Unsent,
        "not a byte of it was sent"
    );
}
