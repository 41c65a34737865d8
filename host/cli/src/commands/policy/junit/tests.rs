use super::*;

#[test]
fn nothing_in_a_name_leaves_its_xml() {
    let wrong = ["x < y".to_owned()];
    let result = CaseResult {
        file: Path::new("a&b.json"),
        line: 7,
        name: "a\"<b>&\u{1b}",
        wrong: &wrong,
    };
    let xml = report([result].into_iter(), Duration::ZERO).unwrap();
    assert!(!xml.contains("<b>") && !xml.contains('\u{1b}'), "{xml}");
    assert!(
        xml.contains("&lt;b&gt;&amp;") && xml.contains("x &lt; y"),
        "{xml}"
    );
    assert!(
        xml.contains("a&amp;b.json")
            && xml.contains("line=\"7\"")
            && xml.contains("failures=\"1\""),
        "{xml}"
    );
}
