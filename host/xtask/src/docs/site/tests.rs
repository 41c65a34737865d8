use super::*;

#[test]
fn links_to_missing_files_and_anchors_are_named() {
    let page = r##"<h1 id="top">x</h1><a href="b.html#there">1</a> <a href="b.html#gone">2</a> <a href="c.html">3</a>
<a href="#top">4</a> <a href="#off">5</a> <a href="https://example.com/x">6</a> <a href="wit/">7</a>
<img src="missing.svg"> <script src="book.js?v=1"></script>"##;
    let files = BTreeMap::from(
        [
            ("a.html", page),
            ("b.html", r#"<h2 id="there">y</h2>"#),
            ("wit/index.html", r#"<a href="../b.html">up</a>"#),
            ("book.js", ""),
            ("print.html", r#"<a href="nothing.html">skipped</a>"#),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned())),
    );
    assert_eq!(
        broken(&files),
        [
            "a.html: b.html#gone",
            "a.html: c.html",
            "a.html: #off",
            "a.html: missing.svg"
        ]
    );
}
