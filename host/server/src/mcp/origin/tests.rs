use serde_json::json;

use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn meta(value: Value) -> RequestMetaObject {
    serde_json::from_value(value).unwrap()
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.insert(*name, value.parse().unwrap());
    }
    headers
}

#[test]
fn the_first_that_is_there_names_the_run() {
    let all = headers(&[("traceparent", PARENT), (RUN_HEADER, "monday")]);
    let session = || Some("s1".to_owned());
    let run = |meta, headers, session| place(&meta, headers, session, &[]).unwrap().run;
    let none = meta(json!({}));
    assert_eq!(
        run(none.clone(), Some(&all), session()),
        RunKey::Traced(TRACE.parse().unwrap())
    );
    let named = meta(json!({RUN_META: "tuesday"}));
    let header = headers(&[(RUN_HEADER, "monday")]);
    assert_eq!(
        run(named, Some(&header), session()),
        RunKey::Named("tuesday".into())
    );
    assert_eq!(
        run(none.clone(), Some(&header), session()),
        RunKey::Named("monday".into())
    );
    assert_eq!(
        run(none.clone(), None, session()),
        RunKey::Named("session:s1".into())
    );
    assert_eq!(run(none, None, None), RunKey::Ambient);
}

#[test]
fn names_in_the_gates_form_are_refused() {
    for name in ["", "session:s1", "trace:x", "a b", "ü", &"x".repeat(129)] {
        let meta = meta(json!({RUN_META: name}));
        assert!(place(&meta, None, None, &[]).is_err(), "{name}");
    }
    assert!(place(&meta(json!({RUN_META: 7})), None, None, &[]).is_err());
}

#[test]
fn trace_contexts_are_read_strictly() {
    assert!(traceparent(PARENT).is_some());
    let later = format!("cc{}-what-comes", &PARENT[2..]);
    assert!(traceparent(&later).is_some(), "a later version");
    for bad in [
        "",
        "00",
        &PARENT[1..],
        &PARENT.to_uppercase(),
        &format!("ff{}", &PARENT[2..]),
        &format!("{PARENT}-x"),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ] {
        assert_eq!(traceparent(bad), None, "{bad}");
    }
}

#[test]
fn the_conversation_is_in_meta_or_baggage() {
    let keys = ["chat".to_owned()];
    let in_meta = meta(json!({"chat": "c-1", "baggage": "session.id=c-2"}));
    let found = |meta: &RequestMetaObject| {
        let place = place(meta, None, None, &keys).unwrap();
        place.origin.conversation
    };
    assert_eq!(found(&in_meta).as_deref(), Some("c-1"));
    let passed = place(&in_meta, None, None, &keys).unwrap().meta;
    assert_eq!(passed.keys().collect::<Vec<_>>(), ["baggage"]);
    let baggage = meta(json!({"baggage": "a=b, session.id=c-2;p , gen_ai.conversation.id=c-3"}));
    assert_eq!(found(&baggage).as_deref(), Some("c-3"));
    assert_eq!(found(&meta(json!({"chat": "a\nb"}))), None);
}

#[test]
fn a_users_request_is_told_in_meta_and_in_a_header() {
    let told = |meta: Value, headers: &HeaderMap| {
        let place = place(&self::meta(meta), Some(headers), None, &[]);
        place.map(|place| place.user_requests)
    };
    let request = |channel, text: &str| UserRequest {
        channel,
        text: text.into(),
    };
    let header = headers(&[(REQUEST_HEADER, "Pay 10%25 to J%C3%BCrgen")]);
    let both = told(json!({REQUEST_META: "Pay Ann"}), &header).unwrap();
    assert_eq!(
        both,
        [
            request(RequestChannel::Mcp, "Pay Ann"),
            request(RequestChannel::Header, "Pay 10% to Jürgen"),
        ]
    );
    assert_eq!(told(json!({}), &HeaderMap::new()).unwrap(), []);
    let long = "x".repeat(MAX_REQUEST + 1);
    for bad in ["10% off", "%zz", "%+1", "%C3", "ü", &long] {
        let header = headers(&[(REQUEST_HEADER, bad)]);
        assert!(told(json!({}), &header).is_err(), "{bad}");
    }
    let place = place(&meta(json!({REQUEST_META: "Pay Ann"})), None, None, &[]).unwrap();
    assert!(place.meta.is_empty(), "an upstream server is not told");
}
