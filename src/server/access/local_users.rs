//! Finds the folder whose permissions keep other users of this machine out: a server on a loopback address must not serve it to them.

use std::{
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Permission bits of a folder with which group and others can list and enter it.
const READ_AND_SEARCH: u32 = 0o055;
/// Permission bits of a folder with which group and others can enter it.
const SEARCH: u32 = 0o011;

/// The innermost folder that keeps other users out of `root`: itself, or one that it is in. `None` if they can read it.
///
/// Only the permission bits of group and others count; access control lists, namespaces and what is in the folder do not. Root
/// is not counted among the other users. A folder that cannot be examined counts as closed.
pub(crate) fn barrier(root: &Path) -> Option<PathBuf> {
    let Ok(root) = root.canonicalize() else { return Some(root.to_owned()) };
    let allows = |found: Metadata, bits| found.mode() & bits == bits;
    let bits = |folder: &Path| if folder == root { READ_AND_SEARCH } else { SEARCH };
    let is_open = |folder: &Path| folder.metadata().is_ok_and(|found| allows(found, bits(folder)));
    root.ancestors().find(|folder| !is_open(folder)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt,
    };

    use super::*;

    /// A folder in a folder in a temporary one, each with a mode.
    fn folders(modes: [u32; 3]) -> (tempfile::TempDir, [PathBuf; 3]) {
        let place = tempfile::tempdir().unwrap();
        let outer = place.path().canonicalize().unwrap();
        let paths = [outer.clone(), outer.join("a"), outer.join("a/b")];
        fs::create_dir_all(&paths[2]).unwrap();
        for (path, mode) in paths.iter().zip(modes) {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        (place, paths)
    }

    #[test]
    fn every_parent_folder_counts() {
        for (modes, closed) in [
            ([0o700, 0o755, 0o755], Some(0)),
            ([0o755, 0o750, 0o755], Some(1)),
            ([0o755, 0o755, 0o711], Some(2)),
            ([0o755, 0o755, 0o750], Some(2)),
            // Members of the group are denied.
            ([0o755, 0o705, 0o755], Some(1)),
            ([0o755, 0o755, 0o705], Some(2)),
            ([0o700, 0o700, 0o755], Some(1)),
        ] {
            let (_place, paths) = folders(modes);
            assert_eq!(barrier(&paths[2]), closed.map(|index| paths[index].clone()), "{modes:?}");
        }
    }

    #[test]
    fn a_folder_that_all_users_can_read_has_no_barrier() {
        for modes in [[0o755; 3], [0o711, 0o711, 0o755], [0o777, 0o1777, 0o2775]] {
            let (place, paths) = folders(modes);
            // Where temporary folders are themselves out of reach, it stays out of reach.
            let above = barrier(place.path().parent().unwrap());
            let expected = above.filter(|path| path != place.path().parent().unwrap());
            assert_eq!(barrier(&paths[2]), expected, "{modes:?}");
        }
    }

    #[test]
    fn links_and_relative_paths_are_followed_to_what_they_name() {
        let (place, paths) = folders([0o755, 0o700, 0o755]);
        let link = place.path().join("link");
        std::os::unix::fs::symlink("a/b/../b", &link).unwrap();
        assert_eq!(barrier(&link), Some(paths[1].clone()));
        assert_eq!(barrier(&place.path().join("absent")), Some(place.path().join("absent")));
        assert_eq!(barrier(Path::new("/")), None);
    }
}
