use super::*;

fn redacted(text: &str) -> Cow<'_, str> {
    assert!(text.len() <= MAX_NOTE + MARGIN, "more than is kept");
    text.replace("secret!", "*").into()
}

#[test]
fn a_long_note_is_cut_before_it_is_redacted() {
    assert_eq!(clean_head("a secret!", MAX_NOTE, redacted), "a *");
    let long = "ä".repeat(1 << 19);
    let kept = clean_head(&long, MAX_NOTE, redacted);
    assert!(kept.len() <= MAX_NOTE && kept.len() > MAX_NOTE - 8);
    // What stands before the cut shrinks, and what is cut in two is not shown.
    for shift in 0..8 {
        let text = format!("{}{}", "-".repeat(shift), "secret!".repeat(1 << 16));
        let kept = clean_head(&text, MAX_NOTE, redacted);
        assert!(!kept.contains('s'), "{shift}: {kept}");
    }
}
