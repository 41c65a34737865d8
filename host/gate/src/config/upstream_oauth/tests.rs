use std::path::Path;

use super::super::{Config, UpstreamConfig, UpstreamTransport};
use super::*;

fn read(server: &str, oauth: &str) -> Result<UpstreamConfig, String> {
    let text = format!(
        "[secrets.key]\nenv = \"KEY\"\n[upstream.up]\n{server}\n[upstream.up.oauth]\n{oauth}\n"
    );
    let config = Config::parse(Path::new("/x/tollgate.toml"), &text);
    let config = config.map_err(|e| e.to_string())?;
    Ok(config.upstreams.get("up").cloned().unwrap())
}

const URL: &str = "url = \"https://h/mcp\"";
const CLIENT: &str = "grant = \"client_credentials\"\nclient_id = \"c\"\n";
const SECRET: &str = "client_secret = { secret = \"key\" }\n";
const ISSUER: &str = "issuer = \"https://as\"\n";
const USER: &str = "grant = \"authorization_code\"\nclient_id = \"c\"\n";

#[test]
fn both_grants_are_read() {
    let config = read(
        URL,
        &format!("{CLIENT}{SECRET}{ISSUER}scopes = [\"a\", \"b:c\"]"),
    )
    .unwrap();
    assert_eq!(config.secrets().collect::<Vec<_>>(), ["key"]);
    let UpstreamTransport::Http {
        oauth: Some(oauth), ..
    } = config.transport
    else {
        panic!("no oauth");
    };
    assert_eq!(
        oauth.server,
        AuthorizationServer::Issuer("https://as".into())
    );
    assert_eq!(oauth.scopes, ["a", "b:c"]);
    let user = read(URL, USER).unwrap();
    let UpstreamTransport::Http {
        oauth: Some(oauth), ..
    } = user.transport
    else {
        panic!("no oauth");
    };
    assert_eq!(oauth.authentication, ClientAuthentication::None);
    assert_eq!(oauth.server, AuthorizationServer::Discovered);
    let endpoints = "token_url = \"https://as/t\"\nauthorization_url = \"https://as/a\"";
    assert!(read(URL, &format!("{USER}{endpoints}")).is_ok());
}

/// A credential belongs to the authorization server at which the client is registered, so an upstream server never
/// chooses who gets it.
#[test]
fn a_credential_has_an_authorization_server_of_the_configuration() {
    let key = "private_key = { secret = \"key\" }\n";
    let token = "token_url = \"https://as/t\"\n";
    let both = "token_url = \"https://as/t\"\nauthorization_url = \"https://as/a\"\n";
    for (grant, named) in [(CLIENT, [ISSUER, token]), (USER, [ISSUER, both])] {
        for credential in [SECRET, key] {
            let error = read(URL, &format!("{grant}{credential}")).unwrap_err();
            assert!(error.contains("issuer = "), "{error}");
            for place in named {
                let oauth = format!("{grant}{credential}{place}");
                assert!(read(URL, &oauth).is_ok(), "{oauth}");
            }
        }
    }
    assert!(read(URL, USER).is_ok(), "a public client has no credential");
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    let http = "url = \"http://example.com/mcp\"";
    let own = "url = \"https://h/mcp\"\nsecret = \"key\"";
    let header = "url = \"https://h/mcp\"\nheaders = { Authorization = \"x\" }";
    for (server, oauth, remedy) in [
        (URL, "client_id = \"c\"".to_owned(), "grant = "),
        (
            URL,
            "grant = \"implicit\"\nclient_id = \"c\"".into(),
            "grant = ",
        ),
        (
            URL,
            "grant = \"authorization_code\"".into(),
            "register the gate",
        ),
        (URL, CLIENT.into(), "client_secret = "),
        (
            URL,
            format!("{CLIENT}client_secret = \"hunter2hunter2\""),
            "name a secret",
        ),
        (
            URL,
            format!("{CLIENT}client_secret = {{ secret = \"kex\" }}"),
            "`key`",
        ),
        (
            URL,
            format!("{CLIENT}{SECRET}private_key = {{ secret = \"key\" }}"),
            "keep the one",
        ),
        (
            URL,
            format!("{CLIENT}{SECRET}scopes = [\"a b\"]"),
            "each entry",
        ),
        (
            URL,
            format!("{CLIENT}{SECRET}resource = \"/mcp\""),
            "server's URL",
        ),
        (
            URL,
            format!("{CLIENT}{SECRET}issuer = \"http://as.example\""),
            "use https",
        ),
        (
            URL,
            format!("{CLIENT}{SECRET}token_url = \"http://as.example\""),
            "use https",
        ),
        (
            URL,
            format!("{CLIENT}{SECRET}issuer = \"https://as?x\""),
            "as the authorization server does",
        ),
        (
            URL,
            format!("{USER}token_url = \"https://as/t\""),
            "write both",
        ),
        (
            URL,
            format!("{USER}authorization_url = \"https://as/a\""),
            "write both",
        ),
        (http, format!("{CLIENT}{SECRET}{ISSUER}"), "use https"),
        (own, format!("{CLIENT}{SECRET}{ISSUER}"), "remove one"),
        (header, format!("{CLIENT}{SECRET}{ISSUER}"), "remove one"),
        (
            "command = [\"a\"]",
            format!("{CLIENT}{SECRET}{ISSUER}"),
            "`env`",
        ),
    ] {
        let error = read(server, &oauth).unwrap_err();
        assert!(error.contains(remedy), "{server} {oauth}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
