//! HTTP requests as bytes, for servers whose answers a test writes byte by byte.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _},
    net::TcpStream,
};

/// A request of HTTP/1.1 with a `Content-Length`, or without a body.
#[derive(Debug, Clone)]
pub struct WireRequest {
    /// As sent.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
    /// As many bytes as `Content-Length` says.
    pub body: Vec<u8>,
}

impl WireRequest {
    /// The next request of a connection; `None` if it ends before the request does.
    pub fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split_whitespace();
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|n| n.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).ok()?;
        Some(Self {
            method,
            path,
            headers,
            body,
        })
    }
}
