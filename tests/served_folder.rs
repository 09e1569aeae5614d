//! The served folder: what is reached in it, and that nothing else is.

use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use fdsp::{
    protocol::{message::Kind, path::RemotePath},
    storage::{
        StorageError,
        root::{Directory, FileSource, Node, Root},
    },
};

const SECRET: &str = "a secret from outside";

/// `served`, beside it `outside/secret`, and in it what a hostile or careless user may have put there.
struct World {
    temporary: tempfile::TempDir,
    root: Root,
}

impl World {
    fn new() -> World {
        let temporary = tempfile::tempdir().unwrap();
        let at = |path: &str| temporary.path().join(path);
        fs::create_dir_all(at("served/sub/deep")).unwrap();
        fs::create_dir(at("outside")).unwrap();
        fs::write(at("outside/secret"), SECRET).unwrap();
        fs::write(at("served/file"), "a file").unwrap();
        fs::write(at("served/sub/deep/file"), "a deep file").unwrap();
        let root = Root::open(&at("served")).unwrap();
        World { temporary, root }
    }

    fn served(&self, path: &str) -> PathBuf {
        self.temporary.path().join("served").join(path)
    }

    fn outside(&self) -> PathBuf {
        self.temporary.path().join("outside")
    }

    /// As a request does it.
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

fn content(file: &FileSource) -> Vec<u8> {
    let mut content = vec![0; file.size() as usize];
    file.read_exact_at(&mut content, 0).unwrap();
    content
}

#[test]
fn what_is_there_is_found() {
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
fn every_spelling_of_traversal_finds_nothing() {
    let world = World::new();
    let secret = world.outside().join("secret");
    let secret = secret.to_str().unwrap();
    for path in [
        "..",
        "../outside/secret",
        "/../outside/secret",
        "sub/../../outside/secret",
        "sub/deep/../../../outside/secret",
        "./.././outside/secret",
        "sub/..",
        "sub/../file",
        "../served/file",
        "....//outside/secret",
        "..;/outside/secret",
        "..\\outside\\secret",
        "sub\\..\\..\\outside\\secret",
        "%2e%2e/outside/secret",
        "..%2foutside%2fsecret",
        "%252e%252e%252foutside",
        "..%c0%afoutside",
        "\u{2024}\u{2024}/outside/secret",
        "\u{ff0e}\u{ff0e}/outside/secret",
        "..\u{2215}outside\u{2215}secret",
        ".. /outside/secret",
        " ../outside/secret",
        "..\0/outside/secret",
        "file\0",
        "file\0.txt",
        "~/secret",
        "~root/secret",
        "file:///etc/passwd",
        "C:\\outside\\secret",
        "//?/outside/secret",
        "file/..",
        "file/../file",
        "file/x",
        "/etc/passwd",
        "/proc/self/cwd/file",
        "proc/self/root/etc/passwd",
        "dev/null",
        secret,
        &format!("/{secret}"),
        &"../".repeat(50),
        &"x/".repeat(3000),
        &"x".repeat(256),
        &"x".repeat(255),
        &"sub/".repeat(1000),
    ] {
        world.assert_absent(path);
    }
}

#[test]
fn links_are_followed_inside_only() {
    let world = World::new();
    let link = |target: &Path, name: &str| symlink(target, world.served(name)).unwrap();
    let relative = |target: &str, name: &str| link(Path::new(target), name);
    relative("sub", "to directory");
    relative("file", "to file");
    relative("to file", "to link");
    relative("../../file", "sub/deep/up");
    relative("to directory/deep/../deep/file", "winding");
    assert_eq!(content(&world.file("to directory/deep/file")), b"a deep file");
    for path in ["to file", "to link", "sub/deep/up"] {
        assert_eq!(content(&world.file(path)), b"a file");
    }
    assert_eq!(content(&world.file("winding")), b"a deep file");

    relative("../outside/secret", "out");
    relative("../outside", "out directory");
    relative("..", "parent");
    relative("out", "to out");
    relative("../served/file", "out and in again");
    relative("sub/../../served/file", "winding out");
    link(&world.outside().join("secret"), "absolute");
    // Inside, but by a path of this machine, which depends on where the folder is.
    link(&world.served("file"), "absolute inside");
    link(Path::new("/"), "slash");
    link(Path::new("/proc/self/root"), "process root");
    link(Path::new("/proc/self/cwd"), "process folder");
    link(Path::new("/proc/self/fd/0"), "descriptor");
    link(Path::new("/dev/zero"), "device");
    relative("loop", "loop");
    relative("nowhere", "broken");
    for path in [
        "out",
        "out directory",
        "out directory/secret",
        "parent",
        "parent/outside/secret",
        "parent/served/file",
        "to out",
        "out and in again",
        "winding out",
        "absolute",
        "absolute inside",
        "slash",
        "slash/etc/passwd",
        "process root/etc/passwd",
        "process folder",
        "descriptor",
        "device",
        "loop",
        "loop/x",
        "broken",
        "sub/deep/up/x",
    ] {
        world.assert_absent(path);
    }
}

/// The magic links of `/proc`, served themselves.
#[test]
fn links_of_processes_lead_nowhere() {
    let root = Root::open(Path::new("/proc/self")).unwrap();
    for path in ["root", "cwd", "exe", "fd/0", "fd/1", "root/etc/passwd", "cwd/Cargo.toml"] {
        let error = root.open_node(&RemotePath::parse(path).unwrap()).unwrap_err();
        assert!(matches!(error, StorageError::NotFound(_)), "{path}: {error}");
    }
}

#[test]
fn only_files_and_directories_are_served() {
    let world = World::new();
    assert!(Command::new("mkfifo").arg(world.served("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(world.served("socket")).unwrap();
    symlink("fifo", world.served("to fifo")).unwrap();
    let begin = Instant::now();
    for path in ["fifo", "socket", "to fifo", "fifo/x"] {
        world.assert_absent(path);
    }
    assert!(begin.elapsed() < Duration::from_secs(30), "a FIFO does not block");

    let device = Command::new("mknod").arg(world.served("device")).args(["c", "1", "5"]).output();
    if device.is_ok_and(|output| output.status.success()) {
        world.assert_absent("device");
    } else {
        eprintln!("skipped: no right to make a device");
    }
    let devices = Root::open(Path::new("/dev")).unwrap();
    for path in ["null", "zero", "full", "tty", "stdin", "fd/0"] {
        let error = devices.open_node(&RemotePath::parse(path).unwrap()).unwrap_err();
        assert!(matches!(error, StorageError::NotFound(_)), "{path}: {error}");
    }
}

#[test]
fn errors_name_what_was_asked_for_and_nothing_else() {
    let world = World::new();
    symlink(world.outside().join("secret"), world.served("absolute")).unwrap();
    let said = |path: &str| world.open(path).unwrap_err().to_string();
    assert_eq!(said("absent"), "absent: not found");
    assert_eq!(said("absolute"), "absolute: not found");
    assert_eq!(said("sub/absent"), "sub/absent: not found");
    assert!(!said("bell\u{7}\u{1b}[2J").contains(char::is_control));
}

/// While directories and links to outside take each other's place, whatever is opened is from inside.
#[test]
fn a_race_of_links_leads_nowhere() {
    let world = World::new();
    let at = |name: &str| world.served(name);
    fs::create_dir(at("inside")).unwrap();
    fs::write(at("inside/secret"), "from inside").unwrap();
    symlink("../outside", at("link")).unwrap();
    fs::write(at("plain"), "from inside").unwrap();
    symlink(world.outside().join("secret"), at("link to secret")).unwrap();
    let stop = AtomicBool::new(false);
    let exchange = |one: &str, other: &str| {
        let flags = rustix::fs::RenameFlags::EXCHANGE;
        rustix::fs::renameat_with(rustix::fs::CWD, at(one), rustix::fs::CWD, at(other), flags).unwrap();
    };
    /// Ends the other thread also where this one panics.
    struct Stop<'a>(&'a AtomicBool);
    impl Drop for Stop<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                exchange("inside", "link");
                exchange("plain", "link to secret");
            }
        });
        let (mut found, mut absent, mut listed) = (0, 0, 0);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(60) && (found < 2000 || absent < 2000) {
            for path in ["inside/secret", "plain", "inside/../inside/secret", "link/secret"] {
                match world.open(path) {
                    Ok(Node::File(file)) => {
                        assert_eq!(content(&file), b"from inside", "{path}");
                        found += 1;
                    }
                    Ok(Node::Directory(_)) => panic!("{path} is no directory"),
                    Err(StorageError::NotFound(_)) => absent += 1,
                    // The kernel could not tell in as many attempts.
                    Err(StorageError::Unreadable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            if let Ok(Node::Directory(directory)) = world.open("inside") {
                let names = directory.list(None, 10).unwrap().entries;
                assert!(names.iter().all(|entry| entry.size == Some(11)), "{names:?}");
                listed += 1;
            }
        }
        eprintln!("{found} opened, {absent} not found, {listed} listed");
    });
}

#[test]
fn a_directory_stays_what_was_opened() {
    let world = World::new();
    let directory = world.directory("sub");
    fs::rename(world.served("sub"), world.served("moved")).unwrap();
    symlink("../outside", world.served("sub")).unwrap();
    let names: Vec<_> =
        directory.list(None, 10).unwrap().entries.into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["deep"]);
    world.assert_absent("sub");
    world.assert_absent("sub/secret");
}

#[test]
fn the_folder_itself_may_move() {
    let world = World::new();
    fs::rename(world.served(""), world.temporary.path().join("elsewhere")).unwrap();
    fs::create_dir(world.served("")).unwrap();
    fs::write(world.served("file"), "another one").unwrap();
    assert_eq!(content(&world.file("file")), b"a file");
}

#[test]
fn a_folder_that_cannot_be_served_is_refused() {
    let world = World::new();
    let kind = |path: &str| Root::open(&world.served(path)).unwrap_err().kind();
    assert_eq!(kind("absent"), std::io::ErrorKind::NotFound);
    assert_eq!(kind("file"), std::io::ErrorKind::NotADirectory);
    assert_eq!(Root::open(Path::new("/")).unwrap().name(), "root");
}

#[test]
fn a_change_of_an_opened_file_is_noticed() {
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

#[test]
fn a_listing_tells_what_is_there() {
    let world = World::new();
    let at = |name: &str| world.served(name);
    symlink("file", at("link")).unwrap();
    symlink("sub", at("link to directory")).unwrap();
    symlink("../outside/secret", at("outward")).unwrap();
    symlink("../outside", at("outward directory")).unwrap();
    symlink("../file", at("sub/up")).unwrap();
    assert!(Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
    fs::write(at("ünï"), "x").unwrap();
    fs::write(world.served("").join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
    let list = |path: &str| {
        let page = world.directory(path).list(None, 100).unwrap();
        assert!(!page.more);
        page.entries.into_iter().map(|entry| (entry.name, entry.kind, entry.size)).collect::<Vec<_>>()
    };
    let file = |name: &str, size| (name.to_owned(), Kind::File, Some(size));
    let other = |name: &str| (name.to_owned(), Kind::Other, None);
    let directory = |name: &str| (name.to_owned(), Kind::Directory, None);
    let expected = [
        other("caf%E9"),
        other("fifo"),
        file("file", 6),
        file("link", 6),
        directory("link to directory"),
        other("outward"),
        other("outward directory"),
        directory("sub"),
        file("ünï", 1),
    ];
    assert_eq!(list(""), expected);
    // A link that leads out of the directory and stays in the root.
    assert_eq!(list("sub"), [directory("deep"), file("up", 6)]);
    assert_eq!(list("link to directory"), list("sub"));
    assert_eq!(list("sub/deep"), [file("file", 11)]);
}

#[test]
fn pages_come_sorted_whole_and_once() {
    let world = World::new();
    let many = world.served("many");
    fs::create_dir(&many).unwrap();
    let mut names: Vec<String> = (0..1000).map(|index| format!("{:x}", index * 7919 % 65_537)).collect();
    names.extend(["-".into(), " ".into(), "ä".into(), "z".repeat(255)]);
    for name in &names {
        fs::write(many.join(name), name).unwrap();
    }
    names.sort();
    let directory = world.directory("many");
    for limit in [0, 1, 7, 250, 1003, 1004, 1005, usize::MAX] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = directory.list(seen.last().map(String::as_str), limit).unwrap();
            assert!(page.entries.len() <= limit.max(1));
            seen.extend(page.entries.into_iter().map(|entry| entry.name));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen, names, "in pages of {limit}");
    }
    assert_eq!(directory.list(Some("zzzz"), 10).unwrap().entries.len(), 2);
    let empty = world.directory("sub/deep").list(Some("file"), 10).unwrap();
    assert!(empty.entries.is_empty() && !empty.more);
}

#[test]
fn a_hundred_thousand_entries_are_no_burden() {
    let temporary = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    fs::write(temporary.path().join("0"), "").unwrap();
    for index in 1..100_000 {
        // A link to a file costs the file system less than another file.
        let source = temporary.path().join((index / 10_000 * 10_000).to_string());
        let path = temporary.path().join(index.to_string());
        if index % 10_000 == 0 { fs::write(path, "") } else { fs::hard_link(source, path) }.unwrap();
    }
    let root = Root::open(temporary.path()).unwrap();
    let Ok(Node::Directory(directory)) = root.open_node(&RemotePath::default()) else {
        panic!("the root is a directory")
    };
    let begin = Instant::now();
    let page = directory.list(Some("5"), 1000).unwrap();
    eprintln!("a page of 1,000 of 100,000 entries: {:?}", begin.elapsed());
    assert!(page.more);
    assert_eq!(page.entries.len(), 1000);
    assert_eq!(page.entries[0].name, "50");
}
