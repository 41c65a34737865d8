//! The log as files that strangers can read and check (c2sp.org/tlog-tiles).

use std::{fs, io, path::Path};

use rusqlite::Connection;
use tollgate_model::{
    merkle::{
        Tree,
        tiles::{TileBuilder, TileId, TileKind, WIDTH},
    },
    record::leaf_hash,
};

use super::LedgerReader;
use crate::{
    LedgerError,
    checkpoint::{CHECKPOINT_FILE, Checkpoint, MAX_NOTE, NoteSigner},
    durable_file::{self, FileMode},
    error::ReadError,
    sqlite::from_sql_u64,
};

/// Every so many records their number is reported.
const REPORT: u64 = 4096;
const OTHER_HISTORY: &str = "it is of another history than this ledger; keep it as evidence";

impl LedgerReader {
    /// Writes all records into `dir` as a log of tiles with a checkpoint that `signer` signs, and returns it. What is
    /// there from an earlier export is continued. The checkpoint is written last: until then `dir` holds the log of
    /// the earlier one. `progress` gets the number of records so far.
    ///
    /// # Errors
    /// [`LedgerError`]: the store or `dir` cannot be used, or `dir` holds another log than the beginning of this one.
    pub fn export(
        &self,
        dir: &Path,
        signer: &NoteSigner,
        progress: impl FnMut(u64),
    ) -> Result<Checkpoint, LedgerError> {
        let earlier = earlier(dir, signer)?;
        self.snapshot(|conn| {
            let mut export = Export {
                dir,
                earlier: earlier.as_ref(),
                tree: Tree::default(),
                tiles: TileBuilder::default(),
                bundle: Vec::new(),
                progress,
            };
            export.records(conn)?;
            export.finish(signer)
        })
    }
}

/// The checkpoint of an earlier export.
fn earlier(dir: &Path, signer: &NoteSigner) -> Result<Option<Checkpoint>, LedgerError> {
    let path = dir.join(CHECKPOINT_FILE);
    let length = match fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_file(&path, &error)),
    };
    if length > MAX_NOTE as u64 {
        return Err(of_file(&path, &"it is too long for a checkpoint"));
    }
    let note = fs::read_to_string(&path).map_err(|error| of_file(&path, &error))?;
    let checkpoint = Checkpoint::open(&note, &signer.verifier());
    checkpoint.map(Some).map_err(|error| {
        let reason = format!("{error}; export into another folder");
        of_file(&path, &reason)
    })
}

fn of_file(path: &Path, reason: &dyn std::fmt::Display) -> LedgerError {
    LedgerError::Store {
        path: path.display().to_string(),
        reason: reason.to_string(),
    }
}

struct Export<'a, P> {
    dir: &'a Path,
    earlier: Option<&'a Checkpoint>,
    tree: Tree,
    tiles: TileBuilder,
    /// Entries of the bundle that is not whole yet.
    bundle: Vec<u8>,
    progress: P,
}

impl<P: FnMut(u64)> Export<'_, P> {
    fn records(&mut self, conn: &Connection) -> Result<(), ReadError> {
        let mut select = conn.prepare("SELECT idx, leaf, hash FROM records ORDER BY idx")?;
        let mut rows = select.query([])?;
        self.continues()?;
        while let Some(row) = rows.next()? {
            let index = from_sql_u64(row.get("idx")?);
            let leaf = row
                .get_ref("leaf")?
                .as_blob()
                .map_err(rusqlite::Error::from)?;
            let hash: [u8; 32] = row.get("hash")?;
            if index != self.tree.size() || leaf_hash(leaf) != hash {
                let reason = format!(
                    "record {} is missing or was changed; see `tollgate ledger verify`",
                    self.tree.size()
                );
                return Err(ReadError::Damaged(reason));
            }
            self.entry(leaf, hash)?;
            self.continues()?;
        }
        match self.earlier {
            Some(earlier) if earlier.size > self.tree.size() => Err(ReadError::Ledger(of_file(
                &self.dir.join(CHECKPOINT_FILE),
                &format!(
                    "it has {} records and this ledger {}: the ledger was set back",
                    earlier.size,
                    self.tree.size()
                ),
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that the log of the earlier export is the beginning of this one, once it has its size.
    fn continues(&self) -> Result<(), ReadError> {
        match self.earlier {
            Some(earlier)
                if earlier.size == self.tree.size() && earlier.root != self.tree.root() =>
            {
                let path = self.dir.join(CHECKPOINT_FILE);
                Err(ReadError::Ledger(of_file(&path, &OTHER_HISTORY)))
            }
            _ => Ok(()),
        }
    }

    fn entry(&mut self, leaf: &[u8], hash: [u8; 32]) -> Result<(), ReadError> {
        let length = u16::try_from(leaf.len())
            .map_err(|_| ReadError::Damaged("a record is larger than an entry may be".into()))?;
        self.bundle.extend(length.to_be_bytes());
        self.bundle.extend(leaf);
        self.tree.push(hash);
        let mut whole = Vec::new();
        self.tiles.push(hash, |id, hashes| {
            whole.push((id, hashes.as_flattened().to_vec()))
        });
        for (id, bytes) in whole {
            self.write(id, &bytes)?;
        }
        let size = self.tree.size();
        if size.is_multiple_of(WIDTH as u64) {
            let bundle = std::mem::take(&mut self.bundle);
            self.write(bundle_id(size - 1, WIDTH), &bundle)?;
        }
        if size.is_multiple_of(REPORT) {
            (self.progress)(size);
        }
        Ok(())
    }

    fn finish(mut self, signer: &NoteSigner) -> Result<Checkpoint, ReadError> {
        let size = self.tree.size();
        for (id, hashes) in self.tiles.partial() {
            self.write(id, hashes.as_flattened())?;
        }
        if let (Some(last), width @ 1..) = (size.checked_sub(1), size % WIDTH as u64) {
            let width = usize::try_from(width).unwrap_or(WIDTH);
            self.write(bundle_id(last, width), &self.bundle)?;
        }
        let root = self.tree.root();
        let note = Checkpoint::sign(size, &root, signer);
        let path = self.dir.join(CHECKPOINT_FILE);
        durable_file::replace(&path, note.as_bytes(), FileMode::Public)
            .map_err(|error| ReadError::Ledger(of_file(&path, &error)))?;
        (self.progress)(size);
        Ok(Checkpoint {
            origin: signer.name().to_owned(),
            size,
            root,
        })
    }

    /// Writes a file of the log, unless it is there. A file with other content is of another log, and stays.
    fn write(&self, id: TileId, bytes: &[u8]) -> Result<(), ReadError> {
        let path = self.dir.join(id.path());
        let failed = |reason: &dyn std::fmt::Display| ReadError::Ledger(of_file(&path, reason));
        match fs::read(&path) {
            Ok(found) if found == bytes => return Ok(()),
            Ok(_) => return Err(failed(&OTHER_HISTORY)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed(&error)),
        }
        let folder = path.parent().unwrap_or(self.dir);
        fs::create_dir_all(folder)
            .and_then(|()| durable_file::replace(&path, bytes, FileMode::Public))
            .map_err(|error| failed(&error))
    }
}

/// The bundle that ends with this entry.
fn bundle_id(last: u64, width: usize) -> TileId {
    TileId {
        kind: TileKind::Entries,
        index: last / WIDTH as u64,
        width,
    }
}
