//! The content of open files, and the streams that read and write it.
//!
//! A file is read whole when it is opened and stored whole when it is closed or synced. Nothing here
//! accesses the disk.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use wasmtime_wasi::p2::{
    InputStream, OutputStream, Pollable, StreamError, StreamResult,
    bindings::filesystem::types::ErrorCode,
};

use super::super::disk::MAX_FILE;

/// The most bytes that a guest may read or write at once.
const MAX_TRANSFER: usize = 64 << 10;
/// The most bytes of all open files and listings of a call.
const MAX_HELD: u64 = 4 * MAX_FILE;

/// A share of that limit. Returned when it is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    held: Arc<AtomicU64>,
    amount: u64,
}

impl Charge {
    pub(super) fn new(held: &Arc<AtomicU64>, amount: u64) -> Result<Self, ErrorCode> {
        let mut charge = Self {
            held: Arc::clone(held),
            amount: 0,
        };
        charge.grow(amount)?;
        Ok(charge)
    }

    /// Raises the share to this size, if it is larger than before.
    fn grow(&mut self, amount: u64) -> Result<(), ErrorCode> {
        let more = amount.saturating_sub(self.amount);
        if self.held.fetch_add(more, Ordering::SeqCst) + more > MAX_HELD {
            self.held.fetch_sub(more, Ordering::SeqCst);
            return Err(ErrorCode::InsufficientMemory);
        }
        self.amount += more;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.held.fetch_sub(self.amount, Ordering::SeqCst);
    }
}

/// The content of an open file.
#[derive(Debug)]
pub(super) struct Content {
    bytes: Vec<u8>,
    /// Whether it has changes that are not on the disk yet.
    changed: bool,
    charge: Charge,
}

/// Shared by a descriptor and its streams.
#[derive(Debug, Clone)]
pub(super) struct SharedContent(Arc<Mutex<Content>>);

impl SharedContent {
    pub(super) fn new(
        bytes: Vec<u8>,
        changed: bool,
        held: &Arc<AtomicU64>,
    ) -> Result<Self, ErrorCode> {
        let charge = Charge::new(held, bytes.len() as u64)?;
        Ok(Self(Arc::new(Mutex::new(Content {
            bytes,
            changed,
            charge,
        }))))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        // Recover from poisoning: a panic leaves valid bytes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> u64 {
        self.content().bytes.len() as u64
    }

    /// The bytes from `offset` that exist and fit into one answer.
    pub(super) fn read(&self, offset: u64, max: u64) -> Vec<u8> {
        let content = self.content();
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = content.bytes.get(start..).unwrap_or_default();
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(MAX_TRANSFER);
        rest.get(..max).unwrap_or(rest).to_vec()
    }

    /// Writes bytes at `offset`, or at the end.
    pub(super) fn write(&self, offset: Option<u64>, bytes: &[u8]) -> Result<(), ErrorCode> {
        let mut content = self.content();
        let offset = offset.unwrap_or(content.bytes.len() as u64);
        let end = offset.saturating_add(bytes.len() as u64);
        if !bytes.is_empty() {
            let size = end.max(content.bytes.len() as u64);
            content.resize(size)?;
            let there = content.bytes.get_mut(place(offset)?..place(end)?);
            there.ok_or(ErrorCode::Overflow)?.copy_from_slice(bytes);
            content.changed = true;
        }
        Ok(())
    }

    pub(super) fn resize(&self, size: u64) -> Result<(), ErrorCode> {
        self.content().resize(size)
    }

    /// The content to store, if it has changed. Returned once.
    pub(super) fn take_changed(&self) -> Option<Vec<u8>> {
        let mut content = self.content();
        std::mem::take(&mut content.changed).then(|| content.bytes.clone())
    }

    pub(super) fn is_changed(&self) -> bool {
        self.content().changed
    }

    /// Whether another owner can still read or write it.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }
}

impl Content {
    fn resize(&mut self, size: u64) -> Result<(), ErrorCode> {
        if size > MAX_FILE {
            return Err(ErrorCode::FileTooLarge);
        }
        self.charge.grow(size)?;
        let size = place(size)?;
        if size != self.bytes.len() {
            self.bytes.resize(size, 0);
            self.changed = true;
        }
        Ok(())
    }
}

fn place(offset: u64) -> Result<usize, ErrorCode> {
    usize::try_from(offset).map_err(|_| ErrorCode::FileTooLarge)
}

/// Reads from an offset onwards.
pub(super) struct Reader {
    pub(super) content: SharedContent,
    pub(super) offset: u64,
}

/// Writes from an offset onwards, or at the end.
pub(super) struct Writer {
    pub(super) content: SharedContent,
    pub(super) offset: Option<u64>,
}

impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        let bytes = self.content.read(self.offset, size as u64);
        if bytes.is_empty() && size > 0 {
            return Err(StreamError::Closed);
        }
        self.offset = self.offset.saturating_add(bytes.len() as u64);
        Ok(bytes.into())
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.content
            .write(self.offset, &bytes)
            .map_err(|code| StreamError::LastOperationFailed(code.into()))?;
        if let Some(offset) = &mut self.offset {
            *offset = offset.saturating_add(bytes.len() as u64);
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_TRANSFER)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests;
