//! Files that only the local tree has: they are logged, and deleted when the tree is replaced.

use std::{
    collections::{HashMap, HashSet},
    ffi::{OsStr, OsString},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

use crate::{
    client::{
        api::question::{ConflictKind, Question},
        disk::{folder::open_directory, remove, target::Target},
        error::{Fault, Unfinished},
        job::tree::{
            disk::tree_dir::{Cursor, TreeDir, explained},
            manifest::{Manifest, Node},
        },
    },
    protocol::message::{Missing, MissingEntry},
    text::{SafeText, ShowPath, units},
};
/// The most files that a message names.
const MAX_NAMED: usize = 10;

/// Files of a local tree that the server's tree does not have.
#[derive(Debug, Default)]
struct Surplus {
    /// All of them.
    all: Files,
    /// Those that the server may have but cannot send.
    missing: Files,
}

/// A number of files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Files {
    files: u64,
    /// The paths of the first ones.
    named: Vec<PathBuf>,
}

impl Surplus {
    /// Adds a file that is not in the server's tree. `missing`: what the server cannot send.
    fn add(&mut self, path: PathBuf, missing: &Missing) {
        let text = SafeText::from_path(&path);
        let is_missing = |entry: &MissingEntry| {
            text.as_str()
                .strip_prefix(&entry.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if missing.unnamed() > 0 || missing.entries.iter().any(is_missing) {
            self.missing.add(|| path.clone());
        }
        self.all.add(|| path);
    }

    fn refuse(&self, target: &Target) -> Result<(), Unfinished> {
        let (path, files) = (target.path(), units::count(self.missing.files));
        let what = match self.missing.files {
            0 => return Ok(()),
            1 => "file",
            _ => "files",
        };
        Err(Fault::disk(format!(
            "{} has {files} {what} that may be among the entries that the server cannot send ({}); nothing was changed: \
             an update keeps them",
            path.shown(),
            self.missing.shown()
        ))
        .or_by(" (--update)")
        .asking(Question::Exists(target.conflict(ConflictKind::Folder)))
        .into())
    }

    /// Adds a file that is in the server's tree, and that the server cannot read.
    fn add_unreadable(&mut self, path: PathBuf) {
        self.missing.add(|| path.clone());
        self.all.add(|| path);
    }
}

impl Files {
    fn add(&mut self, path: impl FnOnce() -> PathBuf) {
        self.files += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(path());
        }
    }

    /// The names, to be displayed.
    fn shown(&self) -> String {
        let names: Vec<_> = self.named.iter().map(|path| SafeText::from_path(path).to_string()).collect();
        match self.files - names.len() as u64 {
            0 => names.join(", "),
            more => format!("{} and {} more", names.join(", "), units::count(more)),
        }
    }
}

/// Refuses to replace a folder that has files by an empty one, which a server is likely to serve by mistake.
pub(crate) fn refuse_to_empty(
    target: &Target,
    manifest: &Manifest,
    should_continue: impl Fn() -> bool,
) -> Result<(), Unfinished> {
    let unsent = Unsent { missing: &Missing::default(), indices: &HashSet::new() };
    let surplus = surplus(target, manifest, unsent, should_continue)?.all;
    if surplus.files == 0 {
        return Ok(());
    }
    let (path, files) = (target.path(), units::count(surplus.files));
    let what = if surplus.files == 1 { "file" } else { "files" };
    Err(Fault::disk(format!(
        "{} has {files} {what} ({}), and the folder on the server has none; nothing was changed: if that is right, delete {} \
         yourself",
        path.shown(),
        surplus.shown(),
        path.shown()
    ))
    .into())
}

/// Entries that the server cannot send.
#[derive(Clone, Copy)]
pub(crate) struct Unsent<'a> {
    pub(crate) missing: &'a Missing,
    /// The indices of those that are in the manifest.
    pub(crate) indices: &'a HashSet<u32>,
}

/// Fails if replacing the folder would delete files that the server may have but cannot send.
pub(crate) fn refuse_to_lose(
    target: &Target,
    manifest: &Manifest,
    unsent: Unsent<'_>,
    should_continue: impl Fn() -> bool,
) -> Result<(), Unfinished> {
    if unsent.missing.is_none() {
        Ok(())
    } else {
        surplus(target, manifest, unsent, should_continue)?.refuse(target)
    }
}

/// Logs the files that will be deleted with the tree at the target, and returns their number. Fails as [`refuse_to_lose`] does.
pub(crate) fn log_deleted(
    target: &Target,
    manifest: &Manifest,
    unsent: Unsent<'_>,
    should_continue: impl Fn() -> bool,
) -> Result<u64, Unfinished> {
    let surplus = surplus(target, manifest, unsent, should_continue)?;
    surplus.refuse(target)?;
    if surplus.all.files > 0 {
        let (path, files) = (target.path(), units::count(surplus.all.files));
        tracing::warn!(
            "{}: files that the server does not have are deleted: {files} ({})",
            path.shown(),
            surplus.all.shown()
        );
    }
    Ok(surplus.all.files)
}

