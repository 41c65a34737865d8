//! Lines of the tree and their alignment.

use crate::style::{Tone, pad, paint, width, wrap};

/// The widest name that is aligned. A longer name moves only the columns of its own line.
const MAX_NAME: usize = 54;

/// The symbol of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Root,
    Yes,
    No,
    Waiting,
    Running,
    Unknown,
    Nothing,
}

impl Mark {
    fn symbol(self) -> &'static str {
        match self {
            Self::Root => "●",
            Self::Yes => "✓",
            Self::No => "✗",
            Self::Waiting => "⏸",
            Self::Running => "▸",
            Self::Unknown => "?",
            Self::Nothing => "–",
        }
    }

    /// The colour of the symbol and of the word that says the same.
    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Root => Tone::Strong,
            Self::Yes => Tone::Good,
            Self::No => Tone::Bad,
            Self::Waiting | Self::Running | Self::Unknown => Tone::Wait,
            Self::Nothing => Tone::Weak,
        }
    }
}

/// One line, and the notes below it.
#[derive(Debug)]
pub(crate) struct Row {
    /// The time since the run's start; may be empty.
    pub(crate) at: String,
    /// The branches to its left.
    pub(crate) rail: String,
    /// The branches to the left of the notes.
    pub(crate) below: String,
    pub(crate) mark: Mark,
    pub(crate) name: String,
    /// Whether the name is bold.
    pub(crate) strong: bool,
    pub(crate) outcome: String,
    pub(crate) took: String,
    pub(crate) details: Vec<(String, Tone)>,
    pub(crate) notes: Vec<(String, Tone)>,
}

impl Row {
    pub(crate) fn new(mark: Mark, name: impl Into<String>, outcome: impl Into<String>) -> Self {
        Self {
            at: String::new(),
            rail: String::new(),
            below: String::new(),
            mark,
            name: name.into(),
            strong: false,
            outcome: outcome.into(),
            took: String::new(),
            details: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn took(mut self, took: impl Into<String>) -> Self {
        self.took = took.into();
        self
    }

    pub(crate) fn detail(&mut self, text: impl Into<String>, tone: Tone) {
        let text = text.into();
        if !text.is_empty() {
            self.details.push((text, tone));
        }
    }

    pub(crate) fn note(&mut self, text: impl Into<String>, tone: Tone) {
        let text = text.into();
        if !text.is_empty() {
            self.notes.push((text, tone));
        }
    }

    fn name_width(&self) -> usize {
        width(&self.rail) + 2 + width(&self.name)
    }
}

/// The rows as text of at most `columns`, except where a single detail is longer.
pub(crate) fn draw(rows: &[Row], columns: usize) -> String {
    let most = |f: fn(&Row) -> usize| rows.iter().map(f).max().unwrap_or(0);
    let at = most(|r| width(&r.at));
    let names = rows
        .iter()
        .map(Row::name_width)
        .filter(|w| *w <= MAX_NAME)
        .max()
        .unwrap_or(MAX_NAME);
    let outcomes = most(|r| width(&r.outcome));
    let tooks = most(|r| width(&r.took));
    let mut text = String::new();
    for row in rows {
        let gutter = format!("{}{}", " ".repeat(at - width(&row.at)), row.at);
        let mut line = format!(
            "{}  {}",
            paint(&gutter, Tone::Weak),
            paint(&row.rail, Tone::Weak)
        );
        line.push_str(&paint(row.mark.symbol(), row.mark.tone()));
        line.push(' ');
        let name_tone = if row.strong {
            Tone::Strong
        } else {
            Tone::Plain
        };
        let room = names.saturating_sub(width(&row.rail) + 2);
        line.push_str(&pad(&row.name, room, name_tone));
        line.push_str("  ");
        line.push_str(&pad(&row.outcome, outcomes, row.mark.tone()));
        line.push_str("  ");
        line.push_str(&" ".repeat(tooks - width(&row.took)));
        line.push_str(&row.took);
        // Details that do not fit go below, where the notes are.
        let mut used = at + 2 + names.max(row.name_width()) + 2 + outcomes + 2 + tooks;
        let blank = " ".repeat(at);
        let below = format!("{blank}  {}  ", paint(&row.below, Tone::Weak));
        let mut first = true;
        for (detail, tone) in &row.details {
            let separator = if first || *tone == Tone::Name {
                "  "
            } else {
                " · "
            };
            if used + width(separator) + width(detail) > columns {
                text.push_str(line.trim_end());
                text.push('\n');
                line = below.clone();
                used = at + 4 + width(&row.below);
            } else {
                line.push_str(&paint(separator, Tone::Weak));
                used += width(separator);
            }
            line.push_str(&paint(detail, *tone));
            used += width(detail);
            first = false;
        }
        text.push_str(line.trim_end());
        text.push('\n');
        let room = columns.saturating_sub(at + 4 + width(&row.below));
        for (note, tone) in &row.notes {
            for piece in wrap(note, room.min(90)) {
                text.push_str(format!("{below}{}", paint(&piece, *tone)).trim_end());
                text.push('\n');
            }
        }
    }
    text
}
