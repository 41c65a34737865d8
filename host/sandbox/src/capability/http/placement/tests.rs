use hyper::Method;
use url::Url;

use super::*;

fn wire(url: &str, body: Option<&str>) -> WireRequest {
    WireRequest {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: body.map(|body| Zeroizing::new(body.as_bytes().to_vec())),
    }
}

fn filled(
    placement: SecretPlacement,
    url: &str,
    body: Option<&str>,
) -> Result<WireRequest, HttpError> {
    let mut wire = wire(url, body);
    let secret = SecretValue {
        name: "key".into(),
        bytes: Zeroizing::new(b"s3cr3t &value".to_vec()),
        version: String::new(),
    };
    placement.check(&wire.headers, body.map(str::as_bytes))?;
    placement.fill(&mut wire, &secret)?;
    Ok(wire)
}

#[test]
fn a_secret_goes_where_it_is_meant_to() {
    let bearer = filled(SecretPlacement::Bearer, "https://a/", None).unwrap();
    let value = &bearer.headers["authorization"];
    assert_eq!(value.as_bytes(), b"Bearer s3cr3t &value");
    assert!(value.is_sensitive() && !format!("{value:?}").contains("s3cr3t"));
    let header = filled(
        SecretPlacement::Header("X-Api-Key".into()),
        "https://a/",
        None,
    )
    .unwrap();
    assert_eq!(header.headers["x-api-key"].as_bytes(), b"s3cr3t &value");
    let query = filled(
        SecretPlacement::Query("key".into()),
        "https://a/?key=old&b=1",
        None,
    )
    .unwrap();
    assert_eq!(query.url.as_str(), "https://a/?b=1&key=s3cr3t+%26value");
    let body = |body, pointer: &str| {
        filled(
            SecretPlacement::JsonPointer(pointer.into()),
            "https://a/",
            Some(body),
        )
    };
    let text = |wire: WireRequest| String::from_utf8(wire.body.unwrap().to_vec()).unwrap();
    assert_eq!(
        text(body(r#"{"auth":{}}"#, "/auth/token").unwrap()),
        r#"{"auth":{"token":"s3cr3t &value"}}"#
    );
    assert_eq!(
        text(body(r#"{"a/b":[1,"x"]}"#, "/a~1b/1").unwrap()),
        r#"{"a/b":[1,"s3cr3t &value"]}"#
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let refused = |place, body| filled(place, "https://a/", body).is_err();
    assert!(refused(SecretPlacement::Header("host".into()), None));
    assert!(refused(
        SecretPlacement::Header("Proxy-Authorization".into()),
        None
    ));
    assert!(refused(SecretPlacement::Header("a b".into()), None));
    assert!(refused(SecretPlacement::Query(String::new()), None));
    for (pointer, body) in [
        ("", "{}"),
        ("/a/b", "{}"),
        ("/a/0", r#"{"a":[]}"#),
        ("/a/b", r#"{"a":1}"#),
        ("a", "{}"),
        ("/a", "no json"),
    ] {
        assert!(
            refused(SecretPlacement::JsonPointer(pointer.into()), Some(body)),
            "{pointer} in {body}"
        );
    }
    assert!(refused(SecretPlacement::JsonPointer("/a".into()), None));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::from_static("mine"));
    assert!(SecretPlacement::Bearer.check(&headers, None).is_err());
}