fn surplus(
    target: &Target,
    manifest: &Manifest,
    Unsent { missing, indices }: Unsent<'_>,
    should_continue: impl Fn() -> bool,
) -> Result<Surplus, Unfinished> {
    let path = target.path();
    let unreadable = |path: &Path, error: &io::Error| {
        Fault::disk(format!("cannot read {}: {}", path.shown(), explained(error)))
    };
    let tree_dir = TreeDir::open(&target.folder.handle, &target.name, path.clone())
        .map_err(|error| unreadable(&path, &error))?;
    let ends = manifest.ends();
    let mut cursor = Cursor::new(&tree_dir, manifest);
    let mut surplus = Surplus::default();
    let mut directories = vec![0];
    while let Some(directory) = directories.pop() {
        if !should_continue() {
            return Err(Unfinished::Stopped);
        }
        let above = manifest.disk_path(directory);
        let children: HashMap<_, _> = manifest
            .children(directory, &ends)
            .map(|index| (manifest.disk_name(index).as_encoded_bytes(), index))
            .collect();
        let counted = cursor.directory(directory).and_then(|handle| {
            for (name, kind) in remove::list(handle)? {
                let entry = children.get(name.as_encoded_bytes()).copied();
                let is_directory = entry.is_some_and(|index| manifest.entry(index).node == Node::Directory);
                match (kind, entry) {
                    (FileType::Directory, Some(index)) if is_directory => directories.push(index),
                    (FileType::Directory, _) => {
                        beneath(
                            handle,
                            &name,
                            &above,
                            &mut |path| surplus.add(path, missing),
                            &should_continue,
                        )?;
                    }
                    (_, Some(index)) if indices.contains(&index) => surplus.add_unreadable(above.join(&name)),
                    (_, Some(_)) if !is_directory => {}
                    _ => surplus.add(above.join(&name), missing),
                }
            }
            Ok(())
        });
        counted.map_err(|error| unreadable(&path.join(&above), &error))?;
    }
    if should_continue() { Ok(surplus) } else { Err(Unfinished::Stopped) }
}

/// Counts everything beneath a directory that is not in the server's tree.
fn beneath(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    above: &Path,
    add: &mut impl FnMut(PathBuf),
    should_continue: impl Fn() -> bool,
) -> io::Result<()> {
    let mut open: Vec<(OwnedFd, PathBuf, Vec<OsString>)> = Vec::new();
    let mut next = Some((name.to_owned(), above.join(name)));
    while should_continue() {
        match next.take() {
            Some((name, path)) => {
                let handle = match open.last() {
                    Some((handle, ..)) => open_directory(handle, &name)?,
                    None => open_directory(parent, &name)?,
                };
                let mut inner = Vec::new();
                for (name, kind) in remove::list(handle.as_fd())? {
                    match kind {
                        FileType::Directory => inner.push(name),
                        _ => add(path.join(&name)),
                    }
                }
                open.push((handle, path, inner));
            }
            None => match open.last_mut() {
                None => return Ok(()),
                Some((_, path, inner)) => match inner.pop() {
                    Some(name) => next = Some((name.clone(), path.join(name))),
                    None => drop(open.pop()),
                },
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::*;
    use crate::client::{disk::folder::Folders, job::tree::manifest::tests::tree};

    #[test]
    fn files_that_only_the_local_tree_has_are_counted_and_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["t/a", "t/mine", "t/d/b", "t/d/mine", "t/own/x/y", "t/own/z", "t/link-there/f", "t/e"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let folder = Folders::default().open(dir.path()).unwrap();
        let target = Target::new(Arc::clone(&folder), "t".into());
        let mut missing = Missing::default();
        ["a", "own/x", "mine", "e2"].iter().for_each(|path| missing.add(path, "why"));
        let manifest = tree(&["a", "d/b", "e/f", "link-there"]);
        let indices =
            manifest.files().map(|(index, ..)| index).filter(|&index| manifest.path(index) == "a").collect();
        let find = |missing: &Missing, indices: &HashSet<u32>| {
            surplus(&target, &manifest, Unsent { missing, indices }, || true).unwrap()
        };
        let mut lost = find(&missing, &indices).missing.named;
        lost.sort();
        assert_eq!(lost, ["a", "mine", "own/x/y"].map(PathBuf::from));
        missing.count += 1;
        let found = find(&missing, &HashSet::new());
        assert_eq!(found.missing, found.all, "each of them may be one that is not named");
        let found = found.all;
        let mut named = found.named;
        named.sort();
        let expected = ["d/mine", "e", "link-there/f", "mine", "own/x/y", "own/z"].map(PathBuf::from);
        assert_eq!((found.files, named.as_slice()), (6, expected.as_slice()));
    }

    #[test]
    fn many_are_named_by_the_first_and_counted() {
        let mut surplus = Files::default();
        (0..1012).for_each(|number| surplus.add(|| PathBuf::from(number.to_string())));
        assert_eq!(surplus.shown(), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1,002 more");
    }
}
