//! Servers whose answers a test makes: authorization servers and MCP servers, honest and hostile.

use std::{
    collections::HashMap,
    io::Write as _,
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use serde_json::{Value, json};
use tollgate_testkit::wire::WireRequest;

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let request = WireRequest::read(stream)?;
        Some(Self {
            method: request.method,
            path: request.path,
            headers: request.headers,
            body: String::from_utf8(request.body).unwrap(),
        })
    }

    /// A member of a form, still encoded.
    pub(super) fn form(&self, name: &str) -> Option<&str> {
        let mut pairs = self.body.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    pub(super) fn bearer(&self) -> Option<&str> {
        self.headers.get("authorization")?.strip_prefix("Bearer ")
    }
}

/// What is sent back.
pub(super) struct Reply {
    pub(super) status: &'static str,
    /// Whole lines.
    pub(super) headers: String,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn json(value: &Value) -> Self {
        Self {
            status: "200 OK",
            headers: "Content-Type: application/json\r\n".into(),
            body: value.to_string(),
        }
    }

    pub(super) fn status(status: &'static str, headers: impl Into<String>) -> Self {
        Self {
            status,
            headers: headers.into(),
            body: String::new(),
        }
    }

    pub(super) fn refusal(code: &str) -> Self {
        Self {
            status: "400 Bad Request",
            ..Self::json(&json!({"error": code, "error_description": "client secret words"}))
        }
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self::status("307 Temporary Redirect", format!("Location: {to}\r\n"))
    }

    fn missing() -> Self {
        Self::status("404 Not Found", "")
    }
}

/// A server. It lives as long as the process.
#[derive(Clone)]
pub(super) struct Stub {
    pub(super) origin: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// `answer` gets the server's own origin, and the request.
    pub(super) fn serve(
        answer: impl Fn(&str, &Request) -> Option<Reply> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stub = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            seen: Arc::default(),
        };
        let (served, answer) = (stub.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stub, answer) = (served.clone(), Arc::clone(&answer));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Some(request) = Request::read(&stream) else {
                        return;
                    };
                    stub.seen.lock().unwrap().push(request.clone());
                    let reply = answer(&stub.origin, &request).unwrap_or_else(Reply::missing);
                    let head = format!(
                        "HTTP/1.1 {}\r\n{}Content-Length: {}\r\nConnection: close\r\n\r\n",
                        reply.status,
                        reply.headers,
                        reply.body.len()
                    );
                    // The other side may have enough before the end.
                    let _ = stream.write_all((head + &reply.body).as_bytes());
                });
            }
        });
        stub
    }

    /// One that is never to be asked.
    pub(super) fn silent() -> Self {
        Self::serve(|_, _| None)
    }

    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Requests for tokens.
    pub(super) fn tokens(&self) -> Vec<Request> {
        let seen = self.seen();
        let mut tokens = seen;
        tokens.retain(|request| request.path == "/token");
        tokens
    }

    pub(super) fn calls(&self) -> usize {
        let is_call = |request: &&Request| request.body.contains("\"tools/call\"");
        self.seen().iter().filter(is_call).count()
    }
}

/// What an honest authorization server says of itself.
pub(super) fn metadata(origin: &str) -> Value {
    json!({"issuer": origin, "token_endpoint": format!("{origin}/token"),
        "authorization_endpoint": format!("{origin}/authorize"), "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true})
}

/// An authorization server that is honest but for what `token` answers at the token endpoint.
pub(super) fn authority(token: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Stub {
    Stub::serve(move |origin, request| match request.path.as_str() {
        "/.well-known/oauth-authorization-server" => Some(Reply::json(&metadata(origin))),
        "/token" => Some(token(request)),
        _ => None,
    })
}

/// An MCP server that trusts `issuer` and knows whose a token is.
pub(super) fn mcp(
    issuer: &str,
    holder: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Stub {
    mcp_of(Arc::new(Mutex::new(issuer.to_owned())), holder)
}

/// The same, which trusts the issuer that is named now.
pub(super) fn mcp_of(
    issuer: Arc<Mutex<String>>,
    holder: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
) -> Stub {
    Stub::serve(move |origin, request| {
        if request.path == "/.well-known/oauth-protected-resource/mcp" {
            let issuer = issuer.lock().unwrap().clone();
            return Some(Reply::json(
                &json!({"resource": format!("{origin}/mcp"), "authorization_servers": [issuer]}),
            ));
        }
        if request.path != "/mcp" {
            return None;
        }
        let Some(name) = request.bearer().and_then(&holder) else {
            let challenge = "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n";
            return Some(Reply::status("401 Unauthorized", challenge));
        };
        Some(message(request, &name))
    })
}

fn message(request: &Request, name: &str) -> Reply {
    if request.method != "POST" {
        return Reply::status("405 Method Not Allowed", "");
    }
    let message: Value = serde_json::from_str(&request.body).unwrap();
    let Some(id) = message.get("id") else {
        return Reply::status("202 Accepted", "");
    };
    let result = match message["method"].as_str().unwrap() {
        "initialize" => json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
            "serverInfo": {"name": "wiki", "version": "1"}}),
        "tools/list" => json!({"tools": [{"name": "whoami", "description": "Says it.",
            "inputSchema": {"type": "object", "properties": {}}}]}),
        "tools/call" => {
            let text = format!("{name} by {}", request.bearer().unwrap());
            json!({"content": [{"type": "text", "text": text}]})
        }
        _ => {
            let error = json!({"code": -32601, "message": "no such method"});
            return Reply::json(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    };
    Reply::json(&json!({"jsonrpc": "2.0", "id": id, "result": result}))
}
