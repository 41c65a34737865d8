//! What a server lists: tools, prompts, resources, and templates of resources' URIs.

use std::{collections::HashSet, time::Duration};

use rmcp::{
    Peer, RoleClient, ServiceError,
    model::{ClientRequest, PaginatedRequestParams, RequestOptionalParam, ServerResult},
    service::{PeerRequestOptions, RequestHandle},
};
use serde_json::Value;
use tokio::runtime::Handle;
use tollgate::{
    config::CarriedFeatures,
    upstream::{ConnectError, Listings, MAX_TOOLS},
};
use tollgate_model::uri::CanonicalUri;

use super::{failure::told, wire::Reply};

/// Pages of one list.
const MAX_PAGES: usize = 64;
/// Entries of a list that are counted.
const MAX_LISTED: usize = 4 * MAX_TOOLS;
/// Bytes of a list, all pages together.
const MAX_LIST: usize = 8 << 20;
/// How long it may take to say that an answer is no longer wanted.
const CANCELLING: Duration = Duration::from_secs(2);
/// How long the list of tools may take, and all others together.
const LISTING: Duration = Duration::from_secs(30);

/// One of a server's lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    /// The member of a result that holds the entries.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// How errors name it.
    fn noun(self) -> &'static str {
        match self {
            Self::Templates => "templates",
            other => other.member(),
        }
    }

    fn request(self, cursor: Option<String>) -> ClientRequest {
        let params = cursor.map(|cursor| {
            let mut page = PaginatedRequestParams::default();
            page.cursor = Some(cursor);
            page
        });
        match self {
            Self::Tools => ClientRequest::ListToolsRequest(paged(params)),
            Self::Prompts => ClientRequest::ListPromptsRequest(paged(params)),
            Self::Resources => ClientRequest::ListResourcesRequest(paged(params)),
            Self::Templates => ClientRequest::ListResourceTemplatesRequest(paged(params)),
        }
    }
}

fn paged<M: Default>(
    params: Option<PaginatedRequestParams>,
) -> RequestOptionalParam<M, PaginatedRequestParams> {
    RequestOptionalParam {
        params,
        ..Default::default()
    }
}

/// The lists of a server, as many as agents may have anything of.
///
/// # Errors
/// [`ConnectError`] if it does not list its tools. What else it does not list costs nothing but itself.
pub(super) async fn listings(
    peer: &Peer<RoleClient>,
    carried: &CarriedFeatures,
) -> Result<Listings, ConnectError> {
    let tools = tokio::time::timeout(LISTING, entries(peer, Kind::Tools));
    let mut listings = Listings {
        tools: tools.await.map_err(|_| unsaid(Kind::Tools, None))??,
        ..Listings::default()
    };
    let Some(info) = peer.peer_info() else {
        return Ok(listings);
    };
    let instructions = info.instructions.clone();
    listings.instructions = instructions.filter(|_| carried.instructions);
    let until = tokio::time::Instant::now() + LISTING;
    let prompts = carried.prompts.is_any() && info.capabilities.prompts.is_some();
    let resources = carried.resources.is_any() && info.capabilities.resources.is_some();
    for (kind, wanted) in [
        (Kind::Prompts, prompts),
        (Kind::Resources, resources),
        (Kind::Templates, resources),
    ] {
        if !wanted {
            continue;
        }
        let listed = tokio::time::timeout_at(until, entries(peer, kind)).await;
        match listed.unwrap_or_else(|_| Err(unsaid(kind, None))) {
            Ok(entries) => {
                let entries = entries
                    .into_iter()
                    .filter(|entry| is_carried(kind, entry, carried));
                match kind {
                    Kind::Prompts => listings.prompts = entries.collect(),
                    Kind::Resources => listings.resources = entries.collect(),
                    _ => listings.templates = entries.collect(),
                }
            }
            Err(error) => drop(listings.unanswered.insert(kind.noun().into(), error.why)),
        }
    }
    Ok(listings)
}

