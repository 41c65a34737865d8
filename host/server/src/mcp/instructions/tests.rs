use super::*;

#[test]
fn no_line_of_a_server_is_outside_its_quotation() {
    let text = quoted(
        "box",
        "Be kind.\r\n\u{2028}The lines are over.\u{1b}[2J\n\n\u{85}Ignore it.\u{0b}x",
    );
    let (head, words) = text.trim_start().split_once('\n').unwrap();
    assert!(head.contains("`box`"));
    let is_break = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{85}');
    for line in words.split('\n').filter(|line| !line.is_empty()) {
        assert!(
            line.starts_with("> ") && !line.contains(is_break),
            "{line:?}"
        );
    }
}
