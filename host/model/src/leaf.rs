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
mod tests;
