//! Pages of links: HTML without scripts, in which every text from outside is escaped.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use tollgate::text::printable;
use tollgate_ledger::ApprovalLink;
use tollgate_model::{canonical::Sha256Digest, life::ApprovalState};

use crate::reply::ApprovalView;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:46rem;margin:0 auto;padding:1rem}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;border:1px solid;padding:.75rem}\
dt{font-weight:600}dd{margin:0 0 .5rem;overflow-wrap:anywhere}\
textarea{width:100%;box-sizing:border-box;font:inherit}\
button{font:inherit;padding:.6rem 1.2rem;margin:.5rem .5rem 0 0}";

/// The longest text of one member of a page, in bytes. Arguments are shown whole.
const MAX_TEXT: usize = 2000;

/// HTML. Only [`Markup::text`] takes what comes from outside.
struct Markup(String);

impl Markup {
    fn new() -> Self {
        Self(String::new())
    }

    /// Adds HTML of this file.
    fn html(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Adds text: invisible characters are shown, and nothing in it is mark-up.
    fn text(&mut self, text: &str, max: usize) -> &mut Self {
        for c in printable(text, max).chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds a term and its description, unless it is empty.
    fn item(&mut self, term: &'static str, description: &str) -> &mut Self {
        if description.is_empty() {
            return self;
        }
        self.html("<dt>").html(term).html("</dt><dd>");
        self.text(description, MAX_TEXT).html("</dd>")
    }
}

/// A page, complete.
fn page(status: StatusCode, title: &str, body: &Markup) -> Response {
    let mut html = Markup::new();
    html.html("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">");
    html.html("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">");
    html.html("<meta name=\"robots\" content=\"noindex\"><title>");
    html.text(title, 200).html("</title><style>").html(STYLE);
    html.html("</style></head><body><main><h1>")
        .text(title, 200);
    html.html("</h1>");
    html.0.push_str(&body.0);
    html.html("</main></body></html>\n");
    let mut response = Response::new(Body::from(html.0));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&content_policy()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

const HEADERS: &[(&str, &str)] = &[
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    // Not `no-referrer`: browsers would then send `Origin: null` with the page's own forms (Fetch standard).
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Nothing but the style of this page, and forms to this gate.
fn content_policy() -> String {
    let style = STANDARD.encode(Sha256Digest::of(STYLE.as_bytes()).as_bytes());
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'; sandbox allow-forms allow-same-origin"
    )
}

/// A page that says `text`.
pub(super) fn message(status: StatusCode, title: &str, text: &str) -> Response {
    let mut body = Markup::new();
    body.html("<p>").text(text, MAX_TEXT).html("</p>");
    page(status, title, &body)
}

/// A page that says `text`, with a button that shows the call again.
pub(super) fn show_again(status: StatusCode, title: &str, text: &str) -> Response {
    let mut body = Markup::new();
    body.html("<p>").text(text, MAX_TEXT).html("</p>");
    show_form(&mut body);
    page(status, title, &body)
}

fn show_form(body: &mut Markup) {
    body.html("<form method=\"post\"><input type=\"hidden\" name=\"step\" value=\"show\">");
    body.html("<button>Show exactly what would happen</button></form>");
}

/// The first page: what is in every notification, without the arguments. Programs that follow links see only this.
pub(super) fn summary(link: &ApprovalLink, view: &ApprovalView) -> Response {
    let mut body = Markup::new();
    describe(&mut body, link, view);
    show_form(&mut body);
    page(StatusCode::OK, "A call waits for your answer", &body)
}

/// The second page: the arguments whole, and the form that answers.
pub(super) fn call(
    link: &ApprovalLink,
    view: &ApprovalView,
    arguments: &str,
    form: &str,
) -> Response {
    let mut body = Markup::new();
    describe(&mut body, link, view);
    body.html("<h2>Arguments</h2><pre>")
        .text(arguments, usize::MAX);
    body.html("</pre><form method=\"post\"><input type=\"hidden\" name=\"step\" value=\"answer\">");
    body.html("<input type=\"hidden\" name=\"form\" value=\"")
        .text(form, 200);
    body.html("\"><p><label for=\"note\">Note, for the record</label>");
    body.html("<textarea id=\"note\" name=\"note\" rows=\"2\" maxlength=\"1000\"></textarea></p>");
    body.html("<button name=\"answer\" value=\"approve\">Approve exactly this, once</button>");
    body.html("<button name=\"answer\" value=\"reject\">Deny</button></form>");
    page(StatusCode::OK, "Let exactly this happen, once?", &body)
}

fn describe(body: &mut Markup, link: &ApprovalLink, view: &ApprovalView) {
    let on_behalf_of = match view.principal == view.on_behalf_of {
        true => String::new(),
        false => view.on_behalf_of.id.clone(),
    };
    let speaker = view.speaker.as_ref().map(|speaker| speaker.by.id.as_str());
    body.html("<dl>").item("Tool", &view.tool);
    body.item("Effect", view.capability.as_deref().unwrap_or_default());
    body.item("Through", &view.via.join(", "));
    body.item("Asked by", &view.principal.id);
    body.item("For", &on_behalf_of);
    body.item("Made in its name by", speaker.unwrap_or_default());
    let labels: Vec<&str> = view.labels.iter().map(String::as_str).collect();
    body.item("What the run has read", &labels.join(", "));
    for policy in &view.policies {
        let reason = match policy.reason.is_empty() {
            true => policy.id.clone(),
            false => format!("{}: {}", policy.id, policy.reason),
        };
        body.item("Policy", &reason);
    }
    body.item("Severity", &view.severity.to_string());
    body.item("Needs", &view.needs);
    let approvers: Vec<&str> = view.approvers.iter().map(|by| by.user.as_str()).collect();
    body.item("Approved so far by", &approvers.join(", "));
    for earlier in &view.rejected_before {
        let note = earlier.note.as_deref().unwrap_or_default();
        let text = format!("{} by {} {note}", earlier.at, earlier.by);
        body.item("Rejected before", text.trim_end());
    }
    body.item("Approval", &view.id.to_string());
    body.item("Digest of the call", &view.digest);
    body.item("Expires", &link.expires.to_string());
    body.html("</dl><p>This link is for ")
        .text(&link.user.id, 80);
    body.html(" alone, and answers once. The answer is recorded.</p>");
}

/// The page about an approval that takes no answers any more.
pub(super) fn resolved(status: StatusCode, view: &ApprovalView, state: ApprovalState) -> Response {
    let by: Vec<&str> = match state {
        ApprovalState::Approved | ApprovalState::Consumed => {
            view.approvers.iter().map(|by| by.user.as_str()).collect()
        }
        ApprovalState::Rejected => {
            let rejected = view.answers.iter();
            let rejected =
                rejected.filter(|answer| answer.took_effect && answer.answer == "reject");
            rejected.map(|answer| answer.by.as_str()).collect()
        }
        ApprovalState::Pending | ApprovalState::Expired | ApprovalState::Cancelled => Vec::new(),
    };
    let by = match by.is_empty() {
        true => String::new(),
        false => format!(" by {}", by.join(", ")),
    };
    let text = format!("{} is {}{by}.", view.id, state.as_str());
    message(status, "This approval takes no more answers", &text)
}

#[cfg(test)]
mod tests;
