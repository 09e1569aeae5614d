//! Archives of the served folder, as `unzip`, Python's `zipfile` and the `zip` crate see them.

mod content;
mod faults;
mod large;
mod oracles;
mod resume;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use fdsp::storage::archive::Planner;
use fdsp::{
    protocol::{message::Sources, path::RemotePath},
    storage::{
        StorageError,
        archive::{Plan, Planning, Stream},
        root::{Node, Policy, Root},
    },
};

use crate::shared::alone::alone;

/// A folder to serve, and room for the archives made of it.
struct Folder {
    temporary: tempfile::TempDir,
}

impl Folder {
    /// With an empty directory `d` in it.
    fn new() -> Folder {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir_all(temporary.path().join("served/d")).unwrap();
        Folder { temporary }
    }

    /// The same in memory if available: large files with holes cost nothing there.
    fn in_memory() -> Folder {
        let temporary = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        fs::create_dir_all(temporary.path().join("served/d")).unwrap();
        Folder { temporary }
    }

    fn served(&self) -> PathBuf {
        self.temporary.path().join("served")
    }

    fn dir(&self) -> PathBuf {
        self.served().join("d")
    }

    /// Writes a file into `d`.
    fn file(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    fn plan(&self) -> Result<Plan, StorageError> {
        plan(&self.served(), "d")
    }

    /// Creates the archive of `d`. Returns its path and the expected entries.
    fn archive(&self) -> (PathBuf, Sources) {
        let plan = self.plan().unwrap();
        let (sources, size) = (plan.sources(), plan.size());
        let path = self.temporary.path().join("d.zip");
        let mut stream = fdsp::storage::archive::Stream::new(plan);
        let length = copy(&mut stream, &mut fs::File::create(&path).unwrap()).unwrap();
        assert_eq!(stream.position(), sources.bytes, "all progress was made");
        assert!(size.is_none_or(|size| size == length), "{size:?} was announced, {length} were received");
        (path, sources)
    }
}

/// Plans an archive of a path whose entries are named like it.
fn plan(served: &Path, path: &str) -> Result<Plan, StorageError> {
    let path = RemotePath::parse(path).unwrap();
    let Node::Directory(directory) = Root::open(served, Policy::default()).unwrap().open_node(&path)? else {
        panic!("{path} is a directory");
    };
    let mut planner = Planner::new(directory, path.as_str());
    loop {
        match planner.step()? {
            Planning::More(more) => planner = more,
            Planning::Done(plan) => return Ok(plan),
        }
    }
}

/// Reads a stream to its end.
fn copy(stream: &mut Stream, to: &mut impl Write) -> Result<u64, StorageError> {
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    while !stream.finished() {
        let count = stream.read(&mut buffer)?;
        to.write_all(&buffer[..count]).unwrap();
        length += count as u64;
    }
    assert_eq!(stream.read(&mut buffer).unwrap(), 0, "nothing follows the end");
    Ok(length)
}

fn bytes(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    copy(stream, &mut bytes).unwrap();
    bytes
}

/// Bytes that do not deflate, the same for the same seed.
fn noise(seed: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new_keyed(&[seed; 32]).finalize_xof().fill(&mut bytes);
    bytes
}

/// Bytes that deflate well and do not repeat.
fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 32);
    for line in 0.. {
        if text.len() >= length {
            break;
        }
        writeln!(text, "line {line} of {length}").unwrap();
    }
    text.truncate(length);
    text
}

/// Whether a program is installed; prints a note if it is not.
fn has(program: &str) -> bool {
    match std::process::Command::new(program).arg("--version").output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            eprintln!("skipped: {program} is not installed");
            false
        }
        _ => true,
    }
}
