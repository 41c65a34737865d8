//! Temporary files: written next to their destination, then moved there as a whole.

use std::io;

use cap_std::fs::{Dir, File, OpenOptions};
use rustix::{fs::RenameFlags, io::Errno};
use tollgate_model::ids::hex;

use super::{path::RESERVED, resolve::FileError};

/// Whether something that is there already may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replace {
    Yes,
    No,
}

/// A file with a random name that guests cannot see; removed unless it is renamed.
pub(crate) struct Temporary<'a> {
    parent: &'a Dir,
    name: String,
    pub(crate) file: File,
    renamed: bool,
}

impl<'a> Temporary<'a> {
    pub(crate) fn new(parent: &'a Dir) -> Result<Self, FileError> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|_| FileError::System(io::ErrorKind::Other))?;
        let name = format!("{RESERVED}{}", hex(&random));
        let file = parent.open_with(&name, OpenOptions::new().write(true).create_new(true))?;
        Ok(Self {
            parent,
            name,
            file,
            renamed: false,
        })
    }

    pub(crate) fn rename(mut self, name: &str, replace: Replace) -> Result<(), FileError> {
        match replace {
            Replace::Yes => self.parent.rename(&self.name, self.parent, name)?,
            Replace::No => {
                let flags = RenameFlags::NOREPLACE;
                match rustix::fs::renameat_with(self.parent, &self.name, self.parent, name, flags) {
                    Ok(()) => {}
                    // On a file system without this call, a hard link cannot replace anything either.
                    Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                        self.parent.hard_link(&self.name, self.parent, name)?;
                        return Ok(());
                    }
                    Err(e) => return Err(io::Error::from(e).into()),
                }
            }
        }
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // If it cannot be removed, it stays hidden.
            let _ = self.parent.remove_file(&self.name);
        }
    }
}
