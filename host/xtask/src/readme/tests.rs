use super::{missing, pictures};

const README: &str = "# A\n## What you see\nA text.\n```\nrun 12ab  ok  3 calls\n ├─ ✓ read  6.3 ms\n │  …\n ```\n## First\n```\nno\n```\n";
const OUTPUT: &str = "run 77  ok  1 calls\n      ├─ ✓ list 1 s\n      └─ ✓ read  812 µs\n";

#[test]
fn lines_stand_in_the_output_with_other_numbers() {
    let lines = pictures(README).unwrap();
    assert!(missing(lines, OUTPUT).is_empty());
}

#[test]
fn a_line_that_is_not_printed_is_missing() {
    let readme = README.replace("✓ read", "✗ read");
    assert_eq!(
        missing(pictures(&readme).unwrap(), OUTPUT),
        [" ├─ ✗ read  6.3 ms"]
    );
}

#[test]
fn the_order_counts() {
    let readme = README.replace(
        "run 12ab  ok  3 calls",
        "└─ ✓ read  1 s\nrun 12ab  ok  3 calls",
    );
    assert!(!missing(pictures(&readme).unwrap(), OUTPUT).is_empty());
}
