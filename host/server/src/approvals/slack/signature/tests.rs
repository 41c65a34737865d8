use axum::http::HeaderValue;
use proptest::prelude::*;

use super::*;

/// The example of Slack's documentation.
const KEY: &[u8] = b"8f742231b10e8888abcd99yyyzzz85a5";
const SECONDS: &str = "1531420618";
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&\
                    channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&\
                    response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&\
                    trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn headers(signature: &[u8], seconds: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [(SIGNATURE_FIELD, signature), (TIMESTAMP, seconds)] {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(name, value);
        }
    }
    headers
}

const SIGNATURE_FIELD: &str = super::SIGNATURE;

fn at(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// The outcome of all checks of a request.
fn check(
    headers: &HeaderMap,
    body: &[u8],
    key: &[u8],
    now: Timestamp,
) -> Result<(), AnswerRefusal> {
    let signature = RequestSignature::of(headers)?;
    signature.check_age(now)?;
    signature.verify(key, body)
}

#[test]
fn the_example_of_slack_is_accepted() {
    let headers = headers(SIGNATURE.as_bytes(), SECONDS.as_bytes());
    let now = at(1_531_420_618);
    assert_eq!(check(&headers, BODY.as_bytes(), KEY, now), Ok(()));
    assert_eq!(
        check(&headers, BODY.as_bytes(), b"another key", now),
        Err(AnswerRefusal::WrongSignature)
    );
}

#[test]
fn its_time_is_within_five_minutes() {
    let headers = headers(SIGNATURE.as_bytes(), SECONDS.as_bytes());
    let signature = RequestSignature::of(&headers).unwrap();
    for (now, expected) in [
        (1_531_420_618 + 300, Ok(())),
        (1_531_420_618 + 301, Err(AnswerRefusal::Old)),
        (1_531_420_618 - 300, Ok(())),
        (1_531_420_618 - 301, Err(AnswerRefusal::Future)),
        (0, Err(AnswerRefusal::Future)),
        (i64::MAX / 1_000_000, Err(AnswerRefusal::Old)),
    ] {
        assert_eq!(signature.check_age(at(now)), expected, "{now}");
    }
    // As long as its age is accepted, its use is remembered.
    assert!(signature.check_age(signature.expires()).is_err());
}

#[test]
fn what_is_missing_given_twice_or_of_another_form_is_refused() {
    let of = |fields: &[(&'static str, &str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        RequestSignature::of(&headers).map(drop)
    };
    let (signature, time) = ((SIGNATURE_FIELD, SIGNATURE), (TIMESTAMP, SECONDS));
    assert_eq!(of(&[signature, time]), Ok(()));
    for fields in [
        &[signature][..],
        &[time],
        &[],
        &[(SIGNATURE_FIELD, ""), time],
        &[signature, (TIMESTAMP, "")],
    ] {
        assert_eq!(of(fields), Err(AnswerRefusal::Unsigned), "{fields:?}");
    }
    for fields in [
        [signature, signature, time],
        [signature, time, time],
        [signature, time, (TIMESTAMP, "1")],
    ] {
        assert_eq!(of(&fields), Err(AnswerRefusal::Malformed), "{fields:?}");
    }
    for seconds in [
        "-1",
        "+1531420618",
        "1531420618.0",
        " 1",
        "0x1",
        "999999999999",
        "१",
    ] {
        let mut headers = headers(SIGNATURE.as_bytes(), b"1");
        headers.insert(
            TIMESTAMP,
            HeaderValue::from_bytes(seconds.as_bytes()).unwrap(),
        );
        let refused = RequestSignature::of(&headers).map(drop);
        assert_eq!(refused, Err(AnswerRefusal::Malformed), "{seconds}");
    }
}

/// `bytes` with one of them changed, added or removed; other than before.
fn variant(bytes: &[u8], place: usize, change: u8, kind: u8) -> Vec<u8> {
    let mut other = bytes.to_vec();
    let place = place % (bytes.len() + usize::from(kind == 1)).max(1);
    match kind {
        0 if !bytes.is_empty() => other[place] ^= change.max(1),
        1 => other.insert(place, change),
        _ if !bytes.is_empty() => drop(other.remove(place)),
        _ => other.push(change),
    }
    other
}

proptest! {
    #[test]
    fn a_request_counts_as_it_was_signed_and_no_other(
        body in prop::collection::vec(any::<u8>(), 0..200),
        key in prop::collection::vec(any::<u8>(), 1..80),
        part in 0..3_u8, place in any::<usize>(), change in any::<u8>(), kind in 0..3_u8,
    ) {
        let signature = sign(&key, SECONDS, &body).into_bytes();
        let seconds = SECONDS.as_bytes().to_vec();
        let now = at(1_531_420_618);
        prop_assert_eq!(check(&headers(&signature, &seconds), &body, &key, now), Ok(()));
        let of = |part_of: u8, bytes: &[u8]| match part == part_of {
            true => variant(bytes, place, change, kind),
            false => bytes.to_vec(),
        };
        let (other_body, other_signature, other_seconds) = (of(0, &body), of(1, &signature), of(2, &seconds));
        prop_assume!((&other_body, &other_signature, &other_seconds) != (&body, &signature, &seconds));
        let headers = headers(&other_signature, &other_seconds);
        prop_assert!(check(&headers, &other_body, &key, now).is_err());
    }
}
