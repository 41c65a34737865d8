//! The mappings of a source map (ECMA-426), as far as lines go. Pure.

/// For each line of the generated text, the number of its source and the line in it, both from 0. A line without a
/// mapping has those of the line before; text that is not a mapping ends the list.
pub(super) fn lines(mappings: &str) -> Vec<(i64, i64)> {
    let (mut source, mut row) = (0, 0);
    let mut first = (0, 0);
    let mut lines = Vec::new();
    for line in mappings.split(';') {
        let mut begun = false;
        for segment in line.split(',').filter(|segment| !segment.is_empty()) {
            let Some(steps) = numbers(segment) else {
                return lines;
            };
            let [_, to_source, to_row, ..] = *steps.as_slice() else {
                continue;
            };
            source += to_source;
            row += to_row;
            if !begun {
                (first, begun) = ((source, row), true);
            }
        }
        lines.push(first);
    }
    lines
}

/// The numbers of a segment, in base 64: five bits a digit, the lowest first; the lowest bit of a number is its sign.
fn numbers(segment: &str) -> Option<Vec<i64>> {
    let mut found = Vec::new();
    let (mut value, mut shift) = (0_i64, 0_u32);
    for letter in segment.bytes() {
        let digit = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        // A number of a source map has at most 32 bits.
        if shift > 30 {
            return None;
        }
        value |= i64::from(digit & 31) << shift;
        shift += 5;
        if digit & 32 == 0 {
            let size = value >> 1;
            found.push(if value & 1 == 1 { -size } else { size });
            (value, shift) = (0, 0);
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests;