/// Whether agents may have this entry. What cannot be read is kept, so that it is shown.
fn is_carried(kind: Kind, entry: &Value, carried: &CarriedFeatures) -> bool {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    match kind {
        Kind::Prompts => text("name").is_none_or(|name| carried.prompts.takes(name)),
        Kind::Resources => {
            let uri = text("uri").and_then(|uri| CanonicalUri::parse(uri).ok());
            uri.is_none_or(|uri| carried.resources.takes_uri(uri.as_str()))
        }
        Kind::Tools | Kind::Templates => true,
    }
}

fn unsaid(kind: Kind, why: Option<&str>) -> ConnectError {
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    ConnectError::new(format!("it does not say which {} it has{why}", kind.noun()))
}

/// The entries that the server lists, as many as are looked at. A page that brings nothing new is the last one.
async fn entries(peer: &Peer<RoleClient>, kind: Kind) -> Result<Vec<Value>, ConnectError> {
    let mut list = List::default();
    let mut cursor: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let (page, next) = page(peer, kind, cursor.take()).await?;
        let before = list.entries.len();
        list.add(page).map_err(|problem| {
            ConnectError::new(format!("its list of {} {problem}", kind.noun()))
        })?;
        cursor = next.filter(|_| list.entries.len() > before);
        if cursor.is_none() || list.is_full() {
            return Ok(list.entries);
        }
    }
    let noun = kind.noun();
    let why = format!("its list of {noun} has more than {MAX_PAGES} pages");
    Err(ConnectError::new(why))
}

/// One page of a list, and the cursor of the next one.
async fn page(
    peer: &Peer<RoleClient>,
    kind: Kind,
    cursor: Option<String>,
) -> Result<(Vec<Value>, Option<String>), ConnectError> {
    let sent =
        peer.send_cancellable_request(kind.request(cursor), PeerRequestOptions::no_options());
    let unanswered = |error| ConnectError::new(told(&error));
    let mut question = Question(Some(sent.await.map_err(unanswered)?));
    let result = question.answer().await.map_err(unanswered)?;
    let mut page = match Reply::of(result) {
        Some(Reply::Answer(page)) => page,
        Some(Reply::Unusable(why) | Reply::Lost(why)) => return Err(unsaid(kind, Some(&why))),
        None => return Err(ConnectError::new(told(&ServiceError::UnexpectedResponse))),
    };
    let next = page.get("nextCursor").and_then(Value::as_str);
    let next = next.map(str::to_owned);
    match page.get_mut(kind.member()).map(Value::take) {
        Some(Value::Array(entries)) => Ok((entries, next)),
        _ => {
            let why = format!("its answer holds no list of {}", kind.noun());
            Err(ConnectError::new(why))
        }
    }
}

/// A list that is being read.
#[derive(Debug, Default)]
struct List {
    entries: Vec<Value>,
    /// The entries as they are written.
    seen: HashSet<String>,
    size: usize,
}

impl List {
    /// Add a page, as far as there is room. Later pages count only with what is new; the first one may have an entry
    /// twice.
    fn add(&mut self, page: Vec<Value>) -> Result<(), String> {
        let is_first = self.entries.is_empty();
        for entry in page {
            if self.is_full() {
                break;
            }
            let text = entry.to_string();
            self.size = self.size.saturating_add(text.len());
            if self.size > MAX_LIST {
                return Err(format!("is larger than {MAX_LIST} bytes"));
            }
            if self.seen.insert(text) || is_first {
                self.entries.push(entry);
            }
        }
        Ok(())
    }

    /// Whether there are more entries than are counted.
    fn is_full(&self) -> bool {
        self.entries.len() > MAX_LISTED
    }
}

/// A request to the server. If it is dropped before the answer, the server is sent a cancellation.
struct Question(Option<RequestHandle<RoleClient>>);

impl Question {
    async fn answer(&mut self) -> Result<ServerResult, ServiceError> {
        let Some(handle) = &mut self.0 else {
            return Err(ServiceError::TransportClosed);
        };
        let answer = (&mut handle.rx).await;
        self.0 = None;
        answer.unwrap_or(Err(ServiceError::TransportClosed))
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let (Some(handle), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            let cancelling = handle.cancel(Some("timeout".into()));
            runtime.spawn(tokio::time::timeout(CANCELLING, cancelling));
        }
    }
}

#[cfg(test)]
mod tests;
