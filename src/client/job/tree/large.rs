//! Receives a file of a tree that is larger than a block: as a single file, with its own `.part` and journal in the work directory. It is
//! moved into the tree when it is complete.

use std::{os::fd::AsFd, sync::Arc};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::{address::locator::LocatorError, content::origin::Origin, views::view::TroubleKind},
        content::blocks::LocalBytes,
        disk::{
            attributes::{set_access, set_modified},
            folder::Folder,
            part::Part,
            target::Target,
        },
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::{Fetch, Restart},
            file::{
                fetch, finish, recall,
                resume::FileResume,
                state::{AtTarget, Known, Place, ResumeState},
            },
            tree::{
                disk::{
                    journal,
                    survey::{self, State},
                    tree_dir::{Cursor, TreeDir, explained, stamp},
                    work_dir::TreeWorkDir,
                },
                manifest::{Manifest, remote},
                whole::SaveMode,
                work::Work,
            },
        },
        transfer::{cancel::Cancel, permit::Permit, progress::Progress},
    },
    platform,
    protocol::{digest::Hash, message::Form},
    text::ShowPath,
};

/// The name of a file until it is complete. It is derived from the path, so that the next attempt finds it.
fn alias(path: &str) -> String {
    blake3::hash(path.as_bytes()).to_hex()[..32].to_owned()
}

/// Where a file is until it is complete.
pub(super) fn target(work_dir: &TreeWorkDir, path: &str) -> Result<Target, Fault> {
    let parts = work_dir.parts()?;
    let folder = Arc::new(Folder::of(parts.root, parts.path, work_dir.seal()));
    Ok(Target::new(folder, alias(path).into()))
}

/// A file is not received because of this fault: forgets what was received of it if that is of no use.
pub(super) fn forget(large: &mut FileResume, fault: &Fault) -> Result<(), Fault> {
    if fault.verdict == Verdict::Discard || fault.verdict == Verdict::StartOver && !large.doubt(true) {
        large.start_over()?;
    }
    large.close();
    Ok(())
}

/// Whether a fault concerns one file only.
pub(super) fn is_of_one_file(fault: &Fault) -> bool {
    !matches!(
        (fault.trouble.kind, fault.verdict),
        (TroubleKind::Disk | TroubleKind::Connection, _) | (TroubleKind::Other, Verdict::Again(_))
    )
}

/// Bytes that an earlier attempt left of a file.
pub(super) fn length(work_dir: &TreeWorkDir, path: &str) -> u64 {
    let Ok(parts) = work_dir.parts() else { return 0 };
    let folder = Folder::of(parts.root, parts.path, work_dir.seal());
    let found = folder.look(&folder.part_name(alias(path).as_ref())).ok().flatten();
    found.map_or(0, |found| found.size)
}

/// How much an earlier attempt left of this version of a file, from this server.
pub(super) fn local(
    work_dir: &TreeWorkDir,
    path: &str,
    (origin, identity): (Origin, &str),
) -> Option<LocalBytes> {
    let parts = work_dir.parts().ok()?;
    let (folder, alias) = (Arc::new(Folder::of(parts.root, parts.path, work_dir.seal())), alias(path));
    if !Part::is_there(&folder, alias.as_ref()) {
        return None;
    }
    let (record, _) = Part::open(&folder, alias.as_ref()).ok()?.recorded().ok()??;
    ((record.content.origin, &*record.content.identity) == (origin, identity))
        .then(|| record.blocks.into_blocks().local())
}

