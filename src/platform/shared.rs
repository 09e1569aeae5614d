//! Folders shared by several users, and the files of other users in them.

use std::{
    ffi::OsString,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf, absolute},
};

use rustix::{
    fs::{FileType, Stat, lstat, readlink, stat},
    io::Errno,
};

/// Maximum number of symbolic links in the path of a folder, as in `path_resolution(7)`.
const MAX_LINKS: usize = 40;

/// Whether several users may create files in a folder, and each may change only their own: a folder with the sticky bit, such as
/// `/tmp`. Without that bit each of these users can replace every file, so a check of the owner would not help; and the members of
/// a group that share a folder trust each other.
pub(crate) fn is_shared(folder: &Stat) -> bool {
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o022;
    folder.st_mode & STICKY != 0 && folder.st_mode & OTHERS_WRITE != 0
}

/// Whether a file with this owner in a shared folder belongs to another user, who could change it at any time, even after it was
/// verified. The owner of the folder and root are trusted: they can replace every file in it.
pub(crate) fn is_of_another(folder: &Stat, owner: u32) -> bool {
    let trusted = [0, folder.st_uid, rustix::process::geteuid().as_raw()];
    is_shared(folder) && !trusted.contains(&owner)
}

/// The first folder or symbolic link on the way to a folder, or that folder itself, that belongs to another user and lies in a shared
/// folder, with its owner: this user could put another folder in its place. What does not exist yet has no owner.
///
/// # Errors
/// The path cannot be read.
pub(crate) fn of_another_on_way(path: &Path) -> io::Result<Option<(PathBuf, u32)>> {
    let mut here = PathBuf::from("/");
    let mut left = segments(&absolute(path)?);
    let mut links = 0;
    while let Some(segment) = left.pop() {
        match segment.as_bytes() {
            b"/" => here = PathBuf::from("/"),
            b"." => {}
            b".." => drop(here.pop()),
            _ => {
                let folder = stat(&here)?;
                here.push(&segment);
                let found = match lstat(&here) {
                    Err(Errno::NOENT) => return Ok(None),
                    found => found?,
                };
                if is_of_another(&folder, found.st_uid) {
                    return Ok(Some((here, found.st_uid)));
                }
                if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    let target = readlink(&here, Vec::new())?;
                    here.pop();
                    left.extend(segments(Path::new(std::ffi::OsStr::from_bytes(target.as_bytes()))));
                }
            }
        }
    }
    Ok(None)
}

/// The segments of a path, the last one first.
fn segments(path: &Path) -> Vec<OsString> {
    path.iter().rev().map(ToOwned::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, chown, lchown, symlink},
    };

    use super::*;

    #[test]
    fn a_file_belongs_to_another_user_only_in_a_shared_folder() {
        let dir = tempfile::tempdir().unwrap();
        let mut folder = stat(dir.path()).unwrap();
        let me = rustix::process::geteuid().as_raw();
        let (another, owner) = (me + 1, me + 2);
        folder.st_uid = owner;
        for (mode, expected) in
            [(0o41777, true), (0o41775, true), (0o41755, false), (0o40777, false), (0o42775, false)]
        {
            folder.st_mode = mode;
            assert_eq!(is_of_another(&folder, another), expected, "{mode:o}");
            for trusted in [0, me, owner] {
                assert!(!is_of_another(&folder, trusted), "{mode:o} {trusted}");
            }
        }
    }

    #[test]
    fn links_in_a_path_are_followed_and_loops_end() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir_all(at("real/sub")).unwrap();
        symlink(at("real"), at("absolute")).unwrap();
        symlink("./absolute/../real", at("relative")).unwrap();
        symlink("loop", at("loop")).unwrap();
        for name in ["real/sub", "absolute/sub", "relative/sub", "relative/../real", "real/new/below"] {
            assert_eq!(of_another_on_way(&at(name)).unwrap(), None, "{name}");
        }
        assert!(of_another_on_way(&at("loop/sub")).is_err());
    }

    /// The whole path counts: a user who can replace a folder on it decides where the path leads.
    #[test]
    fn a_folder_or_link_of_another_user_is_found_anywhere_on_the_way() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: only root gives folders away");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let at = |name: &str| dir.join(name);
        fs::create_dir_all(at("shared/theirs/sub")).unwrap();
        fs::create_dir_all(at("shared/mine/sub")).unwrap();
        symlink("mine", at("shared/link")).unwrap();
        symlink("shared/link", at("home")).unwrap();
        chown(at("shared/theirs"), Some(1234), None).unwrap();
        chown(at("shared/mine/sub"), Some(1234), None).unwrap();
        lchown(at("shared/link"), Some(1234), None).unwrap();
        let cases = [
            ("shared/theirs", Some("shared/theirs")),
            ("shared/theirs/sub", Some("shared/theirs")),
            ("shared/theirs/new", Some("shared/theirs")),
            ("shared/mine/../theirs/sub", Some("shared/theirs")),
            ("shared/link/sub", Some("shared/link")),
            ("home/sub", Some("shared/link")),
            // In a folder that is not shared, its owner allows the folders of others.
            ("shared/mine/sub", None),
            ("shared/new", None),
        ];
        for (mode, shared) in [(0o1777, true), (0o777, false), (0o2775, false), (0o755, false)] {
            fs::set_permissions(at("shared"), fs::Permissions::from_mode(mode)).unwrap();
            for (name, expected) in cases {
                let expected = expected.filter(|_| shared).map(|name| (at(name), 1234));
                assert_eq!(of_another_on_way(&at(name)).unwrap(), expected, "{mode:o} {name}");
            }
        }
    }
}
