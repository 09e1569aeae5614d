//! The served folder: what requests can reach.

mod confinement;
mod listing;
mod policy;
mod tree;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use fdsp::storage::page::Page;
use fdsp::{
    protocol::{
        message::{Entries, Kind, NameForm},
        path::RemotePath,
    },
    storage::{
        StorageError,
        page::Paging,
        root::{Directory, FileSource, Node, Policy, Root},
    },
};

use crate::shared::traversal;

const SECRET: &str = "a secret from outside";

/// `served`, beside it `outside/secret`, and in it links and files of a hostile or careless user.
struct World {
    temporary: tempfile::TempDir,
    root: Root,
}

impl World {
    fn new() -> World {
        let temporary = crate::shared::folder::temporary();
        let at = |path: &str| temporary.path().join(path);
        fs::create_dir_all(at("served/sub/deep")).unwrap();
        fs::create_dir(at("outside")).unwrap();
        fs::write(at("outside/secret"), SECRET).unwrap();
        fs::write(at("served/file"), "a file").unwrap();
        fs::write(at("served/sub/deep/file"), "a deep file").unwrap();
        let root = Root::open(&at("served"), Policy::default()).unwrap();
        World { temporary, root }
    }

    /// The same folder under another policy.
    fn under(self, policy: Policy) -> World {
        let root = Root::open(&self.served(""), policy).unwrap();
        World { root, ..self }
    }

    fn served(&self, path: &str) -> PathBuf {
        self.temporary.path().join("served").join(path)
    }

    fn outside(&self) -> PathBuf {
        self.temporary.path().join("outside")
    }

    /// As a request opens it.
    fn open(&self, path: &str) -> Result<Node, StorageError> {
        let path = RemotePath::parse(path).map_err(|_| StorageError::NotFound(Default::default()))?;
        self.root.open_node(&path)
    }

    fn file(&self, path: &str) -> FileSource {
        match self.open(path) {
            Ok(Node::File(file)) => file,
            other => panic!("{path} is a file, and not {other:?}"),
        }
    }

    fn directory(&self, path: &str) -> Directory {
        match self.open(path) {
            Ok(Node::Directory(directory)) => directory,
            other => panic!("{path} is a directory, and not {other:?}"),
        }
    }

    #[track_caller]
    fn assert_absent(&self, path: &str) {
        match self.open(path) {
            Err(StorageError::NotFound(_)) => {}
            other => panic!("{path:?} must not be found, and is {other:?}"),
        }
    }
}

/// Reads a page in all its slices.
fn list(directory: Directory, after: Option<&str>, limit: usize) -> Entries {
    list_as(directory, after, limit, NameForm::default())
}

fn list_as(directory: Directory, after: Option<&str>, limit: usize, names: NameForm) -> Entries {
    let mut page = Page::new(directory, after, limit, names).unwrap();
    loop {
        match page.step().unwrap() {
            Paging::More(further) => page = further,
            Paging::Done(entries) => return entries,
        }
    }
}

fn content(file: &FileSource) -> Vec<u8> {
    let mut content = vec![0; file.size() as usize];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

#[test]
fn existing_files_and_directories_are_opened() {
    let world = World::new();
    for path in ["file", "/file", "//file", "./file", "file/", "sub/deep/file", "/sub//./deep/file"] {
        world.file(path);
    }
    assert_eq!(content(&world.file("sub/deep/file")), b"a deep file");
    let file = world.file("file");
    assert_eq!((file.meta().name.as_str(), file.meta().size, file.size()), ("file", Some(6), 6));
    assert_eq!(file.meta().kind, Kind::File);
    assert_eq!(file.meta().identity.as_deref(), Some(file.identity()));
    for path in ["", "/", ".", "sub", "sub/"] {
        world.directory(path);
    }
    let root = world.directory("");
    assert_eq!((root.meta().name.as_str(), world.root.name()), ("served", "served"));
    assert_eq!((root.meta().kind, root.meta().size), (Kind::Directory, None));
}

#[test]
fn an_open_directory_is_not_affected_by_a_rename() {
    let world = World::new();
    let directory = world.directory("sub");
    fs::rename(world.served("sub"), world.served("moved")).unwrap();
    symlink("../outside", world.served("sub")).unwrap();
    let names: Vec<_> = list(directory, None, 10).entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["deep"]);
    world.assert_absent("sub");
    world.assert_absent("sub/secret");
}

#[test]
fn the_served_folder_can_be_moved() {
    let world = World::new();
    fs::rename(world.served(""), world.temporary.path().join("elsewhere")).unwrap();
    fs::create_dir(world.served("")).unwrap();
    fs::write(world.served("file"), "another one").unwrap();
    assert_eq!(content(&world.file("file")), b"a file");
}

#[test]
fn a_folder_that_cannot_be_served_is_rejected() {
    let world = World::new();
    let kind = |path: &str| Root::open(&world.served(path), Policy::default()).unwrap_err().kind();
    assert_eq!(kind("absent"), std::io::ErrorKind::NotFound);
    assert_eq!(kind("file"), std::io::ErrorKind::NotADirectory);
    assert_eq!(Root::open(Path::new("/"), Policy::default()).unwrap().name(), "root");
}

#[test]
fn a_change_of_an_open_file_is_detected() {
    let world = World::new();
    let file = world.file("file");
    file.check().unwrap();
    file.read_ahead(0, 6);
    let mut buffer = [0; 3];
    file.read_exact_at(&mut buffer, 3).unwrap();
    assert_eq!(&buffer, b"ile");
    fs::write(world.served("file"), "short").unwrap();
    assert!(matches!(file.check(), Err(StorageError::Changed { .. })));
    assert!(matches!(file.read_exact_at(&mut buffer, 3), Err(StorageError::Changed { .. })));
    let now = world.file("file");
    assert_ne!(file.identity(), now.identity());
    now.check().unwrap();
    fs::remove_file(world.served("file")).unwrap();
    let error = now.check().unwrap_err();
    assert_eq!(error.failure().path.as_deref(), Some("file"));
}
