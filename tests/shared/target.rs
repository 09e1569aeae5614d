//! A download folder and its contents.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Maximum time that a test waits for a condition.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

/// Waits for a condition that no event reports.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < MAX_WAIT, "too long without {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
    names.sort();
    names
}

/// See the module.
pub struct Folder {
    pub folder: TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { folder: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }

    /// Blocks that the control file of a target lists.
    pub fn listed(&self, name: &str) -> usize {
        let text = fs::read(self.path(&format!("{name}.part.fdsp"))).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(" block ")).count()
    }

    /// Waits until at least `blocks` are listed.
    pub fn wait_for(&self, name: &str, blocks: usize) {
        until("blocks of it", || self.listed(name) >= blocks);
    }
}
