//! Regular expressions of Go's `regexp` (RE2 syntax), written for this engine.
//!
//! There, `\w`, `\d`, `\s` and `\b` are ASCII, braces that are not a repetition stand for themselves, and a class has
//! no set operations. What this engine does not know stays as it is, and is refused when it is compiled.

use std::{iter::Peekable, str::Chars};

const WORD: &str = "0-9A-Za-z_";
const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\f\r ";

/// `pattern` with the meaning that Go gives it.
pub(super) fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => escape(&mut rest, false, &mut out),
            '[' => class(&mut rest, &mut out),
            '{' if !is_repetition(rest.clone()) => out.push_str(r"\{"),
            _ => out.push(c),
        }
    }
    out
}

/// What follows a backslash.
fn escape(rest: &mut Peekable<Chars<'_>>, in_class: bool, out: &mut String) {
    let Some(c) = rest.next() else {
        out.push('\\');
        return;
    };
    match c {
        'w' => out.push_str(&format!("[{WORD}]")),
        'W' => out.push_str(&format!("[^{WORD}]")),
        'd' => out.push_str(&format!("[{DIGIT}]")),
        'D' => out.push_str(&format!("[^{DIGIT}]")),
        's' => out.push_str(&format!("[{SPACE}]")),
        'S' => out.push_str(&format!("[^{SPACE}]")),
        'b' if !in_class => out.push_str(r"(?-u:\b)"),
        // This engine takes them for the ends of words.
        '<' | '>' => out.push(c),
        'x' | 'p' | 'P' => {
            out.push('\\');
            out.push(c);
            if rest.peek() == Some(&'{') {
                copy_to('}', rest, out);
            }
        }
        _ => {
            out.push('\\');
            out.push(c);
        }
    }
}

/// What follows the bracket that opens a class, to the one that closes it.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if let Some(not) = rest.next_if_eq(&'^') {
        out.push(not);
    }
    // Here it is a member.
    if rest.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    let mut before = None;
    while let Some(c) = rest.next() {
        match c {
            ']' => {
                out.push(c);
                return;
            }
            '\\' => escape(rest, true, out),
            '[' if rest.peek() == Some(&':') => {
                out.push(c);
                copy_to(']', rest, out);
            }
            '[' | '&' | '~' => out.extend(['\\', c]),
            '-' if before == Some('-') => out.push_str(r"\-"),
            _ => out.push(c),
        }
        before = Some(c);
    }
}

fn copy_to(end: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    for c in rest.by_ref() {
        out.push(c);
        if c == end {
            return;
        }
    }
}

/// Whether what follows a brace makes it a repetition: `3}`, `3,}` or `3,5}`.
fn is_repetition(mut rest: Peekable<Chars<'_>>) -> bool {
    let mut digits = 0;
    while rest.next_if(char::is_ascii_digit).is_some() {
        digits += 1;
    }
    if rest.next_if_eq(&',').is_some() {
        while rest.next_if(char::is_ascii_digit).is_some() {}
    }
    digits > 0 && rest.next() == Some('}')
}

#[cfg(test)]
mod tests;
