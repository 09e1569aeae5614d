//! Folders, and what control files in them say.

use std::{
    collections::HashMap,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub use crate::shared::folder::{MIB, content};

/// No test waits longer for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so; for what nobody tells.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "too long without {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A home folder for a program, also one of another user.
pub fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a folder");
    fs::set_permissions(home.path(), Permissions::from_mode(0o777)).expect("it is ours");
    home
}

/// A folder to download to, and what was done in it; and the home of who downloads.
pub struct Folder {
    pub folder: TempDir,
    pub home: TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { folder: tempfile::tempdir().unwrap(), home: home() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn names(&self) -> Vec<String> {
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(self.folder.path()).unwrap().map(name).collect();
        names.sort();
        names
    }

    /// Blocks that the control file of a target lists.
    pub fn listed(&self, name: &str) -> usize {
        let text = fs::read(self.path(&format!("{name}.part.fdsp"))).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(" block ")).count()
    }

    /// Bytes that the control files of a target, or of a tree and its large files, list as verified.
    pub fn kept(&self, name: &str) -> usize {
        let work = self.path(&format!("{name}.part"));
        let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        // Of two lines for one file the later one counts.
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

    /// Waits until so many are listed.
    pub fn wait_for(&self, name: &str, blocks: usize) {
        until("blocks of it", || self.listed(name) >= blocks);
    }
}
