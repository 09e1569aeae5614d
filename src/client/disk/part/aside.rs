//! What was received of an earlier version, kept beside the `.part` of the new one: `NAME.part.old`, and for a moment `NAME.part.older`.

use std::{ffi::OsString, fs, io, path::PathBuf, sync::Arc};

use super::{Part, journal_name};
use crate::{
    client::{
        content::{Content, blocks::Blocks},
        disk::{
            folder::Folder,
            journal::{Journal, file::FileLines},
            target::Target,
        },
        error::Fault,
    },
    text::{ShowPath, units},
};

/// The suffixes, the newest first.
const SUFFIXES: [&str; 2] = [".old", ".older"];

/// See the module. Those of one target.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    folder: Arc<Folder>,
    part: OsString,
}

impl Aside {
    /// Those of a target. There need not be any.
    pub(crate) fn of(target: &Target) -> Aside {
        Aside { folder: Arc::clone(&target.folder), part: target.folder.part_name(&target.name) }
    }

    fn names(&self) -> impl Iterator<Item = OsString> {
        SUFFIXES.iter().map(|suffix| self.folder.within(&self.folder.beside(&self.part, suffix)))
    }

    /// The content that a file is of, by its journal, which was sealed under the name that it had as a `.part`.
    fn content(&self, name: &OsString) -> Option<Content> {
        Journal::<FileLines>::new(&self.folder, journal_name(name), journal_name(&self.part)).header()
    }

    /// Where the newest one is, and bytes of it on the disk.
    pub(crate) fn found(&self) -> Option<(PathBuf, u64)> {
        use std::os::unix::fs::MetadataExt;
        let path = self.folder.join(&self.names().next()?);
        let data = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
        Some((path, data.blocks().saturating_mul(512)))
    }

    /// Whether its names are free, or those of what this program has kept.
    pub(crate) fn is_free(&self) -> bool {
        self.names().all(|name| {
            let is_there = fs::symlink_metadata(self.folder.join(&name)).is_ok();
            !is_there || self.content(&name).is_some()
        })
    }

    /// Whether there is one of a content.
    pub(crate) fn has(&self, is_wanted: impl Fn(&Content) -> bool) -> bool {
        self.names().any(|name| self.content(&name).is_some_and(|content| is_wanted(&content)))
    }

    /// Puts a `.part` there, which was just closed. What is there already moves on, and what has moved on before is deleted.
    pub(super) fn put(&self, part: &Part) -> Result<(), Fault> {
        let names: Vec<_> = self.names().collect();
        let [old, older] = names.as_slice() else { return Ok(()) };
        self.delete(older);
        self.rename(old, older).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(Fault::io("move away", &self.folder.join(old), &error)),
        })?;
        self.rename(&self.part, old).map_err(|error| Fault::io("move away", &part.path(), &error))
    }

    fn rename(&self, from: &OsString, to: &OsString) -> io::Result<()> {
        self.folder.rename_new(from, to)?;
        let journal = |name: &OsString| {
            Journal::<FileLines>::new(&self.folder, journal_name(name), journal_name(&self.part))
        };
        journal(from).rename(&journal_name(to));
        Ok(())
    }

    /// Makes the one of this version the `.part` again; the `.part` itself, which is empty, is deleted. Returns whether there was one.
    pub(crate) fn restore(
        &self,
        is_wanted: impl Fn(&Content) -> bool,
        empty: &mut Part,
    ) -> Result<bool, Fault> {
        let found = self.names().find(|name| self.content(name).is_some_and(|content| is_wanted(&content)));
        let Some(name) = found else { return Ok(false) };
        empty.remove_empty();
        self.rename(&name, &self.part)
            .map_err(|error| Fault::io("move back", &self.folder.join(&name), &error))?;
        Ok(true)
    }

    /// Deletes those whose journals are of a content that is wanted no more.
    pub(crate) fn discard(&self, is_of: impl Fn(&Content) -> bool) {
        for name in self.names() {
            if self.content(&name).is_some_and(|content| is_of(&content)) {
                tracing::debug!("{} is deleted", self.folder.join(&name).shown());
                self.delete(&name);
            }
        }
    }

    /// Only the newest one stays.
    pub(crate) fn keep_one(&self) {
        self.names().skip(1).filter(|name| self.content(name).is_some()).for_each(|name| self.delete(&name));
    }

    fn delete(&self, name: &OsString) {
        let unlink =
            |name: &OsString| rustix::fs::unlinkat(&self.folder.handle, name, rustix::fs::AtFlags::empty());
        // There need not be one.
        let _ = unlink(name);
        let _ = unlink(&journal_name(name));
    }
}

impl Part {
    /// Closes it, and keeps it aside. Returns where.
    pub(crate) fn keep_aside(mut self, target: &Target, kept: (&Content, &Blocks)) -> Result<(), Fault> {
        let received = units::bytes(kept.1.bytes());
        self.close(Some(kept));
        let aside = Aside::of(target);
        aside.put(&self)?;
        if let Some((path, _)) = aside.found() {
            tracing::info!(
                "{received} of the earlier version stay as {} until the new one is complete",
                path.shown()
            );
        }
        Ok(())
    }
}
