//! A file of a tree that is larger than a block: it comes as any single file does, with its own `.part` and control file in the work
//! folder, and takes its place once it is whole.

use std::{os::fd::AsFd, sync::Arc};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::{locator::LocatorError, origin::Origin, view::TroubleKind},
        disk::{
            attributes::{set_access, set_modified},
            folder::Folder,
            part::Part,
            target::Target,
        },
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Fetch,
            file::{
                fetch, finish, recall,
                resume::{Memory, Place},
            },
            tree::{
                disk::{
                    journal,
                    survey::{self, State},
                    tree_dir::{Cursor, TreeDir, explained, stamp},
                    work_dir::TreeWorkDir,
                },
                manifest::remote,
                work::Work,
            },
        },
        transfer::{
            cancel::Cancel,
            permit::Permit,
            progress::{Here, Progress},
        },
    },
    platform,
    protocol::{digest::Hash, message::Form},
    text::ShowPath,
};

/// What a file is called until it is whole. It follows from its path, so that it is found again.
fn alias(path: &str) -> String {
    blake3::hash(path.as_bytes()).to_hex()[..32].to_owned()
}

/// Bytes that an earlier try left of a file.
pub(super) fn length(work_dir: &TreeWorkDir, path: &str) -> u64 {
    let Ok(parts) = work_dir.parts() else { return 0 };
    let folder = Folder::of(parts.root, parts.path, work_dir.seal());
    let found = folder.look(&folder.part_name(alias(path).as_ref())).ok().flatten();
    found.map_or(0, |found| found.size)
}

/// How much an earlier attempt left of this version of a file, from this server.
pub(super) fn here(work_dir: &TreeWorkDir, path: &str, (origin, identity): (Origin, &str)) -> Option<Here> {
    let parts = work_dir.parts().ok()?;
    let (folder, alias) = (Arc::new(Folder::of(parts.root, parts.path, work_dir.seal())), alias(path));
    if !Part::is_there(&folder, alias.as_ref()) {
        return None;
    }
    let (record, _) = Part::open(&folder, alias.as_ref()).ok()?.recorded().ok()??;
    let blocks = record.blocks.into_blocks();
    let here = Here { received: blocks.received(), verified: blocks.bytes() };
    ((record.content.origin, &*record.content.identity) == (origin, identity)).then_some(here)
}