impl Work<'_> {
    /// Receives one file. If only this file cannot be received, it is added to `missed`; a fault concerns all files.
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
        let source = attempt.source.join(&path).map_err(invalid)?;
        let here = self.begun.remove(&index).unwrap_or_default();
        let permit = attempt.permit.as_ref().and_then(Permit::another);
        let fetch = Fetch {
            source: &source,
            address: &address,
            form: Form::File,
            // Its bytes count for the tree, too.
            progress: &Arc::new(Progress::part_of(&attempt.progress, here)),
            permit: permit.as_ref(),
            placement: None,
            digest: None,
            described: None,
            // What matches of it is kept, and the rest is little.
            restart: Restart::Unasked,
            ..attempt.fetch()
        };
        let mut large = block_in_place(|| self.recall(&fetch, tree_dir, states[index as usize], index))?;
        self.tree.gets_further(&path, large.state.local().received);
        let fetched = fetch::fetch(&fetch, &mut large, cancel).await;
        self.tree.totals.transferred += large.totals.transferred;
        self.tree.totals.kept += large.totals.kept;
        let fault = match fetched {
            Ok(()) => None,
            Err(Unfinished::Fault(fault)) => Some(fault),
            Err(Unfinished::Stopped) => {
                block_in_place(|| large.close());
                return Err(Unfinished::Stopped);
            }
        };
        let lost = fault.as_ref().is_some_and(|fault| fault.trouble.kind == TroubleKind::Connection);
        let further = self.tree.gets_further(&path, large.state.local().received);
        self.tree.advances += u64::from(lost && further);
        block_in_place(|| match fault {
            None => {
                let destination =
                    Destination { manifest: &self.manifest, tree_dir, save_mode: self.save_mode };
                let (root, is_listed) = destination.put(self.work_dir()?, large, index)?;
                if is_listed {
                    self.tree.advances += 1;
                } else {
                    self.missed.changed(&shown);
                }
                states[index as usize] = State::Proven(root);
                attempt.progress.add(0, 1);
                Ok(())
            }
            Some(fault) => {
                forget(&mut large, &fault)?;
                if !is_of_one_file(&fault) {
                    return Err(fault.into());
                }
                self.missed.refused(&self.manifest, index, &shown, fault);
                Ok(())
            }
        })
    }

    /// What is local of it: its `.part`, and another version in its place.
    fn recall(
        &self,
        fetch: &Fetch<'_>,
        tree_dir: &TreeDir,
        state: State,
        index: u32,
    ) -> Result<FileResume, Fault> {
        let mut large = FileResume::default();
        let target = target(self.work_dir()?, &self.manifest.path(index))?;
        if Part::is_there(&target.folder, &target.name) {
            let mut part = Part::open(&target.folder, &target.name)?;
            // As the whole folder is.
            part.own();
            recall::open(fetch, &mut large, Form::File, Place { target, part })?;
        } else {
            let part = Part::create(&target.folder, &target.name)?;
            large.state = ResumeState::Fresh(Some(Place { target, part }));
        }
        if state != State::Absent {
            let mut cursor = Cursor::new(tree_dir, &self.manifest);
            let opened = cursor.parent(index).and_then(|parent| parent.try_clone_to_owned());
            let handle = opened.map_err(|error| cursor.fault("read", index, &error))?;
            let path = tree_dir.path.join(self.manifest.disk_path(self.manifest.entry(index).parent));
            let folder = Arc::new(Folder::of(handle, path, self.work_dir()?.seal()));
            large.compare_with(Target::new(folder, self.manifest.disk_name(index).into()));
        }
        Ok(large)
    }
}

/// Where complete files are moved to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Destination<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) tree_dir: &'a TreeDir,
    pub(super) save_mode: SaveMode,
}

impl Destination<'_> {
    /// Moves a complete file to its place in the tree. Returns its digest, and whether it is the version in the listing.
    pub(super) fn put(
        &self,
        work_dir: &TreeWorkDir,
        mut large: FileResume,
        index: u32,
    ) -> Result<(Hash, bool), Fault> {
        let Destination { manifest, tree_dir, save_mode } = *self;
        let path = manifest.path(index);
        let entry = *manifest.entry(index);
        finish::confirm(&mut large)?;
        let (source, root, place) = match large.state {
            ResumeState::Complete(Known { content, place, .. }, root) => (content, root, Some(place)),
            ResumeState::Identical(AtTarget { content, root, .. }, _) => (content, root, None),
            ResumeState::Fresh(_)
            | ResumeState::Doubtful(_)
            | ResumeState::Known(_)
            | ResumeState::Placed(_) => return Err(finish::incomplete()),
        };
        let modified = source.modified.unwrap_or(entry.modified);
        let size = source.size.unwrap_or(0);
        let same_server = source.origin == manifest.origin;
        let is_listed = same_server && manifest.is_listed_as(index, &source.identity, size);
        let failed = |error: &std::io::Error| {
            let path = tree_dir.path.join(manifest.disk_path(index));
            Fault::disk(format!("cannot write {}: {}", path.shown(), explained(error)))
        };
        let mut cursor = Cursor::new(tree_dir, manifest);
        let name = manifest.disk_name(index);
        let file = match &place {
            Some(place) => {
                let file = Arc::clone(place.part.file()?);
                let writer = place.part.writer()?;
                finish::check_length(writer, &file, size, &place.part.path())?;
                let wanted = (u32::from(entry.mode) | 0o600) & !platform::umask();
                let parent = cursor.parent(index).map_err(|error| failed(&error))?;
                let replaced = (save_mode.place() == journal::Place::Target).then_some((parent, name));
                writer.change(|file| {
                    set_access(file, replaced, wanted);
                    set_modified(file, modified);
                });
                rustix::fs::renameat(&place.target.folder.handle, place.part.name(), parent, name)
                    .map_err(|error| failed(&error.into()))?;
                file
            }
            // The file in its place is identical.
            None => {
                let parent = cursor.parent(index).map_err(|error| failed(&error))?;
                let file = survey::open(parent.as_fd(), name).map_err(|error| failed(&error))?;
                set_modified(&file, modified);
                Arc::new(file)
            }
        };
        let journal = work_dir.appender();
        if journal.is_open() {
            let stat = rustix::fs::fstat(&*file).map_err(|error| failed(&error.into()))?;
            let identity = if same_server { &source.identity } else { journal::HASHED };
            journal.add(&journal::file(&path, size, identity, root, &stamp(&stat)));
        }
        if let Some(mut place) = place {
            place.part.placed();
        }
        Ok((root, is_listed))
    }
}
