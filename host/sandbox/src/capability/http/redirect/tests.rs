use std::collections::BTreeSet;

use super::*;
use crate::capability::http::{Credential, FetchRequest, SecretPlacement};

fn hop(method: &str) -> RequestHop {
    let request = FetchRequest {
        method: method.into(),
        url: "https://example.com/a".into(),
        headers: vec![
            ("authorization".into(), "Basic mine".into()),
            ("content-type".into(), "text/plain".into()),
            ("x-other".into(), "1".into()),
        ],
        body: Some(b"{}".to_vec()),
        credentials: vec![
            Credential {
                secret: "a".into(),
                placement: SecretPlacement::Query("key".into()),
            },
            Credential {
                secret: "a".into(),
                placement: SecretPlacement::JsonPointer("/key".into()),
            },
        ],
        redirects: 5,
        timeout: None,
    };
    RequestHop::first(&request, &BTreeSet::from(["a".to_owned()])).unwrap()
}

fn answer(status: u16, location: &str) -> WireResponse {
    WireResponse {
        status,
        headers: vec![("location".into(), location.as_bytes().to_vec())],
        body: Vec::new(),
        address: [127, 0, 0, 1].into(),
    }
}

#[test]
fn the_method_changes_as_browsers_have_it() {
    for (status, method, becomes) in [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "DELETE", "GET"),
        (303, "HEAD", "HEAD"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (301, "GET", "GET"),
    ] {
        let next = hop(method)
            .redirected(&answer(status, "/b"))
            .unwrap()
            .unwrap();
        assert_eq!(next.method.as_str(), becomes, "{status} of {method}");
        let keeps = method == becomes;
        assert_eq!(next.body.is_some(), keeps, "{status} of {method}");
        assert_eq!(next.headers.contains_key("content-type"), keeps);
        assert_eq!(next.credentials.len(), if keeps { 2 } else { 1 });
        assert_eq!((next.redirects, next.is_elsewhere), (1, false));
    }
}

#[test]
fn another_origin_gets_no_authorization() {
    for location in [
        "https://example.org/",
        "http://example.com/a",
        "https://example.com:8443/",
    ] {
        let next = hop("GET")
            .redirected(&answer(302, location))
            .unwrap()
            .unwrap();
        assert!(next.is_elsewhere, "{location}");
        assert!(
            !next.headers.contains_key("authorization") && next.headers.contains_key("x-other")
        );
        // Returning to the first origin does not restore them.
        let back = next
            .redirected(&answer(302, "https://example.com/a"))
            .unwrap()
            .unwrap();
        assert!(back.is_elsewhere && !back.headers.contains_key("authorization"));
    }
    let same = hop("GET").redirected(&answer(302, "b")).unwrap().unwrap();
    assert!(same.headers.contains_key("authorization"));
}

#[test]
fn other_statuses_are_not_followed() {
    for status in [200, 204, 300, 304, 305, 404] {
        assert!(
            hop("GET")
                .redirected(&answer(status, "/b"))
                .unwrap()
                .is_none(),
            "{status}"
        );
    }
    let mut without = answer(302, "/b");
    without.headers.clear();
    assert!(hop("GET").redirected(&without).unwrap().is_none());
    assert!(matches!(
        hop("GET").redirected(&answer(302, "file:///x")),
        Err(HttpError::Malformed(_))
    ));
}
