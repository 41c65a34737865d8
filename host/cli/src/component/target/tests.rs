use super::last_error;

#[test]
fn the_line_that_says_it() {
    assert_eq!(
        last_error("info: downloading\nerror: no network\n\n"),
        "error: no network"
    );
    assert_eq!(
        last_error("E: Unable to locate package x\n"),
        "E: Unable to locate package x"
    );
    assert_eq!(last_error(""), "failed without a word");
}
