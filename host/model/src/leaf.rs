//! Fast RFC 8785 canonical JSON for text that serde_json wrote.
//!
//! serde_json's output differs from RFC 8785 in two points: members are in the order of their declaration,
//! and doubles are written differently. Records have no doubles, so only the members need sorting.

use std::ops::Range;

/// The canonical form of compact JSON that serde_json wrote. `None` if that is not certain: for doubles,
/// and for member names that sort differently in UTF-16.
pub(crate) fn sorted(json: &[u8]) -> Option<Vec<u8>> {
    let mut sorter = Sorter {
        json,
        at: 0,
        out: Vec::with_capacity(json.len()),
    };
    sorter.value()?;
    (sorter.at == json.len()).then_some(sorter.out)
}

struct Sorter<'a> {
    json: &'a [u8],
    at: usize,
    out: Vec<u8>,
}

impl Sorter<'_> {
    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    /// Copies one byte, which must be `byte`.
    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then_some(())?;
        self.out.push(byte);
        self.at += 1;
        Some(())
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => self.string().map(drop),
            b't' | b'f' | b'n' | b'-' | b'0'..=b'9' => self.word(),
            _ => None,
        }
    }

    /// An integer, `true`, `false` or `null`.
    fn word(&mut self) -> Option<()> {
        let rest = self.json.get(self.at..)?;
        let end = rest
            .iter()
            .position(|b| matches!(b, b',' | b'}' | b']'))
            .unwrap_or(rest.len());
        let word = rest.get(..end)?;
        let number = word
            .first()
            .is_some_and(|b| matches!(b, b'-' | b'0'..=b'9'));
        if number && !word.iter().skip(1).all(u8::is_ascii_digit) {
            return None;
        }
        self.out.extend_from_slice(word);
        self.at += end;
        Some(())
    }

    /// A string; returns its range without the quotes.
    fn string(&mut self) -> Option<Range<usize>> {
        let begin = self.at + 1;
        let mut end = begin;
        loop {
            let rest = self.json.get(end..)?;
            end += rest.iter().position(|b| matches!(b, b'"' | b'\\'))?;
            if self.json.get(end) == Some(&b'"') {
                break;
            }
            end += 2;
        }
        self.out.extend_from_slice(self.json.get(self.at..=end)?);
        self.at = end + 1;
        Some(begin..end)
    }

    fn array(&mut self) -> Option<()> {
        self.take(b'[')?;
        if self.peek()? == b']' {
            return self.take(b']');
        }
        loop {
            self.value()?;
            match self.peek()? {
                b',' => self.take(b',')?,
                _ => return self.take(b']'),
            }
        }
    }

    fn object(&mut self) -> Option<()> {
        self.take(b'{')?;
        if self.peek()? == b'}' {
            return self.take(b'}');
        }
        let begin = self.out.len();
        // Names are ranges of the input, members ranges of the output.
        let mut members: Vec<(&[u8], Range<usize>)> = Vec::with_capacity(16);
        let mut in_order = true;
        loop {
            let from = self.out.len();
            let name = self.string()?;
            let name = self.json.get(name)?;
            // ASCII names sort by bytes as in UTF-16. Escaped names are excluded.
            if !name.is_ascii() || name.contains(&b'\\') {
                return None;
            }
            self.take(b':')?;
            self.value()?;
            if let Some((before, _)) = members.last() {
                // A duplicate name has no canonical form.
                in_order &= *before < name;
            }
            members.push((name, from..self.out.len()));
            match self.peek()? {
                b',' => self.take(b',')?,
                _ => break,
            }
        }
        if !in_order {
            members.sort_unstable_by_key(|(name, _)| *name);
            if members
                .windows(2)
                .any(|pair| matches!(pair, [(a, _), (b, _)] if a == b))
            {
                return None;
            }
            let mut ordered = Vec::with_capacity(self.out.len() - begin);
            for (place, (_, member)) in members.iter().enumerate() {
                if place > 0 {
                    ordered.push(b',');
                }
                ordered.extend_from_slice(self.out.get(member.clone())?);
            }
            self.out.truncate(begin);
            self.out.extend_from_slice(&ordered);
        }
        self.take(b'}')
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::canonical::to_canonical;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            ".*",
            "[a-z]{0,6}",
            Just(
                "\u{0}\u{8}\t\n\u{b}\u{c}\r\u{1f}\"\\/\u{7f}\u{80}\u{2028}\u{feff}\u{ffff}𝄞"
                    .to_owned()
            ),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (-crate::canonical::MAX_INTEGER..=crate::canonical::MAX_INTEGER).prop_map(Value::from),
            text().prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((text(), inner), 0..8)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    /// Like serde_json's output for a struct: members in any order.
    fn shuffled(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                out.push('{');
                for (place, (name, member)) in members.iter().rev().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::to_string(name).unwrap());
                    out.push(':');
                    shuffled(member, out);
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        out.push(',');
                    }
                    shuffled(item, out);
                }
                out.push(']');
            }
            other => out.push_str(&serde_json::to_string(other).unwrap()),
        }
    }

    proptest! {
        #[test]
        fn what_is_sorted_is_canonical(value in value()) {
            let mut json = String::new();
            shuffled(&value, &mut json);
            if let Some(sorted) = sorted(json.as_bytes()) {
                prop_assert_eq!(sorted, to_canonical(&value).unwrap());
            }
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}:,\"\\\\a0-]*") {
            let _ = sorted(&bytes);
            let _ = sorted(text.as_bytes());
        }
    }

    #[test]
    fn what_is_not_certain_is_left_to_others() {
        for uncertain in [
            "1.5",
            "1e3",
            r#"{"é":1}"#,
            r#"{"\n":1}"#,
            r#"{"a":1,"a":2}"#,
            "[1",
            "[1]x",
            "",
            "\"a",
        ] {
            assert_eq!(sorted(uncertain.as_bytes()), None, "{uncertain}");
        }
        assert!(
            sorted(
                json!({"a": ["é", "\n", -5, null, true, {}], "b": []})
                    .to_string()
                    .as_bytes()
            )
            .is_some()
        );
    }
}
