//! What only the local tree has: it is deleted when the tree is replaced, and that is said before.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

use super::{
    ground::{Cursor, Ground, explained},
    manifest::{Manifest, Node},
};
use crate::{
    client::{finish::Unfinished, folder::open_directory, place::Target, removal, retry::Fault},
    text::{SafeText, ShowPath},
    units,
};

/// How many files are named.
const MAX_NAMED: usize = 10;

/// Files of a local tree that are not in the server's.
#[derive(Debug, Default, PartialEq, Eq)]
struct Surplus {
    files: u64,
    /// The paths of the first ones.
    named: Vec<PathBuf>,
}

impl Surplus {
    fn add(&mut self, path: impl FnOnce() -> PathBuf) {
        self.files += 1;
        if self.named.len() < MAX_NAMED {
            self.named.push(path());
        }
    }

    /// The names, for people.
    fn shown(&self) -> String {
        let names: Vec<_> = self.named.iter().map(|path| SafeText::from_path(path).to_string()).collect();
        match self.files - names.len() as u64 {
            0 => names.join(", "),
            more => format!("{} and {} more", names.join(", "), units::count(more)),
        }
    }
}

/// Refuses to replace a folder that has files by one that has none: that is what a server serves by mistake.
pub(super) fn refuse_to_empty(
    target: &Target,
    manifest: &Manifest,
    go_on: impl Fn() -> bool,
) -> Result<(), Unfinished> {
    let surplus = surplus(target, manifest, go_on)?;
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

/// Logs what will be deleted with the tree at the target; how many files that are.
pub(super) fn tell(
    target: &Target,
    manifest: &Manifest,
    go_on: impl Fn() -> bool,
) -> Result<u64, Unfinished> {
    let surplus = surplus(target, manifest, go_on)?;
    if surplus.files > 0 {
        let (path, files) = (target.path(), units::count(surplus.files));
        tracing::warn!(
            "{}: files that the server does not have are deleted: {files} ({})",
            path.shown(),
            surplus.shown()
        );
    }
    Ok(surplus.files)
}

fn surplus(target: &Target, manifest: &Manifest, go_on: impl Fn() -> bool) -> Result<Surplus, Unfinished> {
    let path = target.path();
    let unreadable = |path: &Path, error: &io::Error| {
        Fault::disk(format!("cannot read {}: {}", path.shown(), explained(error)))
    };
    let ground = Ground::open(&target.folder.handle, &target.name, path.clone())
        .map_err(|error| unreadable(&path, &error))?;
    let ends = manifest.ends();
    let mut cursor = Cursor::new(&ground, manifest);
    let mut surplus = Surplus::default();
    let mut directories = vec![0];
    while let Some(directory) = directories.pop() {
        if !go_on() {
            return Err(Unfinished::Stopped);
        }
        let above = manifest.disk_path(directory);
        let children: HashMap<_, _> = manifest
            .children(directory, &ends)
            .map(|index| (manifest.disk_name(index).as_encoded_bytes(), index))
            .collect();
        let counted = cursor.directory(directory).and_then(|handle| {
            for (name, kind) in removal::list(handle)? {
                let entry = children.get(name.as_encoded_bytes()).copied();
                let is_directory = entry.is_some_and(|index| manifest.entry(index).node == Node::Directory);
                match (kind, entry) {
                    (FileType::Directory, Some(index)) if is_directory => directories.push(index),
                    (FileType::Directory, _) => beneath(handle, &name, &above, &mut surplus, &go_on)?,
                    (_, Some(_)) if !is_directory => {}
                    _ => surplus.add(|| above.join(&name)),
                }
            }
            Ok(())
        });
        counted.map_err(|error| unreadable(&path.join(&above), &error))?;
    }
    if go_on() { Ok(surplus) } else { Err(Unfinished::Stopped) }
}

/// Counts everything beneath a directory that is not in the server's tree.
fn beneath(
    parent: BorrowedFd<'_>,
    name: &OsStr,
    above: &Path,
    surplus: &mut Surplus,
    go_on: impl Fn() -> bool,
) -> io::Result<()> {
    let mut open: Vec<(OwnedFd, PathBuf, Vec<OsString>)> = Vec::new();
    let mut next = Some((name.to_owned(), above.join(name)));
    while go_on() {
        match next.take() {
            Some((name, path)) => {
                let handle = match open.last() {
                    Some((handle, ..)) => open_directory(handle, &name)?,
                    None => open_directory(parent, &name)?,
                };
                let mut inner = Vec::new();
                for (name, kind) in removal::list(handle.as_fd())? {
                    match kind {
                        FileType::Directory => inner.push(name),
                        _ => surplus.add(|| path.join(&name)),
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
    use crate::client::{folder::Folders, tree::manifest::tests::tree};

    #[test]
    fn what_only_the_local_tree_has_is_counted_and_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["t/a", "t/mine", "t/d/b", "t/d/mine", "t/own/x/y", "t/own/z", "t/link-there/f", "t/e"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        let folder = Folders::default().open(dir.path()).unwrap();
        let target = Target::new(Arc::clone(&folder), "t".into());
        let found = surplus(&target, &tree(&["a", "d/b", "e/f", "link-there"]), || true).unwrap();
        let mut named = found.named;
        named.sort();
        let expected = ["d/mine", "e", "link-there/f", "mine", "own/x/y", "own/z"].map(PathBuf::from);
        assert_eq!((found.files, named.as_slice()), (6, expected.as_slice()));
    }

    #[test]
    fn many_are_named_by_the_first_and_counted() {
        let mut surplus = Surplus::default();
        (0..1012).for_each(|number| surplus.add(|| PathBuf::from(number.to_string())));
        assert_eq!(surplus.shown(), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 1,002 more");
    }
}
