//! Limits that several surfaces share.

use std::time::Duration;

/// Bytes of a request's body, unless its route says otherwise.
pub const MAX_BODY: usize = 4 << 20;
/// How long a client may take to send its headers, and then its body.
pub(crate) const SLOWEST: Duration = Duration::from_secs(15);
