//! Colours by meaning, and the width of text. No information depends on colour alone: a symbol or word always
//! carries it as well.

use owo_colors::{OwoColorize as _, Style};
use tollgate::text::printable;
use unicode_width::UnicodeWidthStr as _;

/// The meaning of a text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// No meaning.
    #[default]
    Plain,
    /// Allowed, done.
    Good,
    /// Denied, failed.
    Bad,
    /// Waiting, or unknown.
    Wait,
    /// Less important.
    Weak,
    /// More important.
    Strong,
    /// A name that can be used in other commands.
    Name,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Good => Style::new().green(),
            Self::Bad => Style::new().red().bold(),
            Self::Wait => Style::new().yellow().bold(),
            Self::Weak => Style::new().dimmed(),
            Self::Strong => Style::new().bold(),
            Self::Name => Style::new().cyan(),
        }
    }
}

/// `text` in the colour of its meaning.
pub(crate) fn paint(text: &str, tone: Tone) -> String {
    if tone == Tone::Plain || text.is_empty() {
        text.to_owned()
    } else {
        text.style(tone.style()).to_string()
    }
}

/// The width of `text`, which has no styles.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// `text` and spaces, up to `columns`.
pub(crate) fn pad(text: &str, columns: usize, tone: Tone) -> String {
    format!(
        "{}{}",
        paint(text, tone),
        " ".repeat(columns.saturating_sub(width(text)))
    )
}

/// Foreign text as one printable line of at most `max` bytes.
pub(crate) fn line(text: &str, max: usize) -> String {
    printable(text, max)
        .replace('\n', "\\n")
        .replace('\t', "\\t")
}

/// `text` in lines of at most `columns`, broken at spaces where possible.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(20);
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.lines() {
        let mut current = String::new();
        for word in paragraph.split_whitespace() {
            let mut word = word.to_owned();
            let joined = width(&current) + usize::from(!current.is_empty()) + width(&word);
            if joined > columns && !current.is_empty() {
                lines.push(std::mem::take(&mut current));
            }
            while width(&word) > columns {
                let rest: String = word.chars().skip(columns).collect();
                lines.push(word.chars().take(columns).collect());
                word = rest;
            }
            if !current.is_empty() {
                current.push(' ');
            }
            current.push_str(&word);
        }
        lines.push(current);
    }
    lines
}

#[cfg(test)]
mod tests;
