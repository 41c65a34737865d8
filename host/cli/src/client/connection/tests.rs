use std::path::PathBuf;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
};

use super::*;

/// A store in a directory whose path is too long for the address of a socket, and its socket.
fn store() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let deep = dir.path().join("a".repeat(120));
    fs::create_dir(&deep).unwrap();
    let store = deep.join("ledger.db");
    fs::write(&store, "").unwrap();
    (dir, store)
}

fn listen(store: &Path) -> UnixListener {
    let short = ShortPath::new(store.parent().unwrap(), "gate.sock").unwrap();
    UnixListener::bind(short.as_path()).unwrap()
}

async fn ask_for(store: &Path) -> Result<Response, RequestError> {
    let body = Full::new(Bytes::from_static(b"{}"));
    let request = HttpRequest::post("/v1/calls").header("host", "localhost");
    ask(store, request.body(body).unwrap()).await
}

#[tokio::test]
async fn a_request_is_answered() {
    let (_dir, store) = store();
    let listener = listen(&store);
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert_ne!(stream.read(&mut request).await.unwrap(), 0);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ntrue";
        stream.write_all(answer).await.unwrap();
    });
    let response = ask_for(&store).await.unwrap();
    assert!(response.json::<bool>().unwrap());
    served.await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_not_taken_was_not_asked() {
    let (_dir, store) = store();
    let nothing = ask_for(&store).await.unwrap_err();
    assert_eq!(nothing, RequestError::NotAsked, "no socket");
    let listener = listen(&store);
    let (asked, ()) = tokio::join!(ask_for(&store), async move {
        tokio::task::yield_now().await;
        drop(listener);
    });
    assert_eq!(asked.unwrap_err(), RequestError::NotAsked, "not accepted");
}

#[tokio::test]
async fn a_request_that_was_read_and_not_answered_is_lost() {
    let (_dir, store) = store();
    let listener = listen(&store);
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            stream.read_buf(&mut request).await.unwrap();
        }
    });
    assert_eq!(ask_for(&store).await.unwrap_err(), RequestError::Lost);
    served.await.unwrap();
}
