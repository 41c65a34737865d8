use proptest::prelude::*;

use super::*;

/// What the trace gets of `bytes`, which are written in parts of `step` bytes.
fn logged(bytes: &[u8], step: usize) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    let mut output = OutputBuffer {
        line: Vec::new(),
        policy: None,
        level: "info",
    };
    for part in bytes.chunks(step.max(1)) {
        lines.extend(output.split(part));
    }
    lines.push(std::mem::take(&mut output.line));
    lines
}

proptest! {
    /// However long a line is, and however it is written, its characters stay whole.
    #[test]
    fn a_long_line_is_cut_between_characters(
        text in "[aü€🦀]{1300,1600}",
        step in 1_usize..5000,
    ) {
        let text = text.repeat(3);
        let lines = logged(text.as_bytes(), step);
        prop_assert!(lines.len() > 1);
        let read: Result<Vec<&str>, _> = lines.iter().map(|line| std::str::from_utf8(line)).collect();
        prop_assert_eq!(read.unwrap().concat(), text);
        prop_assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
    }

    /// Bytes that are not UTF-8 are cut as well.
    #[test]
    fn no_bytes_are_lost(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let bytes: Vec<u8> = bytes.into_iter().filter(|byte| *byte != b'\n').collect();
        let lines = logged(&bytes, 700);
        prop_assert_eq!(lines.concat(), bytes);
        prop_assert!(lines.iter().all(|line| line.len() <= MAX_LINE));
    }
}
