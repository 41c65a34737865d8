use std::os::unix::fs::MetadataExt as _;

use axum::{Extension, routing::get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const PRIVATE: Access = Access {
    mode: 0o600,
    group: None,
};

/// A path that is too long for the address of a socket.
fn deep(dir: &tempfile::TempDir) -> PathBuf {
    let deep = dir.path().join("a".repeat(120));
    fs::create_dir(&deep).unwrap();
    deep.join("gate.sock")
}

fn service(router: Router, limits: Option<PeerLimits>) -> UnixService {
    UnixService {
        router,
        mark: |router, peer| router.layer(Extension(peer)),
        limits,
    }
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
    let path = deep(&dir);
    let listener = listen(&path, PRIVATE).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let router = Router::new().route(
        "/",
        get(|Extension(peer): Extension<PeerCredentials>| async move { peer.uid.to_string() }),
    );
    let until = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, service(router, None), until.clone()));
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
    let path = deep(&dir);
    let listener = listen(&path, PRIVATE).unwrap();
    let short = ShortPath::new(path.parent().unwrap(), "gate.sock").unwrap();
    let mut stream = UnixStream::connect(short.as_path()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    drop(listener);
    let error = stream.read(&mut [0; 16]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_file_is_not_replaced_by_a_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = deep(&dir);
    fs::write(&path, "mine").unwrap();
    let refused = listen(&path, PRIVATE).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_file(&path).unwrap();
    let open = Access {
        mode: 0o660,
        group: Some(rustix::process::getegid().as_raw()),
    };
    drop(listen(&path, open).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    drop(listen(&path, PRIVATE).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
}

/// One account cannot take all places, and a connection without a request does not stay.
#[tokio::test]
async fn connections_of_one_account_are_few() {
    let dir = tempfile::tempdir().unwrap();
    let path = deep(&dir);
    let listener = listen(&path, PRIVATE).unwrap();
    let limits = PeerLimits {
        of_one: 2,
        of_all: 8,
        time: Duration::from_secs(60),
    };
    let router = Router::new().route("/", get(|| async { "served" }));
    let until = CancellationToken::new();
    let serving = tokio::spawn(serve(
        listener,
        service(router, Some(limits)),
        until.clone(),
    ));
    let short = ShortPath::new(path.parent().unwrap(), "gate.sock").unwrap();
    let idle = [
        UnixStream::connect(short.as_path()).await.unwrap(),
        UnixStream::connect(short.as_path()).await.unwrap(),
    ];
    let mut third = UnixStream::connect(short.as_path()).await.unwrap();
    assert_eq!(third.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
    drop(idle);
    // A place is free again once the server has noticed.
    for _ in 0..1_000 {
        let answer = ask(&path, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
        if answer.is_ok_and(|answer| answer.ends_with("served")) {
            until.cancel();
            serving.await.unwrap();
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no place becomes free");
}
