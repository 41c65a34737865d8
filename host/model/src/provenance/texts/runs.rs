//! The runs of a folded text, of which some are kept.

use super::{super::key::IndexKey, batch::Batch};

/// Folded bytes of a run.
pub(super) const RUN: usize = 8;
/// Runs of which one is kept.
const WINDOW: usize = 8;
/// Folded bytes of a value that are found in any text with them.
pub(in super::super) const GUARANTEED: usize = RUN + WINDOW - 1;
/// Bytes that are read in one step: as many as runs in a window.
pub(super) const STEP: usize = WINDOW;
/// Bytes that a step looks at: those of the runs that end in it.
pub(super) const VIEW: usize = STEP + RUN - 1;

/// Winnows the runs of one text, step by step.
///
/// The smallest digest of each window of [`WINDOW`] successive runs is kept. Two steps cover each window: the
/// smallest of the end of one and of the beginning of the next is the window's.
#[derive(Debug, Clone)]
pub(super) struct Runs {
    /// The smallest digests of the last step, from each run of it on.
    ends: [u64; STEP],
    /// What was kept last.
    kept: u64,
    /// Steps that were read, counted up to those that have no whole window.
    steps: u8,
}

impl Runs {
    pub(super) fn new() -> Self {
        Self {
            ends: [u64::MAX; STEP],
            kept: 0,
            steps: 0,
        }
    }

    /// Reads the next bytes: `view` ends with them, and begins with those before them. Only the first `count` are a
    /// part of the text, which all are unless the text ends here. The batch has room for as many digests.
    pub(super) fn step(
        &mut self,
        key: &IndexKey,
        view: &[u8; VIEW],
        count: usize,
        kept: &mut Batch,
    ) {
        let mut digests = [u64::MAX; STEP];
        for (digest, run) in digests.iter_mut().zip(view.windows(RUN)) {
            let run = run.first_chunk().copied().map_or(0, u64::from_be_bytes);
            *digest = key.run(run);
        }
        if self.steps == 2 && count == STEP {
            let windows = self.windows(&digests);
            self.keep(&windows, kept);
            return;
        }
        // The first windows are not whole: no run ends in the first bytes of a text.
        let first = match self.steps {
            0 => {
                for digest in digests.iter_mut().take(RUN - 1) {
                    *digest = u64::MAX;
                }
                STEP
            }
            1 => GUARANTEED - STEP - 1,
            _ => 0,
        };
        self.steps = (self.steps + 1).min(2);
        let windows = self.windows(&digests);
        let whole = windows.get(first..count).unwrap_or_default();
        if let Some(one) = whole.first()
            && first > 0
        {
            // Nothing was kept before.
            self.kept = !one;
        }
        self.keep(whole, kept);
    }

    /// The smallest digest of each window that ends in a step.
    fn windows(&mut self, digests: &[u64; STEP]) -> [u64; STEP] {
        let mut windows = *digests;
        let mut smallest = u64::MAX;
        for window in &mut windows {
            smallest = smallest.min(*window);
            *window = smallest;
        }
        // The window that ends with a run begins with the one after it in the step before.
        for (window, end) in windows.iter_mut().zip(self.ends.iter().skip(1)) {
            *window = (*window).min(*end);
        }
        let mut smallest = u64::MAX;
        for (end, digest) in self.ends.iter_mut().zip(digests).rev() {
            smallest = smallest.min(*digest);
            *end = smallest;
        }
        windows
    }

    /// Keeps the digests of windows, each once.
    fn keep(&mut self, windows: &[u64], kept: &mut Batch) {
        let mut last = self.kept;
        for window in windows {
            kept.push(*window, *window != last);
            last = *window;
        }
        self.kept = last;
    }
}
