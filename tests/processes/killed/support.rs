//! Folders, and the journals in them.

use std::{
    collections::HashMap,
    fs::{self, Permissions},
    ops::Deref,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::shared::target;
pub use crate::shared::{
    folder::{MIB, content},
    target::until,
};

/// A home folder for a program, also one of another user.
pub fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    fs::set_permissions(home.path(), Permissions::from_mode(0o777)).expect("it is ours");
    home
}

/// A folder to download to, its history, and the home folder of the user.
pub struct Folder {
    target: target::Folder,
    pub home: TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { target: target::Folder::new(), home: home() }
    }

    /// Bytes that the control files of a target, or of a tree and its large files, list as verified.
    pub fn kept(&self, name: &str) -> usize {
        let work = self.path(&format!("{name}.part"));
        let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        // The later of two lines for one file counts.
        let files: HashMap<String, usize> = read(work.join("fdsp-control"))
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.split_once(" file ")?.1).ok())
            .map(|file| (file["path"].to_string(), file["size"].as_u64().unwrap_or(0) as usize))
            .collect();
        let parts = fs::read_dir(work.join("fdsp-parts")).into_iter().flatten().flatten();
        let blocks: usize = parts
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter_map(|name| {
                name.strip_suffix(".part.fdsp").map(|name| format!("{}/fdsp-parts/{name}", work.display()))
            })
            .map(|part| self.listed(&part))
            .sum();
        (self.listed(name) + blocks) * MIB + files.values().sum::<usize>()
    }
}

impl Deref for Folder {
    type Target = target::Folder;

    fn deref(&self) -> &target::Folder {
        &self.target
    }
}
