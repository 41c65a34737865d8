//! Reserved disk space, so that outcomes of started calls fit even on a full disk.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::PathBuf,
};

/// Room for the outcomes of thousands of calls, and for the checkpoint that follows.
const SIZE: u64 = 8 << 20;

/// A file that reserves space until it is needed.
#[derive(Debug)]
pub(crate) struct DiskReserve {
    path: PathBuf,
    released: bool,
    #[cfg(test)]
    pub(crate) disk_is_full: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl DiskReserve {
    /// Reserves the space. If the disk is too full for it, the ledger still opens, because open calls must
    /// be closed.
    pub(crate) fn new(path: PathBuf) -> Self {
        let mut reserve = Self {
            path,
            released: true,
            #[cfg(test)]
            disk_is_full: std::sync::Arc::default(),
        };
        reserve.hold();
        reserve
    }

    /// Whether the space was released.
    pub(crate) fn is_released(&self) -> bool {
        self.released
    }

    /// Releases the space.
    pub(crate) fn release(&mut self) {
        self.released = true;
        if let Ok(file) = self.file() {
            // If even this fails, the commit that needs the space fails as well.
            let _ = file.set_len(0);
        }
    }

    /// Reserves the space again; false while the disk is still too full.
    pub(crate) fn hold(&mut self) -> bool {
        #[cfg(test)]
        if self.disk_is_full.load(std::sync::atomic::Ordering::Relaxed) {
            return false;
        }
        self.released = self.file().and_then(|file| allocate(&file)).is_err();
        if self.released {
            self.release();
        }
        !self.released
    }

    fn file(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
    }
}

fn allocate(mut file: &File) -> io::Result<()> {
    if file.metadata()?.len() >= SIZE {
        return Ok(());
    }
    match rustix::fs::fallocate(file, rustix::fs::FallocateFlags::empty(), 0, SIZE) {
        Ok(()) => Ok(()),
        Err(e) if e == rustix::io::Errno::OPNOTSUPP => {
            let zeros = vec![0; 1 << 16];
            for _ in 0..SIZE >> 16 {
                file.write_all(&zeros)?;
            }
            file.sync_all()
        }
        Err(e) => Err(e.into()),
    }
}
