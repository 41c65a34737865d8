use super::*;

#[test]
fn text_that_could_deceive_is_escaped() {
    assert_eq!(printable("a\u{1b}[31mb", 100), "a\\u{1b}[31mb");
    assert_eq!(printable("pay \u{202e}eve", 100), "pay \\u{202e}eve");
    assert_eq!(printable("zwölf\n", 100), "zwölf\n");
    assert_eq!(
        printable("mallory\u{ad}🏴\u{e0067}\u{3164}", 100),
        "mallory\\u{ad}🏴\\u{e0067}\\u{3164}"
    );
}

#[test]
fn long_text_is_cut() {
    assert_eq!(printable("aaaaaaaaaa", 6), "aaa…");
    assert!(printable(&"ü".repeat(100), 50).len() <= 50);
}

#[test]
fn the_table_is_in_order() {
    for (first, last) in INVISIBLE {
        assert!(first <= last);
    }
    for pair in INVISIBLE.windows(2) {
        assert!(pair[0].1 < pair[1].0, "{pair:?}");
    }
}

/// For all of Unicode, against the standard library's properties and the named blocks.
#[test]
fn every_character_that_hides_is_escaped() {
    // Default_Ignorable_Code_Point, line separators and interlinear annotations (Unicode 16).
    let hides = |c: char| {
        matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..='\u{10ffff}')
    };
    for c in ('\0'..='\u{10ffff}').filter(|c| *c != '\n' && *c != '\t') {
        if c.is_control() || hides(c) {
            assert!(!is_visible(c), "{}", c.escape_unicode());
        }
    }
    let written = "Größe, Привет, 漢字 한글, हिन्दी, العربية, 🙂 ≠ €";
    assert_eq!(printable(written, usize::MAX), written);
}

#[test]
fn a_tool_is_found_by_its_own_name() {
    let tools = ["hello__greet", "payments__refund", "hello__part"];
    let near = |name: &str| nearest_tool(name, tools.into_iter());
    assert_eq!(near("hello_greet"), Some("hello__greet"));
    assert_eq!(near("greet"), Some("hello__greet"));
    assert_eq!(near("refnud"), Some("payments__refund"));
    assert_eq!(near("delete"), None);
}
