use proptest::prelude::*;

use super::*;

fn texts(blocks: &[Value]) -> Vec<&str> {
    let text = |block: &Value| {
        block
            .pointer("/text/text")
            .and_then(Value::as_str)
            .map(str::len)
    };
    assert!(blocks.iter().all(|block| text(block).is_some()));
    blocks
        .iter()
        .filter_map(|block| block["text"]["text"].as_str())
        .collect()
}

#[test]
fn a_short_text_is_one_block() {
    assert_eq!(texts(&text("one\ntwo")), ["one\ntwo"]);
}

#[test]
fn an_entity_is_not_cut() {
    let line = format!("{}&amp;tail", "x".repeat(MAX_TEXT - 6));
    let blocks = text(&line);
    let [shown] = texts(&blocks)[..] else {
        panic!("{blocks:?}");
    };
    assert!(shown.ends_with("x…"), "{shown}");
}

/// A line of words that are repeated.
fn line() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec!["&lt;", "&amp;", "ä", "x", "x&gt;", " "]);
    let words = (word, 0..1500_usize).prop_map(|(word, times)| word.repeat(times));
    prop::collection::vec(words, 0..3).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn texts_fit_into_blocks(lines in prop::collection::vec(line(), 0..30)) {
        let blocks = text(&lines.join("\n"));
        prop_assert!(blocks.len() <= MAX_BLOCKS);
        for text in texts(&blocks) {
            prop_assert!(text.len() <= 3000);
            let whole = text.replace("&lt;", "").replace("&amp;", "").replace("&gt;", "");
            prop_assert!(!whole.contains('&'), "{}", text);
        }
    }

    #[test]
    fn arguments_are_shown_as_they_are(text in "\\PC{2800,3000}") {
        let blocks = preformatted(&text);
        let shown: String = blocks
            .iter()
            .map(|block| block.pointer("/elements/0/elements/0/text").unwrap().as_str().unwrap())
            .collect();
        prop_assert_eq!(shown, text);
    }
}
