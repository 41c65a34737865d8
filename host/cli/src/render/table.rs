//! Aligned columns.

use crate::style::{Tone, line, pad, paint, width};

/// The longest text of a cell, in bytes.
const MAX_CELL: usize = 4096;

/// One cell: one printable line of text without styles, and its tone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell.
    pub(crate) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: line(&text.into(), MAX_CELL),
            tone,
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// `rows` below `header`. The width of the last column is not limited.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: &[[Cell; N]]) -> String {
    let head = header.map(|text| Cell::new(text, Tone::Weak));
    let all = || std::iter::once(&head).chain(rows);
    let mut columns = [0; N];
    for row in all() {
        for (column, cell) in columns.iter_mut().zip(row) {
            *column = (*column).max(width(&cell.text));
        }
    }
    let mut text = String::new();
    for row in all() {
        let last = row
            .iter()
            .rposition(|cell| !cell.text.is_empty())
            .unwrap_or(0);
        for (i, (cell, column)) in row.iter().zip(columns).enumerate().take(last + 1) {
            if i == last {
                text.push_str(&paint(&cell.text, cell.tone));
            } else {
                text.push_str(&pad(&cell.text, column + 2, cell.tone));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
