//! Finishes a tree of which all files are verified: links, times, digest, sync, and the final name, in that order.

use std::{
    ffi::OsStr,
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{AtFlags, Mode, Stat},
    io::Errno,
};

use crate::{
    client::{
        api::{content::checksum::Checksum, new_job::Existing, views::view::TroubleKind},
        disk::{
            attributes::{has_acl, keeps_group, set_mode, set_modified, times, without_group},
            checksum::{self, Interrupted},
            commit::{Uncommitted, commit},
            remove,
        },
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Attempt,
            deletions::Deletion,
            tree::{
                disk::{
                    surplus::{self, Unsent},
                    survey::{self, State},
                    tree_dir::{Cursor, TreeDir, stamp},
                    work_dir::{self, TreeWorkDir},
                },
                manifest::{Manifest, Node},
                state::TreeResume,
                whole::{ReceivedTree, SaveMode},
            },
        },
    },
    protocol::digest::Hash,
    text::ShowPath,
};
/// The replaced tree, where the file system cannot exchange two names in one step.
const OLD: &str = "fdsp-parts/old";
/// The temporary name of a link that replaces something.
const LINK: &str = "link";

/// A tree in its place.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) path: PathBuf,
    /// Its digest.
    pub(super) root: Hash,
    /// Files that only the replaced tree had.
    pub(super) deleted: u64,
}

/// Finishes a tree.
pub(super) fn finish(
    attempt: &Attempt,
    tree: &mut TreeResume,
    whole: &ReceivedTree,
    should_continue: impl Fn() -> bool,
) -> Result<Placed, Unfinished> {
    let root = digest(&whole.manifest, &whole.states);
    check_digest(attempt, root)?;
    let target = whole.target.path();
    if whole.save_mode == SaveMode::Compare {
        // The work directory of an earlier attempt is not needed any more.
        let ours = tree.work_dir.take();
        let (folder, name) = (&whole.target.folder, &whole.target.name);
        let left =
            || TreeWorkDir::is_there(folder, name).then(|| TreeWorkDir::open(folder, name).ok()).flatten();
        if let Some(work_dir) = ours.or_else(left) {
            discard(attempt, work_dir, &should_continue);
        }
        return Ok(Placed { path: target, root, deleted: 0 });
    }
    let Some(work_dir) = tree.work_dir.take() else {
        return Err(Fault::disk(format!("{} is not open", target.shown())).into());
    };
    let placed = make(whole, &work_dir).and_then(|()| {
        confirm(whole, &work_dir, &should_continue)?;
        put_in_place(attempt, whole, &work_dir, &should_continue)
    });
    match placed {
        Ok((path, deleted)) => {
            discard(attempt, work_dir, &should_continue);
            Ok(Placed { path, root, deleted })
        }
        Err(unfinished) => {
            // The next attempt resumes from here.
            tree.work_dir = Some(work_dir);
            Err(unfinished)
        }
    }
}

/// Deletes the work directory. If this is interrupted, the rest is deleted later: the tree is in place.
pub(super) fn discard(attempt: &Attempt, work_dir: TreeWorkDir, should_continue: impl Fn() -> bool) {
    let path = work_dir.path();
    work_dir.discard(&attempt.deletions, &should_continue);
    if !should_continue() {
        attempt.deletions.delete(Deletion::Folder(path));
    }
}

/// The digest of a tree: BLAKE3 of what `b3sum` prints for its files, in the order of their paths' bytes.
pub(super) fn digest(manifest: &Manifest, states: &[State]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    for index in manifest.files_by_path() {
        let State::Proven(root) = states[index as usize] else { continue };
        let path = manifest.disk_path(index);
        let path = path.to_string_lossy();
        // As b3sum escapes it; other characters that it would escape are in no name here.
        let (mark, path) = match path.contains('\\') {
            true => ("\\", path.replace('\\', "\\\\").into()),
            false => ("", path),
        };
        hasher.update(format!("{mark}{root}  {path}\n").as_bytes());
    }
    Hash(*hasher.finalize().as_bytes())
}

