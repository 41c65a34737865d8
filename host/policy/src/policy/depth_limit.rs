//! A check of the text before it is parsed: refuses policies on which the parser, or a visitor of its
//! result, would recurse too deep.

/// The deepest nesting of brackets.
const MAX_NESTING: usize = 64;

/// The most operators in one policy: a chain of them is a tree as deep as it is long.
const MAX_OPERATORS: usize = 1000;

/// The weight of `if`: each one is in the `else` of the previous one.
const IF: usize = 20;

/// What exceeds a limit, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// The first place where `text` is nested too deep or has too long a chain, if there is one.
pub(super) fn excess(text: &str) -> Option<Excess> {
    let bytes = text.as_bytes();
    let (mut nesting, mut operators, mut at) = (0_usize, 0_usize, 0_usize);
    while let Some(byte) = bytes.get(at).copied() {
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'"', _) => {
                at = end_of_string(bytes, at + 1);
                continue;
            }
            (b'/', Some(b'/')) => {
                let rest = bytes.get(at..).unwrap_or_default();
                at += rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
                continue;
            }
            (b'(' | b'[' | b'{', _) => {
                nesting += 1;
                if byte == b'[' {
                    operators += 1;
                }
            }
            (b')' | b']' | b'}', _) => nesting = nesting.saturating_sub(1),
            (b';', _) => (nesting, operators) = (0, 0),
            (b'&', Some(b'&')) | (b'|', Some(b'|')) => {
                operators += 1;
                at += 1;
            }
            (b'.' | b'+' | b'-' | b'*' | b'!', _) => operators += 1,
            (b'i', Some(b'f')) if is_word(bytes, at, 2) => operators += IF,
            _ => {}
        }
        if nesting > MAX_NESTING {
            return Some(Excess {
                offset: at,
                message: format!("brackets are nested more than {MAX_NESTING} deep"),
                help: "split the policy into several",
            });
        }
        if operators > MAX_OPERATORS {
            return Some(Excess {
                offset: at,
                message: format!("this policy has more than {MAX_OPERATORS} operators"),
                help: "split it into several, or compare with a set: [a, b, c].contains(x)",
            });
        }
        at += 1;
    }
    None
}

fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    at
}

fn is_word(bytes: &[u8], at: usize, length: usize) -> bool {
    let part = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    !before.is_some_and(part) && !bytes.get(at + length).is_some_and(part)
}

/// A thread's stack: everything that this module accepts is parsed and typed within it.
pub(super) const STACK: usize = 64 << 20;

/// Does the work on a stack that is large enough for everything that this module accepts.
pub(crate) fn on_large_stack<R: Send>(
    work: impl FnOnce() -> Result<R, String> + Send,
) -> Result<R, String> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(STACK);
        let thread = builder
            .spawn_scoped(scope, work)
            .map_err(|e| e.to_string())?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests;
