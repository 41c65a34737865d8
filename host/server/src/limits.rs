//! Limits that several surfaces share.

/// Bytes of a request's body, unless its route says otherwise.
pub const MAX_BODY: usize = 4 << 20;
