//! A set of digests with the source of each, bounded in size.
//!
//! Open addressing with linear probing. A slot has 40 bits of the digest and 24 bits of the source, so that
//! a million entries take eight megabytes, and a digest that was not inserted is found with a probability of
//! one in a million.

/// The fewest slots.
const MIN_SLOTS: usize = 64;
/// Bits of a slot that name the source.
const SOURCE_BITS: u32 = 24;
const SOURCE_MASK: u64 = (1 << SOURCE_BITS) - 1;

#[derive(Debug, Clone, Default)]
pub(super) struct DigestTable {
    slots: Vec<u64>,
    used: usize,
    max_slots: usize,
}

/// The outcome of an insertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Insertion {
    /// It is in the table.
    Yes,
    /// The table is full.
    Full,
}

impl DigestTable {
    /// A table of at most `max_slots` slots of 8 bytes, a power of two.
    pub(super) fn new(max_slots: usize) -> Self {
        Self {
            slots: Vec::new(),
            used: 0,
            max_slots,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Bytes of its slots.
    pub(super) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    /// Inserts a digest; the first source of it stays.
    pub(super) fn insert(&mut self, digest: u64, source: u32) -> Insertion {
        if (self.used + 1) * 5 > self.slots.len() * 4 && !self.grow() {
            return match self.get(digest) {
                Some(_) => Insertion::Yes,
                None => Insertion::Full,
            };
        }
        let tag = digest >> SOURCE_BITS;
        let slot = tag << SOURCE_BITS | (u64::from(source) + 1).min(SOURCE_MASK);
        if place(&mut self.slots, tag, slot) {
            self.used += 1;
        }
        Insertion::Yes
    }

    /// The first source of a digest.
    pub(super) fn get(&self, digest: u64) -> Option<u32> {
        let mask = self.slots.len().checked_sub(1)?;
        let tag = digest >> SOURCE_BITS;
        let mut at = start(tag, mask);
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot >> SOURCE_BITS == tag {
                return u32::try_from((slot & SOURCE_MASK) - 1).ok();
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) -> bool {
        let slots = (self.slots.len() * 2).max(MIN_SLOTS);
        if slots > self.max_slots {
            return false;
        }
        let mut grown = vec![0; slots];
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            place(&mut grown, slot >> SOURCE_BITS, *slot);
        }
        self.slots = grown;
        true
    }
}

fn start(tag: u64, mask: usize) -> usize {
    // Truncation keeps the low bits, which are all that the mask leaves.
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    let low = tag as usize;
    low & mask
}

/// Puts a slot into its place, unless its digest has one. There is always an empty slot.
fn place(slots: &mut [u64], tag: u64, slot: u64) -> bool {
    let mask = slots.len().wrapping_sub(1);
    let mut at = start(tag, mask);
    while let Some(found) = slots.get_mut(at) {
        if *found == 0 {
            *found = slot;
            return true;
        }
        if *found >> SOURCE_BITS == tag {
            return false;
        }
        at = (at + 1) & mask;
    }
    false
}

#[cfg(test)]
mod tests;
