//! Web servers on loopback: a scripted one, which remembers its requests, and any application.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::Router;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::Barrier,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::certificate;

/// The answer to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The request itself, as the body.
    Echo,
    /// These bytes, and then the same block again and again.
    Endless(Vec<u8>),
    /// These bytes, and then nothing: the connection stays open.
    Stalled(Vec<u8>),
    /// `together`, once this many requests have arrived.
    Together(Arc<Barrier>),
}

/// A server, as long as this value lasts.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    /// Server names of encrypted connections (SNI).
    named: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

/// A response with this body.
pub fn ok(headers: &str, body: impl AsRef<[u8]>) -> Answer {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

/// A redirect.
pub fn redirect(status: u16, location: &str) -> Answer {
    Answer::Bytes(
        format!("HTTP/1.1 {status} Go\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")
            .into_bytes(),
    )
}

impl Server {
    /// Answers by path, without its query.
    pub async fn start(answers: Vec<(&str, Answer)>) -> Self {
        Self::with(answers, None).await
    }

    /// The same over TLS, with a certificate for `name` by its own authority. Also returns that authority's
    /// certificate.
    pub async fn start_secure(
        authority: &str,
        name: &str,
        answers: Vec<(&str, Answer)>,
    ) -> (Self, String) {
        let (config, authority) = certificate::server_config(authority, name);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        (Self::with(answers, Some(acceptor)).await, authority)
    }

    async fn with(answers: Vec<(&str, Answer)>, tls: Option<TlsAcceptor>) -> Self {
        let answers: BTreeMap<String, Answer> = answers
            .into_iter()
            .map(|(path, answer)| (path.to_owned(), answer))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut task = JoinSet::new();
        let named = Arc::new(Mutex::new(Vec::new()));
        let (seen, names) = (Arc::clone(&asked), Arc::clone(&named));
        task.spawn(async move {
            let answers = Arc::new(answers);
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                let Some(acceptor) = tls.clone() else {
                    connections.spawn(serve(stream, answers, seen));
                    continue;
                };
                let names = Arc::clone(&names);
                connections.spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let name = stream.get_ref().1.server_name().unwrap_or_default();
                        names.lock().unwrap().push(name.to_owned());
                        serve(stream, answers, seen).await;
                    }
                });
            }
        });
        Self {
            address,
            asked,
            named,
            _task: task,
        }
    }

    /// A URL of this server, with any name for it.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    /// The requests so far, complete.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The server names of encrypted connections (SNI).
    pub fn named(&self) -> Vec<String> {
        self.named.lock().unwrap().clone()
    }
}

/// A port of loopback that is free now, for a program that cannot choose one itself.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Serves an application on a free port of loopback. Returns its address.
pub async fn serve_router(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answers: Arc<BTreeMap<String, Answer>>,
    seen: Arc<Mutex<Vec<String>>>,
) {
    let request = read(&mut stream).await;
    seen.lock().unwrap().push(request.clone());
    let path = request
        .split(' ')
        .nth(1)
        .unwrap_or_default()
        .split('?')
        .next()
        .unwrap_or_default();
    let not_found = Answer::Bytes(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec());
    match answers.get(path).cloned().unwrap_or(not_found) {
        Answer::Bytes(bytes) => {
            drop(stream.write_all(&bytes).await);
            // Over TLS, send close_notify.
            let _ = stream.shutdown().await;
        }
        Answer::Together(barrier) => {
            barrier.wait().await;
            if let Answer::Bytes(bytes) = ok("", "together") {
                drop(stream.write_all(&bytes).await);
            }
        }
        Answer::Echo => {
            if let Answer::Bytes(bytes) = ok("content-type: text/plain\r\n", &request) {
                drop(stream.write_all(&bytes).await);
            }
        }
        Answer::Endless(begin) => {
            drop(stream.write_all(&begin).await);
            let block = vec![b'x'; 64 << 10];
            while stream.write_all(&block).await.is_ok() {}
        }
        Answer::Stalled(begin) => {
            drop(stream.write_all(&begin).await);
            // Until the other side closes.
            let _ = stream.read(&mut [0]).await;
        }
    }
}

/// The header, and as much of a body as it announces.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((header, body)) = text.split_once("\r\n\r\n") {
            let length = header
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .and_then(|length| length.trim().parse::<usize>().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return text;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => bytes.extend_from_slice(&buffer[..n]),
            _ => return text,
        }
    }
}
