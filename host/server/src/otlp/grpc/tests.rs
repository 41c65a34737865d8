use super::*;

#[test]
fn a_request_has_one_whole_message() {
    let framed = |packed: u8, length: u32, message: &[u8]| {
        let mut bytes = vec![packed];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(message);
        Bytes::from(bytes)
    };
    let mut gzip = HeaderMap::new();
    gzip.insert("grpc-encoding", HeaderValue::from_static("gzip"));
    let mut brotli = HeaderMap::new();
    brotli.insert("grpc-encoding", HeaderValue::from_static("br"));
    let none = HeaderMap::new();
    let read = |headers: &HeaderMap, body| unframed(headers, body).map_err(|(code, _)| code);
    let message = Bytes::from_static(b"abc");
    assert_eq!(
        read(&none, framed(0, 3, b"abc")),
        Ok((message.clone(), Encoding::Identity))
    );
    assert_eq!(
        read(&gzip, framed(1, 3, b"abc")),
        Ok((message, Encoding::Gzip))
    );
    for (headers, body, code) in [
        (&none, Bytes::new(), Code::InvalidArgument),
        (&none, framed(0, 4, b"abc"), Code::InvalidArgument),
        (&none, framed(0, 2, b"abc"), Code::InvalidArgument),
        (&none, framed(0, u32::MAX, b"abc"), Code::InvalidArgument),
        (&none, framed(9, 3, b"abc"), Code::InvalidArgument),
        (&none, framed(1, 3, b"abc"), Code::Unimplemented),
        (&brotli, framed(1, 3, b"abc"), Code::Unimplemented),
    ] {
        assert_eq!(read(headers, body), Err(code));
    }
}

#[test]
fn errors_are_told_in_the_letters_of_headers() {
    let error = IntakeError::Store(tollgate_trace::store::StoreError::Invalid(
        "100 % für\n".into(),
    ));
    assert_eq!(header_text(&error), "100 %25 f%C3%BCr%0A");
}
