use super::*;

#[test]
fn the_secret_to_look_at_is_named() {
    let secret = ConfigValue::Secret {
        name: "wiki".into(),
        prefix: "Bearer ",
    };
    let plain = ConfigValue::Literal("x".into());
    let headers = BTreeMap::from([
        ("authorization".to_owned(), secret),
        ("X-Team".to_owned(), plain),
    ]);
    let words = credentials(&headers);
    assert_eq!(
        words,
        "look at the secret `wiki`, which it is sent as `authorization`"
    );
    assert!(credentials(&BTreeMap::new()).contains("secret = "));
}

#[test]
fn a_redirect_may_come_after_the_deed() {
    for (status, delivery) in [
        (301, Delivery::Unknown),
        (302, Delivery::Unknown),
        (303, Delivery::Unknown),
        (307, Delivery::NotTaken),
        (308, Delivery::NotTaken),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(
            redirect_delivery(&Method::POST, status),
            delivery,
            "{status}"
        );
        assert_eq!(redirect_delivery(&Method::GET, status), Delivery::NotTaken);
    }
}

#[test]
fn a_url_of_the_servers_holds_no_credentials() {
    let base = Url::parse("https://x/mcp").unwrap();
    for (location, expected) in [
        ("/there?a@b", false),
        ("//x/there", false),
        ("//u@x/there", true),
        ("https://:p@x/", true),
    ] {
        let target = base.join(location).unwrap();
        assert_eq!(has_credentials(&target), expected, "{location}");
    }
}
