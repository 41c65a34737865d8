use super::*;

#[test]
fn a_name_is_one_segment() {
    assert_eq!(segment("a-b.c_d~1"), "a-b.c_d~1");
    assert_eq!(segment("a/b ü?"), "a%2Fb%20%C3%BC%3F");
}

#[test]
fn a_claim_goes_into_headers_that_nothing_shows() {
    let claim = Claim {
        user: "bob".into(),
        token: "tollgate_00".into(),
    };
    let request = ApiRequest::get("/v1/runs");
    let http: axum::http::Request<Vec<u8>> = request.to_http(Some(&claim)).unwrap();
    assert_eq!(http.headers()[USER_HEADER], "bob");
    assert_eq!(http.headers()["authorization"], "Bearer tollgate_00");
    assert!(!format!("{http:?} {claim:?}").contains("tollgate_00"));
    let odd = Claim {
        user: "bob\n".into(),
        ..claim
    };
    let refused = request.to_http::<Vec<u8>>(Some(&odd)).unwrap_err();
    assert_eq!(refused.exit, crate::exit_code::Exit::Denied);
}

#[test]
fn the_time_to_wait_can_be_shortened() {
    let call = ApiRequest::call(json!({ "tool": "t" }), Duration::from_secs(9));
    assert!(call.has_effects());
    let shorter = call.waiting(Duration::from_secs(2));
    assert_eq!(shorter.body.unwrap()["wait_ms"], 2000);
}
