//! Digests that wait to be inserted together.

/// The most of them, a power of two.
const MAX: usize = 256;

/// Digests that wait.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    digests: [u64; MAX],
    count: usize,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            digests: [0; MAX],
            count: 0,
        }
    }

    pub(super) fn has_room(&self, more: usize) -> bool {
        self.count + more < MAX
    }

    /// Adds a digest if it counts; there is room for it.
    pub(super) fn push(&mut self, digest: u64, counts: bool) {
        if let Some(slot) = self.digests.get_mut(self.count % MAX) {
            *slot = digest;
        }
        self.count += usize::from(counts);
    }

    pub(super) fn digests(&self) -> &[u64] {
        self.digests.get(..self.count).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }
}
