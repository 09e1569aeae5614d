//! The directory that a tree is written to, held open: everything in it is reached through its handle, and through no link.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, FileType, Stat};

use crate::{
    client::{
        disk::{folder::open_directory, name::is_no_name},
        error::Fault,
        job::tree::manifest::{Entry, Manifest, Node},
    },
    platform::{self, Access, Links, Reach, reason},
    protocol::message::Timestamp,
    text::ShowPath,
};
/// Paths may cross mount points, and no links.
const NO_LINKS: Reach = Reach { links: Links::Never, mounts: true };

/// See the module.
#[derive(Debug)]
pub(crate) struct TreeDir {
    pub(crate) root: OwnedFd,
    /// Its path, to be displayed.
    pub(crate) path: PathBuf,
}

impl TreeDir {
    /// Opens a directory in another one.
    pub(crate) fn open(parent: impl AsFd, name: &std::ffi::OsStr, path: PathBuf) -> io::Result<TreeDir> {
        Ok(TreeDir { root: open_directory(parent, name)?, path })
    }

    /// A fault of the disk at a path of the tree.
    pub(crate) fn fault(&self, doing: &str, path: &Path, error: &io::Error) -> Fault {
        Fault::disk(format!("cannot {doing} {}: {}", self.path.join(path).shown(), explained(error)))
    }
}

/// Why an entry of a tree cannot be reached: a link on the way is refused, which the system reports as a loop.
pub(crate) fn explained(error: &io::Error) -> String {
    match rustix::io::Errno::from_io_error(error) {
        Some(rustix::io::Errno::LOOP) => "a symbolic link is in the way, which is not followed".to_owned(),
        Some(rustix::io::Errno::NOTDIR) => "something that is not a directory is in the way".to_owned(),
        Some(rustix::io::Errno::XDEV) => "it is on another file system than the folder beside it".to_owned(),
        _ => reason(error),
    }
}

/// Reaches the entries of a manifest in a tree directory. The directory that was used last stays open.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    tree_dir: &'a TreeDir,
    manifest: &'a Manifest,
    at: Option<(u32, OwnedFd)>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(tree_dir: &'a TreeDir, manifest: &'a Manifest) -> Cursor<'a> {
        Cursor { tree_dir, manifest, at: None }
    }

    /// A directory of the tree.
    pub(crate) fn directory(&mut self, index: u32) -> io::Result<BorrowedFd<'_>> {
        if index == 0 {
            return Ok(self.tree_dir.root.as_fd());
        }
        if self.at.as_ref().is_none_or(|(at, _)| *at != index) {
            self.at = None;
            let path = self.manifest.disk_path(index);
            let handle = platform::open_beneath(&self.tree_dir.root, &*path, Access::Directory, NO_LINKS)?;
            self.at = Some((index, handle));
        }
        let (_, handle) = self.at.as_ref().ok_or(io::ErrorKind::NotFound)?;
        Ok(handle.as_fd())
    }

    /// The directory that an entry is in.
    pub(crate) fn parent(&mut self, index: u32) -> io::Result<BorrowedFd<'_>> {
        self.directory(self.manifest.entry(index).parent)
    }

    /// The status of an entry; links are not followed.
    pub(crate) fn look(&mut self, index: u32) -> io::Result<Option<Stat>> {
        let name = self.manifest.disk_name(index);
        let found = self
            .parent(index)
            .and_then(|parent| Ok(rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?));
        match found {
            Ok(stat) => Ok(Some(stat)),
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_no_name(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A fault of the disk at an entry.
    pub(crate) fn fault(&self, doing: &str, index: u32, error: &io::Error) -> Fault {
        self.tree_dir.fault(doing, &self.manifest.disk_path(index), error)
    }
}

/// Whether a local file is of the same kind as an entry.
pub(crate) fn is_alike(entry: &Entry, stat: &Stat) -> bool {
    let kind = FileType::from_raw_mode(stat.st_mode);
    match entry.node {
        Node::Directory => kind == FileType::Directory,
        Node::File { .. } => kind == FileType::RegularFile,
        Node::Link { .. } => kind == FileType::Symlink,
    }
}

/// The status of a file as text: it changes with every write, and differs for another file of the same name.
pub(crate) fn stamp(stat: &Stat) -> String {
    let (seconds, nanoseconds) = (stat.st_ctime, stat.st_ctime_nsec);
    format!("{:x}.{:x}.{seconds:x}.{nanoseconds:x}", stat.st_ino, stat.st_size)
}

/// Whether a file has this modification time.
pub(crate) fn has_time(stat: &Stat, modified: Timestamp) -> bool {
    stat.st_mtime == modified.seconds
        && stat.st_mtime_nsec == i64::from(modified.nanoseconds).try_into().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::job::tree::manifest::tests::tree;
    use std::{fs, os::unix::fs::symlink};

    fn tree_dir(dir: &tempfile::TempDir) -> TreeDir {
        let path = dir.path().to_owned();
        TreeDir { root: platform::open_directory(&path).unwrap(), path }
    }

    #[test]
    fn links_are_not_followed() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/x"), "x").unwrap();
        symlink(outside.path(), dir.path().join("b")).unwrap();
        fs::write(outside.path().join("x"), "x").unwrap();
        let (tree_dir, manifest) = (tree_dir(&dir), tree(&["a/x", "b/x", "c"]));
        let mut cursor = Cursor::new(&tree_dir, &manifest);
        assert!(cursor.look(2).unwrap().is_some());
        let error = cursor.look(4).unwrap_err();
        let said = cursor.fault("look at", 4, &error).trouble.message;
        assert!(
            said.as_str().ends_with("b/x: a symbolic link is in the way, which is not followed"),
            "{said}"
        );
        assert!(cursor.look(5).unwrap().is_none());
    }
}
