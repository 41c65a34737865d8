use super::*;

#[test]
fn nothing_in_a_cell_moves_the_cursor() {
    let bad = "gpt\u{1b}]0;owned\u{7}\n\u{202e}5";
    let text = table(["", bad], &[[bad.into(), Cell::new(bad, Tone::Bad)]]);
    assert_eq!(text.lines().count(), 2, "{text}");
    let escaped = r"gpt\u{1b}]0;owned\u{7}\n\u{202e}5";
    assert_eq!(text.matches(escaped).count(), 3, "{text}");
    assert!(!text.contains(['\u{7}', '\u{202e}']), "{text}");
}

#[test]
fn columns_align_and_no_line_ends_in_spaces() {
    let rows = [
        ["ä".into(), "1".into(), "x".into()],
        ["long".into(), Cell::default(), Cell::default()],
    ];
    assert_eq!(
        table(["NAME", "N", "REST"], &rows)
            .replace("\u{1b}[2m", "")
            .replace("\u{1b}[0m", ""),
        "NAME  N  REST\nä     1  x\nlong\n"
    );
}
