use super::text;

#[test]
fn umlauts_survive() {
    assert_eq!(text("größe".into(), ""), "größe");
    assert_eq!(
        text(
            b"gr\xf6\xdfe \x80".to_vec(),
            "text/html; charset=iso-8859-1"
        ),
        "größe €"
    );
    assert_eq!(
        text(b"a\xff".to_vec(), "text/html; charset=utf-8"),
        "a\u{fffd}"
    );
    assert_eq!(text(b"\xef\xbb\xbfa".to_vec(), ""), "a");
}
