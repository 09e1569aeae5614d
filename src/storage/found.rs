//! What the entries of a walked directory are, and which of them are left out.

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

use super::{
    file::{SHORT, check_empty},
    identity::Identity,
    is_absent,
    root::{Served, data_bytes, modified, permissions, size},
    top::Top,
};
use crate::{
    platform::Access,
    protocol::{
        message::{NameForm, Timestamp},
        odd_name,
        path::is_target,
    },
};

/// What the walk is for, which decides on names, order and links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An archive: links to files are files. Sorted by the bytes of the paths, where a directory's ends with `/`.
    Archive,
    /// A tree whose names may be written so: links that stay in it are links, others to files are files. Sorted by the
    /// segments of the paths.
    Tree(NameForm),
}

/// What an entry was when it was looked at.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) modified: Timestamp,
    pub(super) size: u64,
    /// Bytes of a file that are on the disk.
    pub(super) data_bytes: u64,
    pub(super) identity: Identity,
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
    /// A file that is reached through a link.
    LinkedFile,
    /// A link with its target, as [`odd_name`] writes it.
    Link(Box<str>),
}

impl Found {
    pub(super) fn directory(stat: &Stat) -> Found {
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

/// What an entry is; `None` for what is left out.
pub(super) fn examine(
    top: &Top,
    purpose: Purpose,
    directory: BorrowedFd<'_>,
    raw: &CStr,
    path: &[u8],
) -> io::Result<Option<Found>> {
    let stat = match top.folder.look_in(directory, raw) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::XDEV) => return Ok(None),
        stat => stat?,
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Some(Found::directory(&stat)),
        FileType::RegularFile => {
            readable(top, directory, raw, &stat)?;
            Some(Found::file(Kind::File, &stat))
        }
        FileType::Symlink => {
            let target = match purpose {
                Purpose::Archive => None,
                Purpose::Tree(names) => kept_link(top, names, directory, raw, path)?,
            };
            match target {
                Some(target) => Some(Found { size: 0, ..Found::file(Kind::Link(target), &stat) }),
                None => linked_file(top, path)?,
            }
        }
        _ => None,
    })
}

/// The target of a link that stays a link.
fn kept_link(
    top: &Top,
    names: NameForm,
    directory: BorrowedFd<'_>,
    raw: &CStr,
    path: &[u8],
) -> io::Result<Option<Box<str>>> {
    let target = rustix::fs::readlinkat(directory, raw, Vec::new())?;
    let (text, target) = (odd_name::to_text(path), odd_name::to_text(target.to_bytes()));
    let is_odd = odd_name::is_escaped(&text) || odd_name::is_escaped(&target);
    let is_served = |segment: &str| matches!(segment, "." | "..") || top.folder.serves(segment.as_bytes());
    let is_carried = names == NameForm::Bytes || !is_odd;
    if !is_carried || !is_target(&text, &target) || !target.split('/').all(is_served) {
        return Ok(None);
    }
    match top.folder.look_beneath(&top.handle, path) {
        Ok(seen) => Ok(Served::of(&seen).map(|_| target.into())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file that a link leads to; `None` where it leads to none inside the root.
fn linked_file(top: &Top, path: &[u8]) -> io::Result<Option<Found>> {
    let path = top.path_from_root(path);
    let look = match top.folder.open(&*path, Access::Look) {
        Ok(look) => look,
        // It may lead to a file that is served: only its own path is too long.
        Err(error) if is_absent(&error) && Errno::from_io_error(&error) != Some(Errno::NAMETOOLONG) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if Served::of(&rustix::fs::fstat(look)?) != Some(Served::File) {
        return Ok(None);
    }
    let opened = top.folder.open_served(&*path)?;
    let Some(opened) = opened.filter(|opened| opened.kind == Served::File) else { return Ok(None) };
    if may_be_generated(&opened.stat) {
        check_size(&File::from(opened.handle), &opened.stat)?;
    }
    Ok(Some(Found::file(Kind::LinkedFile, &opened.stat)))
}

/// Asks beforehand, so that a file that cannot be read is left out, and does not end the answer in its middle.
fn readable(top: &Top, directory: BorrowedFd<'_>, name: &CStr, stat: &Stat) -> io::Result<()> {
    match rustix::fs::accessat(directory, name, rustix::fs::Access::READ_OK, AtFlags::EACCESS) {
        // A system that cannot tell lets the reading tell.
        Ok(()) | Err(Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    if may_be_generated(stat) {
        check_size(&File::from(top.folder.open_in(directory, name, Access::Read)?), stat)?;
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
