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
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn texts(urls: Vec<Url>) -> Vec<String> {
        urls.into_iter().map(String::from).collect()
    }

    #[test]
    fn documents_are_where_the_standards_put_them() {
        assert_eq!(
            texts(resource_locations(&url("https://h:1/a/mcp?x=1"))),
            [
                "https://h:1/.well-known/oauth-protected-resource/a/mcp",
                "https://h:1/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(
            texts(server_locations(&url("https://as/tenant/"))),
            [
                "https://as/.well-known/oauth-authorization-server/tenant",
                "https://as/.well-known/openid-configuration/tenant",
                "https://as/tenant/.well-known/openid-configuration"
            ]
        );
        assert_eq!(texts(server_locations(&url("https://as"))).len(), 2);
    }

    #[test]
    fn a_resource_is_that_of_the_server() {
        let server = url("https://h/a/mcp");
        for (resource, expected) in [
            ("https://h/a/mcp", true),
            ("https://h/a/mcp/", true),
            ("https://h/a", true),
            ("https://h", true),
            ("https://H:443/", true),
            ("https://h/a/mcp/more", false),
            ("https://h/a/m", false),
            ("https://h/b", false),
            ("http://h/a/mcp", false),
            ("https://h:444/a/mcp", false),
            ("https://evil/a/mcp", false),
            ("https://u@h/a/mcp", false),
            ("https://h/a/mcp?x", false),
            ("a/mcp", false),
        ] {
            assert_eq!(is_resource_of(resource, &server), expected, "{resource}");
        }
    }

    #[test]
    fn a_document_counts_only_for_whom_it_was_asked_about() {
        let server = url("https://h/mcp");
        let of = |document: serde_json::Value, expected: Option<&str>| {
            resource_metadata(document.to_string().as_bytes(), &server, expected)
        };
        let good = json!({"resource": "https://h/mcp", "authorization_servers": ["https://as"]});
        assert_eq!(of(good.clone(), None).unwrap().issuer, "https://as");
        assert!(of(good.clone(), Some("urn:wiki")).is_err());
        let named = json!({"resource": "urn:wiki", "authorization_servers": ["javascript:1", "https://as"]});
        assert!(of(named.clone(), None).is_err());
        assert_eq!(of(named, Some("urn:wiki")).unwrap().issuer, "https://as");
        for wrong in [
            json!({"resource": "https://evil/mcp", "authorization_servers": ["https://as"]}),
            json!({"resource": "https://h/mcp", "authorization_servers": []}),
            json!({"resource": "https://h/mcp"}),
            json!({"resource": "https://h/mcp", "authorization_servers": ["https://u:p@as"]}),
            json!({"resource": "https://h/mcp", "authorization_servers": ["https://as?x=1"]}),
            json!([]),
        ] {
            assert!(of(wrong.clone(), None).is_err(), "{wrong}");
        }

        let of = |document: serde_json::Value| {
            server_metadata(document.to_string().as_bytes(), "https://as")
        };
        let good = json!({"issuer": "https://as", "token_endpoint": "https://as/token",
            "authorization_endpoint": "https://as/authorize", "code_challenge_methods_supported": ["plain", "S256"]});
        let read = of(good.clone()).unwrap();
        assert!(read.has_s256 && !read.has_iss && read.authentication.is_none());
        for (member, value) in [
            ("issuer", json!("https://as/")),
            ("issuer", json!("https://evil")),
            ("token_endpoint", json!("https://evil/token")),
            ("token_endpoint", json!("http://as/token")),
            ("token_endpoint", json!("https://u:p@as/token")),
            ("token_endpoint", json!("/token")),
            ("token_endpoint", json!(null)),
            ("authorization_endpoint", json!("https://evil/authorize")),
        ] {
            let mut document = good.clone();
            document[member] = value.clone();
            assert!(of(document).is_err(), "{member} {value}");
        }
        let twice =
            br#"{"issuer":"https://as","issuer":"https://evil","token_endpoint":"https://as/t"}"#;
        assert!(server_metadata(twice, "https://as").is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(document in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,80}") {
            let server = url("https://h/mcp");
            let _ = resource_metadata(&document, &server, None);
            let _ = server_metadata(&document, &text);
            let _ = is_resource_of(&text, &server);
        }

        #[test]
        fn a_token_never_goes_where_the_issuer_is_not(issuer in "https?://[a-c]{1,2}(:[1-9]{2})?(/[a-z]{0,3})?",
            token in "https?://[a-c]{1,2}(:[1-9]{2})?/[a-z]{0,3}") {
            let document = json!({"issuer": issuer, "token_endpoint": token}).to_string();
            if let Ok(read) = server_metadata(document.as_bytes(), &issuer) {
                prop_assert_eq!(read.token.origin(), url(&issuer).origin());
            }
        }

        #[test]
        fn a_resource_is_never_that_of_another_origin(resource in "https?://[a-c]{1,2}(:[1-9]{2})?(/[a-z]{0,3}){0,2}",
            server in "https?://[a-c]{1,2}(:[1-9]{2})?(/[a-z]{0,3}){0,2}") {
            if is_resource_of(&resource, &url(&server)) {
                prop_assert_eq!(url(&resource).origin(), url(&server).origin());
            }
        }
    }
}
