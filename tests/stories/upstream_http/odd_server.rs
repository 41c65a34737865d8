//! A server on a socket whose responses a test decides, byte for byte.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use serde_json::{Value, json};
use tollgate_testkit::wire::WireRequest;

/// A request that the server received.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    headers: HashMap<String, String>,
    pub(super) body: Value,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let request = WireRequest::read(stream)?;
        Some(Self {
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: serde_json::from_slice(&request.body).unwrap_or_default(),
        })
    }

    pub(super) fn is(&self, method: &str) -> bool {
        self.body["method"] == method
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The bytes of a response, and what happens to the connection after them.
pub(super) struct Reply {
    pub(super) bytes: Vec<u8>,
    pub(super) rest: Rest,
}

/// What happens to the connection after a response.
pub(super) enum Rest {
    Close,
    /// The connection stays open.
    Stay,
    /// Each text that arrives here is sent as it comes.
    Follow(mpsc::Receiver<String>),
}

pub(super) fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply {
        bytes: format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes(),
        rest: Rest::Close,
    }
}

pub(super) fn ok(message: &Value) -> Reply {
    http(
        "200 OK",
        "Content-Type: application/json\r\n",
        &message.to_string(),
    )
}

pub(super) fn stream(events: &str) -> Reply {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n";
    Reply {
        bytes: format!("{head}{events}").into_bytes(),
        rest: Rest::Close,
    }
}

/// The message that an ordinary server of 2025-11-25 answers.
pub(super) fn message(request: &Request) -> Option<Value> {
    let id = request.body.get("id")?;
    let answer = |result: Value| json!({"jsonrpc": "2.0", "id": id, "result": result});
    Some(match request.body["method"].as_str()? {
        "initialize" => answer(
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "odd", "version": "1"}}),
        ),
        "tools/list" => answer(json!({"tools": [{"name": "echo", "description": "Says it.",
            "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}}}]})),
        "tools/call" => answer(json!({"content": [{"type": "text",
            "text": request.body["params"]["arguments"]["text"]}]})),
        _ => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}})
        }
    })
}

/// The response of an ordinary server with sessions.
pub(super) fn usual(request: &Request) -> Reply {
    if request.method != "POST" {
        return http(
            "405 Method Not Allowed",
            "Allow: POST\r\n",
            "{\"detail\":\"no\"}",
        );
    }
    let Some(message) = message(request) else {
        return http("202 Accepted", "", "");
    };
    let session = match request.is("initialize") {
        true => "Mcp-Session-Id: s1\r\n",
        false => "",
    };
    let headers = format!("Content-Type: application/json;charset=UTF-8\r\n{session}");
    http("200 OK", &headers, &message.to_string())
}

/// A server whose responses a test decides.
#[derive(Clone)]
pub(super) struct Odd {
    pub(super) address: String,
    pub(super) asked: Arc<Mutex<Vec<Request>>>,
}

impl Odd {
    pub(super) fn serve(answer: impl Fn(&Odd, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let odd = Self {
            address: listener.local_addr().unwrap().to_string(),
            asked: Arc::default(),
        };
        let (served, answer) = (odd.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (odd, answer) = (served.clone(), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = Request::read(&stream) else {
                        return;
                    };
                    odd.asked.lock().unwrap().push(request.clone());
                    let reply = answer(&odd, &request);
                    let _ = stream.write_all(&reply.bytes);
                    match reply.rest {
                        Rest::Close => {}
                        // Until the other side leaves.
                        Rest::Stay => drop(stream.read(&mut [0])),
                        Rest::Follow(events) => {
                            for event in events {
                                if stream.write_all(event.as_bytes()).is_err() {
                                    return;
                                }
                            }
                        }
                    }
                });
            }
        });
        odd
    }

    pub(super) fn count(&self, method: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| request.is(method)).count()
    }

    pub(super) fn calls(&self) -> usize {
        self.count("tools/call")
    }

    pub(super) fn last(&self, method: &str) -> Request {
        let asked = self.asked.lock().unwrap();
        let mut found = asked.iter().filter(|r| r.is(method) || r.method == method);
        found.next_back().unwrap().clone()
    }
}
