use super::*;

#[test]
fn told_by_content() {
    assert_eq!(
        content(b"plain".to_vec(), "a.png"),
        Ok(Content::text("plain"))
    );
    let png = b"\x89PNG\r\n\x1a\n....".to_vec();
    assert_eq!(
        content(png.clone(), "a.txt"),
        Ok(Content::image("image/png", png))
    );
    assert!(
        content(vec![0xff, 0xfe], "a.bin")
            .unwrap_err()
            .to_string()
            .contains("`a.bin` is neither text")
    );
}
