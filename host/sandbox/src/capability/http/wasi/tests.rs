use super::*;

fn request(body: WasiBody) -> hyper::Request<WasiBody> {
    hyper::Request::builder()
        .method("POST")
        .uri("https://site.test/a?b=1")
        .header("host", "internal")
        .header("connection", "upgrade")
        .header("content-length", "3")
        .header("x-own", "kept")
        .body(body)
        .unwrap()
}

fn of_bytes(bytes: &'static [u8]) -> WasiBody {
    Full::new(Bytes::from_static(bytes))
        .map_err(Into::into)
        .boxed_unsync()
}

#[tokio::test]
async fn the_hosts_own_header_fields_are_left_out() {
    let taken = lift_request(request(of_bytes(b"abc"))).await.unwrap();
    assert_eq!(taken.url, "https://site.test/a?b=1");
    assert_eq!(taken.headers, [("x-own".to_owned(), "kept".to_owned())]);
    assert_eq!(taken.body.as_deref(), Some(&b"abc"[..]));
    assert_eq!(taken.redirects, 0);
}

#[tokio::test]
async fn trailers_are_refused_and_so_is_a_body_that_is_too_large() {
    let body = of_bytes(b"abc").with_trailers(std::future::ready(Some(Ok(HeaderMap::new()))));
    let refused = lift_request(request(body.boxed_unsync())).await;
    assert!(
        matches!(refused, Err(Error::HttpRequestTrailerSectionSize(_))),
        "{refused:?}"
    );
    let large = Full::new(Bytes::from(vec![0; MAX_BODY + 1])).map_err(Into::into);
    let refused = lift_request(request(large.boxed_unsync())).await;
    assert!(
        matches!(refused, Err(Error::HttpRequestBodySize(_))),
        "{refused:?}"
    );
}

#[test]
fn a_place_is_held_until_the_response_is_read() {
    let at_once = Arc::new(Semaphore::new(1));
    let place = Arc::clone(&at_once).try_acquire_owned().unwrap();
    let response = FetchResponse {
        status: 200,
        url: String::new(),
        headers: Vec::new(),
        body: b"abc".to_vec(),
    };
    let made = answer(response, place).unwrap();
    assert_eq!(at_once.available_permits(), 0);
    drop(made);
    assert_eq!(at_once.available_permits(), 1);
}
