//! Words in a row that end with the latest word.

use super::runs::GUARANTEED;

/// The fewest folded bytes of a word that counts without being marked.
pub(in super::super) const MIN_WORD: usize = 4;

/// A word, or several in a row, that end with the latest one. One that is too long counts no more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Where it begins, in folded bytes of the text.
    start: usize,
    /// The fewest folded bytes with which it counts.
    least: usize,
}

/// Before every text, so that it is too long in each.
const NONE: Row = Row {
    start: 0,
    least: usize::MAX,
};

/// The rows that may go on: of the three latest words, and of the first since white space, which has the parts of a
/// path or an address, however many they are.
///
/// Where texts begin is counted from [`GUARANTEED`], so that the row of no word is too long.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    latest: [Row; 3],
    unbroken: Row,
}

impl Rows {
    pub(super) fn new() -> Self {
        Self {
            latest: [NONE; 3],
            unbroken: NONE,
        }
    }

    /// Says that there is white space.
    pub(super) fn end_chunk(&mut self) {
        self.unbroken = NONE;
    }

    /// Ends a word that begins at `start` and ends at `end`. Calls `each` with how many bytes each row has that counts.
    pub(super) fn end_word(
        &mut self,
        start: usize,
        end: usize,
        is_marked: bool,
        mut each: impl FnMut(usize),
    ) {
        let (start, end) = (start + GUARANTEED, end + GUARANTEED);
        let word = Row {
            start,
            least: if is_marked { 1 } else { MIN_WORD },
        };
        if start - self.unbroken.start >= GUARANTEED {
            self.unbroken = word;
        }
        let [first, second, third] = self.latest;
        for row in [word, first, second, third] {
            let bytes = end - row.start;
            // Those that begin before it are longer.
            if bytes >= GUARANTEED {
                break;
            }
            if bytes >= row.least {
                each(bytes);
            }
        }
        let bytes = end - self.unbroken.start;
        let is_older = self.unbroken.start < third.start;
        if is_older && bytes < GUARANTEED && bytes >= self.unbroken.least {
            each(bytes);
        }
        self.latest = [word, first, second];
    }
}
