//! Positions in files, shown like a compiler's diagnostics.

use std::{collections::HashMap, fmt, fs, path::Path};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity,
    SourceCode,
};

use crate::error::{Place, shown};

/// One position with its source, for miette.
struct Report<'a> {
    place: &'a Place,
    source: Option<NamedSource<String>>,
    extent: (usize, usize),
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report")
            .field("place", self.place)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place.message)
    }
}

impl std::error::Error for Report<'_> {}

impl Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.place.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(match (self.place.error, self.place.note) {
            (true, _) => Severity::Error,
            (false, true) => Severity::Advice,
            (false, false) => Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.place
            .help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let label = LabeledSpan::new_primary_with_span(None, self.extent);
        Some(Box::new(std::iter::once(label)))
    }
}

/// Byte offset of a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    if text.matches('\n').count() + 1 < line {
        return None;
    }
    let rest = text.get(before..)?;
    let within = rest
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(rest.len(), |(at, _)| at);
    Some(before + within)
}

/// The span to mark: the error as far as it is on one line, or the word at that position.
fn extent(text: &str, offset: usize, length: usize) -> (usize, usize) {
    let offset = text.floor_char_boundary(offset.min(text.len().saturating_sub(1)));
    let rest = text.get(offset..).unwrap_or_default();
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '"');
    let length = match length {
        0 | 1 => rest.find(|c| !word(c)).unwrap_or(rest.len()),
        length => rest.find('\n').unwrap_or(rest.len()).min(length),
    };
    (offset, length.max(1))
}

/// The positions with their lines.
pub(crate) fn render(places: &[Place]) -> String {
    let mut files: HashMap<&str, Option<String>> = HashMap::new();
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode())
        .with_links(false)
        .with_width(100);
    let mut all = String::new();
    for place in places {
        let text = files
            .entry(&place.file)
            .or_insert_with(|| fs::read_to_string(&place.file).ok());
        let at = text
            .as_ref()
            .and_then(|text| offset(text, place.line, place.column));
        let source = text.as_ref().filter(|_| at.is_some());
        let file = shown(Path::new(&place.file));
        let extent = source.map_or((0, 1), |text| extent(text, at.unwrap_or(0), place.length));
        let source = source.map(|text| NamedSource::new(&file, text.clone()));
        let report = Report {
            place,
            source,
            extent,
        };
        if handler.render_report(&mut all, &report).is_err() || report.source.is_none() {
            all.push_str(&format!("  at {file}:{}:{}\n", place.line, place.column));
        }
        all.push('\n');
    }
    all
}

#[cfg(test)]
mod tests;
