use super::*;

#[test]
fn words_wrap_and_long_ones_break() {
    assert_eq!(
        wrap("one two three four five six", 20),
        ["one two three four", "five six"]
    );
    assert_eq!(
        wrap(&"x".repeat(45), 20),
        ["x".repeat(20), "x".repeat(20), "x".repeat(5)]
    );
    assert_eq!(wrap("a\nb", 20), ["a", "b"]);
}

#[test]
fn nothing_from_outside_moves_the_cursor() {
    assert_eq!(
        line("a\u{1b}[2J\nb\t\u{202e}c", 100),
        "a\\u{1b}[2J\\nb\\t\\u{202e}c"
    );
}
