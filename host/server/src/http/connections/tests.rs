use axum_server::accept::DefaultAcceptor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

fn bounded(room: usize, idle: Duration) -> ConnectionLimit<DefaultAcceptor> {
    ConnectionLimit {
        inner: DefaultAcceptor,
        room: Arc::new(Semaphore::new(room)),
        idle,
    }
}

async fn accepted(
    bounded: &ConnectionLimit<DefaultAcceptor>,
) -> io::Result<(IdleTimeout<DuplexStream>, DuplexStream)> {
    let (here, there) = duplex(16);
    let (stream, _) = bounded.accept(here, ()).await?;
    Ok((stream, there))
}

#[tokio::test]
async fn there_is_room_for_so_many() {
    let bounded = bounded(1, IDLE);
    let first = accepted(&bounded).await.unwrap();
    assert!(accepted(&bounded).await.is_err());
    drop(first);
    accepted(&bounded).await.unwrap();
}

#[tokio::test]
async fn a_connection_without_a_complete_request_ends() {
    let bounded = bounded(1, Duration::from_millis(20));
    let (mut stream, mut client) = accepted(&bounded).await.unwrap();
    let in_use = stream.usage.begin();
    let mut buffer = [0; 8];
    let patience = Duration::from_millis(100);
    let reading = tokio::time::timeout(patience, stream.read(&mut buffer));
    assert!(reading.await.is_err(), "a request is being answered");
    drop(in_use);
    client.write_all(b"PRI * HT").await.unwrap();
    assert_eq!(stream.read(&mut buffer).await.unwrap(), 8);
    let ended = stream.read(&mut buffer).await.unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_client_reads_what_it_asked_for() {
    let bounded = bounded(1, Duration::from_millis(20));
    let (mut stream, _client) = accepted(&bounded).await.unwrap();
    let ended = stream.write_all(&[0; 64]).await.unwrap_err();
    assert_eq!(ended.kind(), io::ErrorKind::TimedOut);
}
