//! What a resource and an authorization server say of themselves: RFC 9728 and RFC 8414. Both are untrusted, and each
//! counts only for whom it was asked about.

use serde::Deserialize;
use url::Url;

/// Authorization servers that are looked at.
const MAX_ISSUERS: usize = 8;
/// Bytes of a URL.
const MAX_URL: usize = 2048;

/// What a resource says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourceMetadata {
    /// The resource for which tokens are asked.
    pub(super) resource: String,
    /// The first authorization server that it names.
    pub(super) issuer: String,
}

/// What an authorization server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServerMetadata {
    pub(super) token: Url,
    pub(super) authorization: Option<Url>,
    /// How clients may authenticate at the token endpoint; absent: by `client_secret_basic`.
    pub(super) authentication: Option<Vec<String>>,
    /// Whether it supports PKCE with S256 (RFC 7636).
    pub(super) has_s256: bool,
    /// Whether its answers name the issuer (RFC 9207).
    pub(super) has_iss: bool,
}

#[derive(Deserialize)]
struct ResourceDocument {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
}

#[derive(Deserialize)]
struct ServerDocument {
    issuer: String,
    token_endpoint: Option<String>,
    authorization_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// Where a resource describes itself (RFC 9728, section 3.1), the most specific place first.
pub(super) fn resource_locations(resource: &Url) -> Vec<Url> {
    well_known(resource, "oauth-protected-resource")
}

/// Where an authorization server describes itself: RFC 8414, section 3.1, and `OpenID` Connect Discovery, section 4.
pub(super) fn server_locations(issuer: &Url) -> Vec<Url> {
    let mut locations = vec![inserted(issuer, "oauth-authorization-server")];
    locations.push(inserted(issuer, "openid-configuration"));
    let mut appended = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    appended.set_path(&format!("{path}/.well-known/openid-configuration"));
    if !locations.contains(&appended) {
        locations.push(appended);
    }
    locations
}

fn well_known(url: &Url, name: &str) -> Vec<Url> {
    let mut locations = vec![inserted(url, name)];
    let mut root = url.clone();
    root.set_path("/");
    let root = inserted(&root, name);
    if !locations.contains(&root) {
        locations.push(root);
    }
    locations
}

/// The well-known URI of `name`, between the host and the path.
fn inserted(url: &Url, name: &str) -> Url {
    let mut location = url.clone();
    location.set_query(None);
    location.set_fragment(None);
    let path = url.path().trim_end_matches('/');
    location.set_path(&format!("/.well-known/{name}{path}"));
    location
}

/// Whether `resource` may stand for the server at `url`: it has the same origin, and a path that leads to it.
pub(super) fn is_resource_of(resource: &str, url: &Url) -> bool {
    let Ok(resource) = Url::parse(resource) else {
        return false;
    };
    let above = resource.path().trim_end_matches('/');
    let below = url.path().strip_prefix(above);
    resource.origin() == url.origin()
        && resource.fragment().is_none()
        && resource
            .query()
            .is_none_or(|query| url.query() == Some(query))
        && resource.username().is_empty()
        && resource.password().is_none()
        && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The description of the resource at `url`. `expected` is what the operator calls it.
pub(super) fn resource_metadata(
    document: &[u8],
    url: &Url,
    expected: Option<&str>,
) -> Result<ResourceMetadata, String> {
    let document: ResourceDocument = serde_json::from_slice(document)
        .map_err(|_| "its metadata (RFC 9728) does not have the form".to_owned())?;
    let ResourceDocument {
        resource,
        authorization_servers: servers,
    } = document;
    // RFC 9728, section 3.3.
    let is_it = match expected {
        Some(expected) => resource == expected,
        None => is_resource_of(&resource, url),
    };
    if !is_it {
        return Err("its metadata (RFC 9728) is that of another resource".into());
    }
    let mut issuers = servers.into_iter().take(MAX_ISSUERS);
    // RFC 8414, section 2.
    let is_issuer = |issuer: &String| endpoint(issuer).is_some_and(|url| url.query().is_none());
    let issuer = issuers.find(is_issuer);
    let issuer =
        issuer.ok_or_else(|| "its metadata (RFC 9728) names no authorization server".to_owned())?;
    Ok(ResourceMetadata { resource, issuer })
}

/// The description of `issuer`.
pub(super) fn server_metadata(document: &[u8], issuer: &str) -> Result<ServerMetadata, String> {
    let document: ServerDocument = serde_json::from_slice(document)
        .map_err(|_| "its metadata (RFC 8414) does not have the form".to_owned())?;
    // RFC 8414, section 3.3: as strings.
    if document.issuer != issuer {
        return Err("its metadata (RFC 8414) is that of another issuer".into());
    }
    let origin = Url::parse(issuer).map(|issuer| issuer.origin());
    let own = |name: &str, url: Option<String>| match url {
        None => Ok(None),
        Some(url) => match endpoint(&url) {
            Some(url) if Ok(url.origin()) == origin => Ok(Some(url)),
            Some(_) => Err(format!(
                "its metadata (RFC 8414) names a `{name}` at another origin; if that is right, write `token_url` \
                 (and `authorization_url`) yourself"
            )),
            None => Err(format!(
                "its metadata (RFC 8414) names a `{name}` that is not a URL"
            )),
        },
    };
    let token = own("token_endpoint", document.token_endpoint)?;
    let token =
        token.ok_or_else(|| "its metadata (RFC 8414) names no `token_endpoint`".to_owned())?;
    let challenges = document.code_challenge_methods_supported;
    Ok(ServerMetadata {
        token,
        authorization: own("authorization_endpoint", document.authorization_endpoint)?,
        authentication: document.token_endpoint_auth_methods_supported,
        has_s256: challenges.iter().any(|method| method == "S256"),
        has_iss: document.authorization_response_iss_parameter_supported,
    })
}

/// A URL for HTTP of a reasonable length, without credentials and without a fragment.
fn endpoint(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_URL)?;
    let fits = matches!(url.scheme(), "http" | "https")
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    fits.then_some(url)
}

#[cfg(test)]
mod tests;
