use super::*;

#[test]
fn each_line_has_its_source_and_its_line() {
    // Nothing; source 0 from line 5; the same, twice; source 1 from its line 0; nothing of its own.
    let found = lines(";AAIA,IACE;AADF,EAEA;ACLF;");
    assert_eq!(found, [(0, 0), (0, 4), (0, 4), (1, 1), (1, 1)]);
}

#[test]
fn other_text_ends_the_list() {
    assert_eq!(lines("AACA;A!;AACA"), [(0, 1)]);
    assert_eq!(lines("gggggggggggggggggggggA"), []);
    assert_eq!(lines(""), [(0, 0)]);
}
