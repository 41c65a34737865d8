//! A tool that sends any request that its arguments describe, and returns the whole response.

use core::time::Duration;

use tollgate_guest::http::{self, Place};
use tollgate_guest::log::{self, Level};
use tollgate_guest::serde_json::json;
use tollgate_guest::{ToolError, arguments, secrets, tool};

/// A request that this guest passes on unchecked.
#[arguments]
pub(crate) struct Wanted {
    /// The URL.
    url: String,
    /// The method.
    #[serde(default = "get")]
    method: String,
    /// Header fields, as `name: value`.
    #[serde(default)]
    headers: Vec<String>,
    /// The body.
    body: Option<String>,
    /// A secret to have attached.
    secret: Option<String>,
    /// Where: `bearer`, `header NAME`, `query NAME` or `json POINTER`.
    #[serde(default)]
    place: String,
    /// How many redirects to follow.
    #[serde(default)]
    redirects: u8,
    /// How long it may take, in milliseconds.
    timeout: Option<u32>,
}

fn get() -> String {
    "GET".to_owned()
}

/// Sends a request, logs what comes back, and returns it.
#[tool]
pub(crate) fn send_request(args: Wanted) -> Result<String, ToolError> {
    let mut request = http::request(&args.method, &args.url).redirects(args.redirects);
    for field in &args.headers {
        let (name, value) = field.split_once(": ").unwrap_or((field, ""));
        request = request.header(name, value);
    }
    if let Some(body) = args.body {
        request = request.body(body);
    }
    if let Some(secret) = &args.secret {
        let (kind, name) = args.place.split_once(' ').unwrap_or(("bearer", ""));
        let name = name.to_owned();
        request = request.credential(
            secret,
            match kind {
                "header" => Place::Header(name),
                "query" => Place::Query(name),
                "json" => Place::JsonPointer(name),
                _ => Place::Bearer,
            },
        );
    }
    if let Some(timeout) = args.timeout {
        request = request.timeout(Duration::from_millis(timeout.into()));
    }
    let response = request.send()?;
    let headers: Vec<String> = response
        .headers()
        .iter()
        .map(|field| format!("{}: {}", field.name, field.value))
        .collect();
    let said = json!({
        "status": response.status(),
        "url": response.url(),
        "headers": headers,
        "size": response.body().len(),
        "body": String::from_utf8_lossy(response.body()).chars().take(2_000).collect::<String>(),
    })
    .to_string();
    log::log(Level::Warn, &said);
    Ok(said)
}

/// A secret's name.
#[arguments]
pub(crate) struct Name {
    /// The name.
    name: String,
}

/// Says whether there is a secret.
#[tool(read_only)]
pub(crate) fn secret_exists(args: Name) -> String {
    secrets::exists(&args.name).to_string()
}
