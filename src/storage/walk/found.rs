//! The kinds of the entries of a walked directory, and which of them are omitted.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::{fd::BorrowedFd, unix::fs::FileExt},
};

use rustix::{
    fs::{AtFlags, FileType, Stat},
    io::Errno,
};

use super::root::WalkRoot;
use crate::{
    platform::Access,
    protocol::{
        message::{NameForm, Timestamp},
        path::{is_target, odd_name},
    },
    storage::{
        error::is_absent,
        file::{SHORT, check_empty},
        identity::Identity,
        stat::{Served, data_bytes, modified, permissions, size},
    },
};

/// The purpose of a walk, which decides on names, order and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An archive: links to files are files. Sorted by the bytes of the paths, where a directory's ends with `/`.
    Archive,
    /// A tree whose names may be written so: links that stay in it are links, others to files are files. Sorted by the
    /// segments of the paths.
    Tree(NameForm),
}

/// The metadata of an entry at the time of the walk.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) modified: Timestamp,
    pub(crate) size: u64,
    /// Bytes of a file that are on the disk.
    pub(crate) data_bytes: u64,
    pub(crate) identity: Identity,
}

/// The kind of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    /// A file that is reached through a link.
    LinkedFile,
    /// A link with its target, as [`odd_name`] writes it.
    Link(Box<str>),
}

impl Found {
    pub(crate) fn directory(stat: &Stat) -> Found {
        Found { identity: Identity::of_directory(stat), size: 0, ..Found::file(Kind::Directory, stat) }
    }

    fn file(kind: Kind, stat: &Stat) -> Found {
        Found {
            kind,
            mode: permissions(stat),
            modified: modified(stat),
            size: size(stat),
            data_bytes: data_bytes(stat),
            identity: Identity::of_file(stat),
        }
    }
}

/// The kind and metadata of an entry; `None` if it is omitted.
pub(crate) fn examine(
    root: &WalkRoot,
    purpose: Purpose,
    directory: BorrowedFd<'_>,
    raw: &CStr,
    path: &[u8],
) -> io::Result<Option<Found>> {
    let stat = match root.folder.look_in(directory, raw) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => return Ok(None),
        stat => stat?,
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Found::directory(&stat)),
        FileType::RegularFile => {
            readable(root, directory, raw, &stat)?;
            Some(Found::file(Kind::File, &stat))
        }
        FileType::Symlink => {
            let target = match purpose {
                Purpose::Archive => None,
                Purpose::Tree(names) => kept_link(root, names, directory, raw, path)?,
            };
            match target {
                Some(target) => Some(Found { size: 0, ..Found::file(Kind::Link(target), &stat) }),
                None => linked_file(root, path)?,
            }
        }
        _ => None,
    })
}

/// The target of a link that stays a link.
fn kept_link(
    root: &WalkRoot,
    names: NameForm,
    directory: BorrowedFd<'_>,
    raw: &CStr,
    path: &[u8],
) -> io::Result<Option<Box<str>>> {
    let target = rustix::fs::readlinkat(directory, raw, Vec::new())?;
    let (text, target) = (odd_name::to_text(path), odd_name::to_text(target.to_bytes()));
    let is_odd = odd_name::is_escaped(&text) || odd_name::is_escaped(&target);
    let is_served = |segment: &str| matches!(segment, "." | "..") || root.folder.serves(segment.as_bytes());
    let is_carried = names == NameForm::Bytes || !is_odd;
    if !is_carried || !is_target(&text, &target) || !target.split('/').all(is_served) {
        return Ok(None);
    }
    match root.folder.look_beneath(&root.handle, path) {
        Ok(seen) => Ok(Served::of(&seen).map(|_| target.into())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The target of a link; `None` if it is not a file inside the root.
fn linked_file(root: &WalkRoot, path: &[u8]) -> io::Result<Option<Found>> {
    let path = root.path_from_root(path);
    let look = match root.folder.open(&*path, Access::Look) {
        Ok(look) => look,
        // Its target may be a served file: only its own path is too long.
        Err(error) if is_absent(&error) && Errno::from_io_error(&error) != Some(Errno::NAMETOOLONG) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if Served::of(&rustix::fs::fstat(look)?) != Some(Served::File) {
        return Ok(None);
    }
    let opened = root.folder.open_served(&*path)?;
    let Some(opened) = opened.filter(|opened| opened.kind == Served::File) else { return Ok(None) };
    if may_be_generated(&opened.stat) {
        check_size(&File::from(opened.handle), &opened.stat)?;
    }
    Ok(Some(Found::file(Kind::LinkedFile, &opened.stat)))
}

/// Checks read permission beforehand, so that an unreadable file is omitted instead of interrupting the answer.
fn readable(root: &WalkRoot, directory: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    match rustix::fs::accessat(directory, name, rustix::fs::Access::READ_OK, AtFlags::EACCESS) {
        // If the system cannot check it, reading reports the error.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    if may_be_generated(stat) {
        check_size(&File::from(root.folder.open_in(directory, name, Access::Read)?), stat)?;
    }
    Ok(())
}

/// Whether a file may be generated by the kernel, so that its size may be wrong: no block of a disk holds its content.
fn may_be_generated(stat: &Stat) -> bool {
    size(stat) == 0 || stat.st_blocks == 0
}

/// Checks the size of a file by reading its last byte.
///
/// # Errors
/// The file is shorter than its size, or has content and a size of 0.
fn check_size(file: &File, stat: &Stat) -> io::Result<()> {
    let Some(last) = size(stat).checked_sub(1) else { return check_empty(file) };
    file.read_exact_at(&mut [0], last).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::other(SHORT),
        _ => error,
    })
}