fn check_digest(attempt: &Attempt, root: Hash) -> Result<(), Fault> {
    match &attempt.new_job().checksum {
        Some(Checksum::Blake3(wanted)) if *wanted != root.0 => {
            let message = format!("checksum mismatch: expected blake3:{}, got blake3:{root}", Hash(*wanted));
            Err(Fault::never(TroubleKind::Integrity, message))
        }
        _ => Ok(()),
    }
}

/// Hashes files again that another program may have changed since they were verified.
fn confirm(
    whole: &ReceivedTree,
    work_dir: &TreeWorkDir,
    should_continue: impl Fn() -> bool,
) -> Result<(), Unfinished> {
    let manifest = &whole.manifest;
    let (record, trusted) =
        work_dir.recorded(whole.save_mode.place(), manifest.origin, manifest.len() as usize);
    let mut cursor = Cursor::new(&whole.tree_dir, manifest);
    let mut buffer = checksum::buffer();
    for (index, _, size) in manifest.files() {
        let State::Proven(root) = whole.states[index as usize] else { continue };
        if !should_continue() {
            return Err(Unfinished::Stopped);
        }
        let path = manifest.path(index);
        let stat = cursor.look(index).map_err(|error| cursor.fault("look at", index, &error))?;
        let as_left = |stat: &Stat| {
            let known = record.file(&path).filter(|known| trusted && known.root == root);
            known.is_some_and(|known| known.size == size && known.has_stamp(&stamp(stat)))
        };
        if stat.as_ref().is_some_and(as_left) {
            continue;
        }
        let read = cursor
            .parent(index)
            .and_then(|parent| survey::open(parent, manifest.disk_name(index)))
            .map_err(Interrupted::Io)
            .and_then(|file| checksum::blake3(&file, &mut buffer, &should_continue));
        match read {
            Ok(found) if found == root => {}
            Err(Interrupted::Stopped) => return Err(Unfinished::Stopped),
            _ => {
                let path = whole.tree_dir.path.join(manifest.disk_path(index));
                let message = format!("{} was changed by another program; it is fetched again", path.shown());
                return Err(Fault { verdict: Verdict::Again(Duration::ZERO), ..Fault::disk(message) }.into());
            }
        }
    }
    Ok(())
}

/// Creates the links and sets the times. Both come last: nothing may be written through a link, and every write changes a time.
fn make(whole: &ReceivedTree, work_dir: &TreeWorkDir) -> Result<(), Unfinished> {
    let manifest = &whole.manifest;
    let mut cursor = Cursor::new(&whole.tree_dir, manifest);
    let unreachable =
        |index, error: &io::Error| whole.tree_dir.fault("reach", &manifest.disk_path(index), error);
    for (index, entry) in manifest.entries() {
        let Node::Link { target } = entry.node else { continue };
        if !matches!(whole.states[index as usize], State::Proven(_)) {
            let made = link(
                &mut cursor,
                work_dir,
                index,
                manifest.disk_name(index),
                manifest.disk_target(index, target),
            );
            made.map_err(|error| cursor.fault("make the link", index, &error))?;
        }
        let parent = cursor.parent(index).map_err(|error| unreachable(index, &error))?;
        // Some file systems keep no time of a link.
        let _ = rustix::fs::utimensat(
            parent,
            manifest.disk_name(index),
            &times(entry.modified),
            AtFlags::SYMLINK_NOFOLLOW,
        );
    }
    for (index, entry) in manifest.entries().rev() {
        if entry.node == Node::Directory {
            let directory = cursor.directory(index).map_err(|error| unreachable(index, &error))?;
            set_modified(directory, entry.modified);
        }
    }
    Ok(())
}

/// Creates a link. It replaces a file or link of the same name.
fn link(
    cursor: &mut Cursor<'_>,
    work_dir: &TreeWorkDir,
    index: u32,
    name: &OsStr,
    target: &OsStr,
) -> io::Result<()> {
    let parent = cursor.parent(index)?;
    match rustix::fs::symlinkat(target, parent, name) {
        Err(Errno::EXIST) => {}
        made => return Ok(made?),
    }
    let parts = work_dir.parts().map_err(|fault| io::Error::other(fault.trouble.message.to_string()))?;
    remove::remove(parts.root.as_fd(), OsStr::new(LINK))?;
    rustix::fs::symlinkat(target, &parts.root, LINK)?;
    Ok(rustix::fs::renameat(&parts.root, LINK, parent, name)?)
}

