//! Standard input and output of the hook, without threads and within its time.

use std::io;

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::fstat,
    stdio::{stdin, stdout},
};

use super::guard::Guard;
use crate::error::Failure;

/// The largest input of a hook, in bytes.
const MAX_INPUT: usize = 8 << 20;
/// The device number of `/dev/null`, which the standard library opens if standard output is closed.
const NULL_DEVICE: (u32, u32) = (1, 3);

/// All of standard input.
///
/// # Errors
/// It does not end in time, cannot be read, or is too large.
pub(super) fn read(guard: &Guard) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut chunk = vec![0; 64 << 10];
    loop {
        let left = guard.left();
        let wait = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut ready = [PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        match poll(&mut ready, Some(&wait)) {
            Ok(0) => return Err(late()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(unreadable(e)),
        }
        let count = rustix::io::read(stdin(), &mut chunk).map_err(unreadable)?;
        if count == 0 {
            return Ok(bytes);
        }
        bytes.extend(chunk.iter().take(count));
        if bytes.len() > MAX_INPUT {
            return Err(Failure::plain(format!(
                "the hook's input has more than {MAX_INPUT} bytes"
            )));
        }
    }
}

/// The failure after the time limit.
pub(super) fn late() -> Failure {
    Failure::plain("it was not decided in time").help("see whether `tollgate serve` answers")
}

fn unreadable(error: rustix::io::Errno) -> Failure {
    Failure::plain(format!(
        "standard input cannot be read: {}",
        io::Error::from(error)
    ))
}

/// Whether standard output is closed or `/dev/null`.
pub(super) fn output_is_discarded() -> bool {
    fstat(stdout()).map_or(true, |stat| {
        let device = (
            rustix::fs::major(stat.st_rdev),
            rustix::fs::minor(stat.st_rdev),
        );
        rustix::fs::FileType::from_raw_mode(stat.st_mode).is_char_device() && device == NULL_DEVICE
    })
}

/// Writes all bytes to standard output. Unlike in the standard library, a closed descriptor is an error.
pub(super) fn write_all(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
