//! Positions in policy files.

use cedar_policy_core::parser::Loc;

use super::{Diagnostic, Level, PolicyFile};

/// A file with the offsets at which its lines begin.
pub(super) struct Source<'a> {
    pub(super) file: &'a PolicyFile,
    lines: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(super) fn new(file: &'a PolicyFile) -> Self {
        let ends = file.text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            file,
            lines: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// Line and column, both from 1; columns are characters.
    pub(super) fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.file.text.len());
        let line = self.lines.partition_point(|begin| *begin <= offset);
        let begin = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        let before = self.file.text.get(begin..offset).unwrap_or("");
        (line, before.chars().count() + 1)
    }

    /// The position that Cedar reports; the beginning of the file if it does not report one.
    pub(super) fn at(&self, loc: Option<&Loc>) -> Location<'_> {
        match loc {
            Some(loc) => self.place(loc.start(), loc.end().saturating_sub(loc.start())),
            None => self.place(0, 1),
        }
    }

    pub(super) fn place(&self, offset: usize, length: usize) -> Location<'_> {
        // A parser may name a byte within a character.
        let text = &self.file.text;
        let begin = text.floor_char_boundary(offset);
        let end = text.ceil_char_boundary(offset.saturating_add(length));
        Location {
            source: self,
            offset: begin,
            length: end.saturating_sub(begin),
        }
    }
}

/// Part of a file.
#[derive(Clone, Copy)]
pub(super) struct Location<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) offset: usize,
    pub(super) length: usize,
}

impl Location<'_> {
    pub(super) fn diagnostic(
        self,
        level: Level,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Diagnostic {
        let (line, column) = self.source.line_and_column(self.offset);
        Diagnostic {
            level,
            code,
            message: message.into(),
            help,
            file: self.source.file.name.clone(),
            offset: self.offset,
            length: self.length,
            line,
            column,
        }
    }

    pub(super) fn error(
        self,
        code: &'static str,
        message: impl Into<String>,
        help: &str,
    ) -> Diagnostic {
        self.diagnostic(Level::Error, code, message, Some(help.into()))
    }

    pub(super) fn warning(
        self,
        code: &'static str,
        message: impl Into<String>,
        help: &str,
    ) -> Diagnostic {
        self.diagnostic(Level::Warning, code, message, Some(help.into()))
    }
}