/// Removes permissions from the new tree that the replaced tree does not give.
fn keep_private(whole: &ReceivedTree) {
    let (target, manifest) = (&whole.target, &whole.manifest);
    let Ok(tree_dir) = TreeDir::open(&target.folder.handle, &target.name, target.path()) else { return };
    let narrow = |new: &Stat, old: &Stat| new.st_mode & 0o777 & (old.st_mode | 0o700);
    let (mut new, mut old) = (Cursor::new(&whole.tree_dir, manifest), Cursor::new(&tree_dir, manifest));
    for (index, entry) in manifest.entries().skip(1) {
        if matches!(entry.node, Node::Link { .. }) {
            continue;
        }
        // What cannot be examined is skipped.
        let (Ok(Some(now)), Ok(Some(was))) = (new.look(index), old.look(index)) else { continue };
        let name = manifest.disk_name(index);
        let has_acl = old.parent(index).is_ok_and(|parent| has_acl(parent, name));
        let Ok(parent) = new.parent(index) else { continue };
        let change = |group| rustix::fs::chownat(parent, name, None, Some(group), AtFlags::SYMLINK_NOFOLLOW);
        let mut mode = narrow(&now, &was);
        if has_acl || !keeps_group(mode, &was, Ok(&now), change) {
            mode = without_group(mode);
        }
        if mode != now.st_mode & 0o777 {
            let _ = rustix::fs::chmodat(parent, name, Mode::from_raw_mode(mode), AtFlags::empty());
        }
    }
    if let (Ok(now), Ok(was)) = (rustix::fs::fstat(&whole.tree_dir.root), rustix::fs::fstat(&tree_dir.root)) {
        let mut mode = narrow(&now, &was);
        let change = |group| rustix::fs::fchown(&whole.tree_dir.root, None, Some(group));
        let has_acl = has_acl(target.folder.handle.as_fd(), &target.name);
        if has_acl || !keeps_group(mode, &was, Ok(&now), change) {
            mode = without_group(mode);
        }
        set_mode(&whole.tree_dir.root, Mode::from_raw_mode(mode));
    }
}

/// Commits the tree. Returns where it is, and how many files only the replaced tree had.
fn put_in_place(
    attempt: &Attempt,
    whole: &ReceivedTree,
    work_dir: &TreeWorkDir,
    should_continue: impl Fn() -> bool,
) -> Result<(PathBuf, u64), Unfinished> {
    let (work, name, handle) = (work_dir.work(), work_dir::TREE, whole.tree_dir.root.as_fd());
    let content = match whole.save_mode {
        SaveMode::Update | SaveMode::Compare => Uncommitted::Updated { handle },
        SaveMode::New => Uncommitted::Directory { work, name, handle },
        SaveMode::Replace => Uncommitted::Exchanged { work, name, handle, away: OLD },
    };
    let mut deleted = 0;
    let ready = || {
        if !should_continue() {
            return Err(Unfinished::Stopped);
        }
        if whole.save_mode == SaveMode::Replace {
            let unsent = Unsent { missing: &whole.missing(), indices: &whole.lost.indices };
            deleted = surplus::log_deleted(&whole.target, &whole.manifest, unsent, &should_continue)?;
            keep_private(whole);
            // From here on, the work directory may hold the old tree.
            work_dir.disown();
        }
        Ok(())
    };
    let claim = |path: &Path| attempt.placement.claim(path);
    let in_place = commit(&content, whole.target.clone(), attempt.sync, ready, |target| {
        match attempt.new_job().existing {
            Existing::Rename => target.numbered(claim),
            _ => Err(target.differs(None)),
        }
    })?;
    if attempt.sync {
        in_place.sync()?;
    }
    Ok((in_place.path(), deleted))
}
