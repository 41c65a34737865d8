//! What a server demands of those that it refuses: the field `WWW-Authenticate` (RFC 9110, section 11.6.1), and of it
//! the challenge `Bearer` (RFC 6750, section 3, and RFC 9728, section 5.1).

/// Bytes of all fields together that are looked at.
const MAX_FIELD_BYTES: usize = 8 << 10;
/// Parameters of a challenge.
const MAX_PARAMETERS: usize = 32;

/// A challenge `Bearer`: untrusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct BearerChallenge {
    /// Why the token did not suffice, such as `invalid_token`.
    pub(in super::super) error: Option<String>,
    /// The scopes that would.
    pub(in super::super) scope: Option<String>,
    /// Where the resource says which authorization servers it trusts.
    pub(in super::super) resource_metadata: Option<String>,
}

/// A challenge of any scheme.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Challenge {
    scheme: String,
    /// Names in lower case. A name that occurs twice has no value.
    parameters: Vec<(String, Option<String>)>,
}

impl Challenge {
    fn add(&mut self, name: &str, value: String) {
        let name = name.to_ascii_lowercase();
        let has_room = self.parameters.len() < MAX_PARAMETERS;
        match self.parameters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, twice)) => *twice = None,
            None if has_room => self.parameters.push((name, Some(value))),
            None => {}
        }
    }

    fn parameter(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(known, _)| known == name);
        found.and_then(|(_, value)| value.clone())
    }
}

/// The first challenge `Bearer` of these fields.
pub(in super::super) fn bearer<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
) -> Option<BearerChallenge> {
    let mut left = MAX_FIELD_BYTES;
    for field in fields {
        left = left.checked_sub(field.len())?;
        let Ok(text) = std::str::from_utf8(field) else {
            continue;
        };
        let mut challenges = challenges(text).into_iter();
        let found = challenges.find(|known| known.scheme.eq_ignore_ascii_case("bearer"));
        if let Some(found) = found {
            return Some(BearerChallenge {
                error: found.parameter("error"),
                scope: found.parameter("scope"),
                resource_metadata: found.parameter("resource_metadata"),
            });
        }
    }
    None
}

fn challenges(text: &str) -> Vec<Challenge> {
    let mut rest = Rest(text);
    let mut challenges = Vec::new();
    loop {
        rest.skip_separators();
        let Some(scheme) = rest.token() else {
            // What is not a scheme ends what can be understood.
            return challenges;
        };
        let mut challenge = Challenge {
            scheme: scheme.to_owned(),
            ..Challenge::default()
        };
        rest.parameters(&mut challenge);
        challenges.push(challenge);
    }
}

/// The part of a field that was not read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    fn skip(&mut self, skipped: fn(char) -> bool) {
        self.0 = self.0.trim_start_matches(skipped);
    }

    fn skip_separators(&mut self) {
        self.skip(|c| matches!(c, ' ' | '\t' | ','));
    }

    /// A token (RFC 9110, section 5.6.2).
    fn token(&mut self) -> Option<&'a str> {
        let is_other = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
        let end = self.0.find(is_other).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// Everything up to the next challenge.
    fn parameters(&mut self, challenge: &mut Challenge) {
        loop {
            self.skip_separators();
            let before = self.0;
            let Some(name) = self.token() else {
                // A `token68` that begins with `/`, or something that is not understood: up to the next comma.
                self.skip(|c| c != ',');
                if self.0.is_empty() {
                    return;
                }
                continue;
            };
            self.skip(|c| matches!(c, ' ' | '\t'));
            let Some(value) = self.0.strip_prefix('=') else {
                if self.0.starts_with('/') {
                    self.skip(|c| c != ',');
                    continue;
                }
                // The scheme of the next challenge.
                self.0 = before;
                return;
            };
            self.0 = value;
            self.skip(|c| matches!(c, ' ' | '\t'));
            match self.value() {
                Some(value) => challenge.add(name, value),
                // The padding of a `token68`.
                None => self.skip(|c| c != ','),
            }
        }
    }

    /// A token or a quoted string.
    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.0.strip_prefix('"') else {
            return self.token().map(str::to_owned);
        };
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.0 = quoted.get(at + 1..).unwrap_or_default();
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        // It does not end: nothing of it counts.
        self.0 = "";
        None
    }
}

#[cfg(test)]
mod tests;
