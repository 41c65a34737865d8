//! Web pages as text that a model can read: fetch a page, list its links.
//!
//! Policy decides each request and each redirect; the tool reports a refusal with its reason. It only sends
//! `GET`, runs no scripts, and keeps no cookies.

mod charset;
mod page;

use tollgate_guest::{Json, ToolError, adapter, arguments, http, output, tool};

use page::{Link, Page};

/// The most links that are returned.
const MAX_LINKS: usize = 200;

/// A page.
#[arguments]
struct Fetch {
    /// The page's address, for example `https://example.com/docs`.
    url: String,
    /// How many characters of text to return at most.
    #[serde(default = "twenty_thousand")]
    #[schemars(range(min = 100, max = 100_000))]
    limit: u32,
    /// How many characters of text to skip: `next` of the answer before.
    #[serde(default)]
    start: u32,
}

fn twenty_thousand() -> u32 {
    20_000
}

/// A page's text.
#[output]
struct Text {
    /// The address that answered, after redirects.
    url: String,
    /// Its title, if it has one.
    title: Option<String>,
    /// Its text, or a part of it.
    text: String,
    /// Characters of its whole text.
    total: u64,
    /// Where the rest begins, if there is more.
    next: Option<u64>,
}

/// The links of a page.
#[arguments]
struct Links {
    /// The page's address, for example `https://example.com/docs`.
    url: String,
    /// Only links whose text or address contains this, in any case.
    contains: Option<String>,
}

/// A page's links.
#[output]
struct Found {
    /// The address that answered, after redirects.
    url: String,
    /// Its title, if it has one.
    title: Option<String>,
    /// Its links, each address once, in their order.
    links: Vec<To>,
    /// How many more there are.
    more: u64,
}

/// A link.
#[output]
struct To {
    /// What the page calls it.
    text: String,
    /// Where it leads.
    url: String,
}

/// Fetches a web page and returns its title and readable text, without scripts, styles and pictures. For a
/// long page, call it again with `start`.
#[tool(read_only, idempotent, open_world)]
fn fetch(args: Fetch) -> Result<Json<Text>, ToolError> {
    let (url, page) = read(&args.url)?;
    let total = page.text.chars().count() as u64;
    let start = u64::from(args.start);
    let text: String = page
        .text
        .chars()
        .skip(args.start as usize)
        .take(args.limit as usize)
        .collect();
    let end = start + u64::from(args.limit);
    Ok(Json(Text {
        url,
        title: page.title,
        text,
        total,
        next: (end < total).then_some(end),
    }))
}

/// Lists the links of a web page, with their addresses.
#[tool(read_only, idempotent, open_world)]
fn links(args: Links) -> Result<Json<Found>, ToolError> {
    let (url, page) = read(&args.url)?;
    let wanted = args.contains.unwrap_or_default().to_lowercase();
    let is_wanted = |link: &Link| {
        [&link.text, &link.url]
            .iter()
            .any(|text| text.to_lowercase().contains(&wanted))
    };
    let mut links: Vec<To> = Vec::new();
    for link in page.links.into_iter().filter(is_wanted) {
        if links.iter().all(|other| other.url != link.url) {
            links.push(To {
                text: link.text,
                url: link.url,
            });
        }
    }
    let more = links.len().saturating_sub(MAX_LINKS) as u64;
    links.truncate(MAX_LINKS);
    Ok(Json(Found {
        url,
        title: page.title,
        links,
        more,
    }))
}

/// A page with any kind of text.
fn read(url: &str) -> Result<(String, Page), ToolError> {
    let accept =
        "text/html, application/xhtml+xml, text/plain;q=0.9, application/json;q=0.8, */*;q=0.1";
    let response = http::get(url).header("accept", accept).send()?.ok()?;
    let url = response.url().to_owned();
    let declared = response
        .header("content-type")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let kind = declared
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let body = response.into_body();
    let is_text = kind.starts_with("text/")
        || [
            "application/json",
            "application/xml",
            "application/javascript",
            "application/x-ndjson",
        ]
        .contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml");
    let page = match kind.as_str() {
        "text/html" | "application/xhtml+xml" => {
            Page::of_html(&charset::text(body, &declared), &url)
        }
        "" if body.first() == Some(&b'<') => Page::of_html(&charset::text(body, &declared), &url),
        "" if core::str::from_utf8(&body).is_ok() => Page::of_text(charset::text(body, &declared)),
        _ if is_text => Page::of_text(charset::text(body, &declared)),
        _ => {
            return Err(ToolError::failed(format!(
                "{} is not text but {} ({} bytes)",
                url.split('?').next().unwrap_or_default(),
                if kind.is_empty() {
                    "something unnamed"
                } else {
                    &kind
                },
                body.len()
            )));
        }
    };
    Ok((url, page))
}

adapter!(fetch, links);

#[cfg(test)]
mod tests;
