use super::*;

fn refused(code: Code, details: &[Detail]) -> Answer {
    let details = Details {
        details: details.to_vec(),
    };
    let details = details.encode_to_vec();
    grpc_refusal(&Status::with_details(code, "no", details.into()))
}

#[test]
fn a_collector_that_says_when_to_come_again_is_asked_again_then() {
    let detail = |kind: &str, info: RetryInfo| Detail {
        type_url: format!("type.googleapis.com/{kind}"),
        value: info.encode_to_vec(),
    };
    let in_a_while = RetryInfo {
        retry_delay: Some(Delay {
            seconds: 7,
            nanos: 500_000_000,
        }),
    };
    let in_a_while = detail("google.rpc.RetryInfo", in_a_while);
    let after = |answer| match answer {
        Answer::Unavailable { after, .. } => after,
        other => panic!("{other:?}"),
    };
    for code in [Code::ResourceExhausted, Code::Unavailable] {
        let answer = refused(code, std::slice::from_ref(&in_a_while));
        assert_eq!(after(answer), Some(Duration::from_millis(7500)), "{code:?}");
    }
    let any_time = detail("google.rpc.RetryInfo", RetryInfo::default());
    let backwards = RetryInfo {
        retry_delay: Some(Delay {
            seconds: i64::MIN,
            nanos: -1,
        }),
    };
    let backwards = detail("google.rpc.RetryInfo", backwards);
    for detail in [any_time, backwards] {
        let answer = refused(Code::ResourceExhausted, &[detail]);
        assert_eq!(after(answer), Some(Duration::ZERO));
    }
    // Without a retry delay the request is too large.
    let other = detail("google.rpc.BadRequest", RetryInfo::default());
    for details in [&[][..], &[other]] {
        let answer = refused(Code::ResourceExhausted, details);
        assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
    }
    assert_eq!(retry_info(b"\xff\xff no message"), None);
    assert!(matches!(
        refused(Code::InvalidArgument, &[in_a_while]),
        Answer::Refused(_)
    ));
}
