//! The last bytes of a folded text.

/// The most bytes.
pub(super) const MAX_TAIL: usize = 16;

/// At most 16 bytes that end a folded text, as two numbers: the last eight bytes, and those before them. The last byte
/// is the highest of its number, and what is not a part of it is 0, which no folded byte is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tail {
    pub(super) last: u64,
    pub(super) before: u64,
}

/// What of a number stays of so many last bytes of a text, for its last eight and for those before.
const MASKS: [(u64, u64); MAX_TAIL + 1] = masks();

const fn masks() -> [(u64, u64); MAX_TAIL + 1] {
    let mut masks = [(0, 0); MAX_TAIL + 1];
    let mut count = 1;
    while count <= MAX_TAIL {
        let last = if count < 8 { count } else { 8 };
        let before = count - last;
        #[expect(clippy::indexing_slicing, reason = "checked at compile time")]
        {
            masks[count] = (high(last), high(before));
        }
        count += 1;
    }
    masks
}

/// A number whose highest bytes are set.
const fn high(bytes: usize) -> u64 {
    if bytes == 0 {
        0
    } else {
        u64::MAX << (64 - 8 * bytes)
    }
}

/// The last eight bytes of a text that has no more.
pub(super) const fn last(text: &[u8]) -> u64 {
    let mut last = 0;
    let mut rest = text;
    while let Some((byte, more)) = rest.split_first() {
        last = last >> 8 | (*byte as u64) << 56;
        rest = more;
    }
    last
}

impl Tail {
    /// The last 16 bytes.
    pub(super) fn of(bytes: &[u8; MAX_TAIL]) -> Self {
        let half = |half: Option<&[u8; 8]>| half.copied().map_or(0, u64::from_le_bytes);
        Self {
            last: half(bytes.last_chunk()),
            before: half(bytes.first_chunk()),
        }
    }

    /// All of a text that is short.
    pub(super) fn whole(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_TAIL];
        let start = MAX_TAIL.checked_sub(text.len())?;
        bytes.get_mut(start..)?.copy_from_slice(text);
        Some(Self::of(&bytes))
    }

    /// So many of its last bytes.
    pub(super) fn end(self, count: usize) -> Self {
        let (last, before) = MASKS.get(count).copied().unwrap_or((u64::MAX, u64::MAX));
        Self {
            last: self.last & last,
            before: self.before & before,
        }
    }
}
