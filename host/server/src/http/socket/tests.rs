use std::os::unix::fs::MetadataExt as _;

use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A path that is too long for the address of a socket.
fn deep(dir: &tempfile::TempDir) -> PathBuf {
    let deep = dir.path().join("a".repeat(120));
    fs::create_dir(&deep).unwrap();
    deep.join("ledger.db")
}

async fn ask(path: &Path, request: &str) -> io::Result<String> {
    let short = ShortPath::new(path.parent().unwrap(), "gate.sock")?;
    let mut stream = UnixStream::connect(short.as_path()).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn the_router_sees_the_peer_and_only_its_user_reaches_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(&deep(&dir));
    let listener = listen(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let router = Router::new().route(
        "/",
        get(|Extension(peer): Extension<PeerCredentials>| async move { peer.uid.to_string() }),
    );
    let until = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router, until.clone()));
    let answer = ask(&path, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let answer = answer.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let own = PeerCredentials::own().uid.to_string();
    assert!(answer.ends_with(&own), "{answer}");
    until.cancel();
    serving.await.unwrap();
    assert!(ask(&path, "").await.is_err(), "nothing listens any more");
}

#[tokio::test]
async fn a_connection_that_is_not_accepted_is_reset() {
    let dir = tempfile::tempdir().unwrap();
    let path = path(&deep(&dir));
    let listener = listen(&path).unwrap();
    let short = ShortPath::new(path.parent().unwrap(), "gate.sock").unwrap();
    let mut stream = UnixStream::connect(short.as_path()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(listener);
    let error = stream.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}
