use super::*;

#[test]
fn header_values_are_text_without_control_characters() {
    assert_eq!(header_text("größe".into()), "größe");
    assert_eq!(header_text(vec![b'g', 0xf6, b'e']), "göe");
    assert_eq!(header_text(b"a\x1b[31m\tb\x80".to_vec()), "a [31m\tb ");
}
