//! A set of digests with the source of each, bounded in size.
//!
//! Open addressing with linear probing. A slot has 40 bits of the digest and 24 bits of the source, so that
//! a million entries take eight megabytes, and a digest that was not inserted is found with a probability of
//! one in a million.

/// The fewest slots.
const MIN_SLOTS: usize = 64;
/// How much it grows at most at once, if more digests are to come.
const MAX_GROWTH: usize = 4;
/// Digests whose slots are looked at together: the memory answers them at the same time.
const GROUP: usize = 32;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

    /// How many digests are in it.
    pub(super) fn len(&self) -> usize {
        self.used
    }

    /// Inserts digests; the first source of each stays. `more` says how many may follow, about.
    pub(super) fn insert(&mut self, digests: &[u64], source: u32, more: usize) -> Insertion {
        if !self.has_room(digests.len()) && !self.grow(digests.len(), more) {
            let each = digests
                .iter()
                .map(|digest| self.insert_one(*digest, source));
            return each.fold(Insertion::Yes, Insertion::max);
        }
        let mask = self.slots.len().wrapping_sub(1);
        for group in digests.chunks(GROUP) {
            let mut new = [0; GROUP];
            let mut count = 0;
            for digest in group {
                let tag = digest >> SOURCE_BITS;
                let slot = self.slots.get(start(tag, mask)).copied().unwrap_or(0);
                if let Some(place) = new.get_mut(count) {
                    *place = tag;
                }
                count += usize::from(slot == 0 || slot >> SOURCE_BITS != tag);
            }
            for tag in new.iter().take(count) {
                self.place(*tag, source);
            }
        }
        Insertion::Yes
    }

    /// Inserts a digest into a table that may be as large as it gets.
    fn insert_one(&mut self, digest: u64, source: u32) -> Insertion {
        if self.has_room(1) || self.grow(1, 0) {
            self.place(digest >> SOURCE_BITS, source);
            return Insertion::Yes;
        }
        match self.get(digest) {
            Some(_) => Insertion::Yes,
            None => Insertion::Full,
        }
    }

    fn place(&mut self, tag: u64, source: u32) {
        let slot = tag << SOURCE_BITS | (u64::from(source) + 1).min(SOURCE_MASK);
        self.used += usize::from(place(&mut self.slots, tag, slot));
    }

    fn has_room(&self, digests: usize) -> bool {
        fits(self.used + digests, self.slots.len())
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

    /// Makes room for digests, and for some of those that may follow.
    fn grow(&mut self, digests: usize, more: usize) -> bool {
        let mut slots = self.slots.len().max(MIN_SLOTS / 2) * 2;
        while !fits(self.used + digests, slots) {
            slots *= 2;
        }
        if slots > self.max_slots {
            return false;
        }
        let largest = (self.slots.len() * MAX_GROWTH).min(self.max_slots);
        while slots < largest && !fits(self.used + digests + more, slots) {
            slots *= 2;
        }
        let mut grown = vec![0; slots];
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            place(&mut grown, slot >> SOURCE_BITS, *slot);
        }
        self.slots = grown;
        true
    }
}

/// Whether so many digests leave a fifth of the slots empty.
fn fits(digests: usize, slots: usize) -> bool {
    digests * 5 <= slots * 4
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
