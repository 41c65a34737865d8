use super::*;

#[test]
fn paragraphs_are_joined_and_examples_are_not() {
    let text = "Example:\n  $ tollgate a\n  $ tollgate b\n\nOne line\nand another.\nMore\n\nCodes:\n  0  done";
    let joined = "Example:\n  $ tollgate a\n  $ tollgate b\n\nOne line and another. More\n\nCodes:\n  0  done";
    assert_eq!(paragraphs(text), joined);
    assert_eq!(paragraphs(joined), joined);
}