impl Work<'_> {
    /// Fetches one. If only this file cannot be fetched, that is noted; a fault concerns the others as well.
    pub(super) async fn large(
        &mut self,
        tree_dir: &TreeDir,
        states: &mut [State],
        index: u32,
        cancel: &Cancel,
    ) -> Result<(), Unfinished> {
        let path = self.manifest.path(index);
        let attempt = self.attempt;
        let shown = remote(&attempt.new_job().address, &path);
        let invalid = |error: LocatorError| Fault::never(TroubleKind::Other, format!("/{shown}: {error}"));
        let address = attempt.new_job().address.join(&path).map_err(invalid)?;
        let source = attempt.source.join(&path).map_err(|error| invalid(error.into()))?;
        let here = self.begun.remove(&index).unwrap_or_default();
        let permit = attempt.permit.as_ref().and_then(Permit::another);
        let fetch = Fetch {
            source: &source,
            address: &address,
            form: Form::File,
            // It counts there, too.
            progress: &Arc::new(Progress::part_of(&attempt.progress, here)),
            permit: permit.as_ref(),
            placement: None,
            ..attempt.fetch()
        };
        let mut large = block_in_place(|| self.take_up(&fetch, tree_dir, states[index as usize], index))?;
        self.memory.tree.get_or_insert_default().gets_further(&path, large.blocks.received());
        let fetched = fetch::fetch(&fetch, &mut large, cancel).await;
        self.memory.transferred += large.transferred;
        self.memory.received += large.received;
        let fault = match fetched {
            Ok(()) => None,
            Err(Unfinished::Fault(fault)) => Some(fault),
            Err(Unfinished::Stopped) => {
                block_in_place(|| large.close());
                return Err(Unfinished::Stopped);
            }
        };
        if let Some(tree) = &mut self.memory.tree {
            let lost = fault.as_ref().is_some_and(|fault| fault.trouble.kind == TroubleKind::Connection);
            let further = tree.gets_further(&path, large.blocks.received());
            tree.came += u64::from(lost && further);
        }
        block_in_place(|| match fault {
            None => {
                let root = self.put(tree_dir, large, index)?;
                states[index as usize] = State::Proven(root);
                attempt.progress.add(0, 1);
                Ok(())
            }
            Some(fault) => {
                if fault.verdict == Verdict::Discard || fault.verdict == Verdict::StartOver && !large.doubt()
                {
                    large.start_over()?;
                }
                large.close();
                match (fault.trouble.kind, fault.verdict) {
                    (TroubleKind::Disk | TroubleKind::Connection, _) => Err(fault.into()),
                    (TroubleKind::Other, Verdict::Again(_)) => Err(fault.into()),
                    _ => {
                        self.missed.refused(&self.manifest, index, &shown, fault);
                        Ok(())
                    }
                }
            }
        })
    }

    /// What there is of it: its `.part`, and another version in its place.
    fn take_up(
        &self,
        fetch: &Fetch<'_>,
        tree_dir: &TreeDir,
        state: State,
        index: u32,
    ) -> Result<Memory, Fault> {
        let mut large = Memory::default();
        let parts = self.work_dir()?.parts()?;
        let folder = Arc::new(Folder::of(parts.root, parts.path, self.work_dir()?.seal()));
        let target = Target::new(folder, alias(&self.manifest.path(index)).into());
        if Part::is_there(&target.folder, &target.name) {
            let part = Part::open(&target.folder, &target.name)?;
            recall::take_up(fetch, &mut large, Form::File, Place { target, part })?;
            // As the whole folder is.
            large.place.iter_mut().for_each(|place| place.part.own());
        } else {
            let part = Part::create(&target.folder, &target.name)?;
            large.place = Some(Place { target, part });
        }
        if state != State::Absent {
            let mut cursor = Cursor::new(tree_dir, &self.manifest);
            let opened = cursor.parent(index).and_then(|parent| parent.try_clone_to_owned());
            let handle = opened.map_err(|error| cursor.fault("read", index, &error))?;
            let path = tree_dir.path.join(self.manifest.disk_path(self.manifest.entry(index).parent));
            let folder = Arc::new(Folder::of(handle, path, self.work_dir()?.seal()));
            (large.old, large.doubtful) =
                (Some(Target::new(folder, self.manifest.disk_name(index).into())), true);
        }
        Ok(large)
    }

    /// Puts it into its place; its digest.
    fn put(&mut self, tree_dir: &TreeDir, mut large: Memory, index: u32) -> Result<Hash, Fault> {
        let path = self.manifest.path(index);
        let entry = *self.manifest.entry(index);
        finish::confirm(&mut large)?;
        let (Some(root), Some(source)) = (large.root, large.source.take()) else {
            return Err(Fault::never(TroubleKind::Other, "nothing was fetched"));
        };
        let modified = source.modified.unwrap_or(entry.modified);
        let size = source.size.unwrap_or(0);
        let same_server = source.origin == self.manifest.origin;
        if !same_server || !self.manifest.is_as_said(index, &source.identity, size) {
            self.missed.changed(&remote(&self.attempt.new_job().address, &path));
        } else if let Some(tree) = &mut self.memory.tree {
            tree.came += 1;
        }
        let failed = |error: &std::io::Error| {
            let path = tree_dir.path.join(self.manifest.disk_path(index));
            Fault::disk(format!("cannot write {}: {}", path.shown(), explained(error)))
        };
        let mut cursor = Cursor::new(tree_dir, &self.manifest);
        let name = self.manifest.disk_name(index);
        let place = large.place.take();
        let file = match &place {
            Some(place) => {
                let file = Arc::clone(place.part.file()?);
                let writer = place.part.writer()?;
                finish::check_length(writer, &file, size, &place.part.path())?;
                let wanted = (u32::from(entry.mode) | 0o600) & !platform::umask();
                let parent = cursor.parent(index).map_err(|error| failed(&error))?;
                let replaced = (self.way.place() == journal::Place::Target).then_some((parent, name));
                writer.change(|file| {
                    set_access(file, replaced, wanted);
                    set_modified(file, modified);
                });
                rustix::fs::renameat(&place.target.folder.handle, place.part.name(), parent, name)
                    .map_err(|error| failed(&error.into()))?;
                file
            }
            // What was in its place is what the server has.
            None => {
                let parent = cursor.parent(index).map_err(|error| failed(&error))?;
                let file = survey::open(parent.as_fd(), name).map_err(|error| failed(&error))?;
                set_modified(&file, modified);
                Arc::new(file)
            }
        };
        let journal = self.work_dir()?.appender();
        if journal.is_open() {
            let stat = rustix::fs::fstat(&*file).map_err(|error| failed(&error.into()))?;
            let identity = if same_server { &source.identity } else { journal::HASHED };
            journal.add(&journal::file(&path, size, identity, root, &stamp(&stat)));
        }
        if let Some(mut place) = place {
            place.part.placed();
        }
        Ok(root)
    }
}
