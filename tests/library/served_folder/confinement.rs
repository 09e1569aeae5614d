//! No path reaches outside of the folder, and only files and directories are served.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use fdsp::{
    protocol::path::RemotePath,
    storage::{
        StorageError,
        root::{Node, Policy, Root},
    },
};

use crate::served_folder::{World, content, traversal::spellings};

#[test]
fn every_traversal_path_is_not_found() {
    let world = World::new();
    let secret = world.outside().join("secret");
    let secret = secret.to_str().unwrap();
    for path in spellings() {
        world.assert_absent(&path);
    }
    world.assert_absent(secret);
    world.assert_absent(&format!("/{secret}"));
}

#[test]
fn links_are_followed_only_within_the_folder() {
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
    // Inside, but as an absolute path, which depends on the location of the folder.
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
fn magic_links_of_proc_are_not_followed() {
    let root = Root::open(Path::new("/proc/self"), Policy::default()).unwrap();
    for path in ["root", "cwd", "exe", "fd/0", "fd/1", "root/etc/passwd", "cwd/Cargo.toml"] {
        let error = root.open_node(&RemotePath::parse(path).unwrap()).unwrap_err();
        assert!(matches!(error, StorageError::NotFound(_)), "{path}: {error}");
    }
}

/// Files of `/proc` report a size of 0.
#[test]
fn a_file_of_unknown_size_is_not_served_as_empty() {
    let root = Root::open(Path::new("/proc/self"), Policy::default()).unwrap();
    let Ok(Node::File(source)) = root.open_node(&RemotePath::parse("status").unwrap()) else {
        panic!("a file")
    };
    assert_eq!(source.size(), 0);
    let error = source.check().unwrap_err();
    assert!(matches!(error, StorageError::Unreadable { .. }), "{error}");
    assert!(error.to_string().contains("though its size is 0"), "{error}");
    // Its size is 0, but its content is generated.
    let Ok(Node::File(source)) = root.open_node(&RemotePath::parse("timers").unwrap()) else {
        panic!("a file")
    };
    let error = source.check().unwrap_err();
    assert!(error.to_string().contains("generated when it is read"), "{error}");
    let world = World::new();
    fs::write(world.served("empty"), "").unwrap();
    world.file("empty").check().unwrap();
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
    let devices = Root::open(Path::new("/dev"), Policy::default()).unwrap();
    for path in ["null", "zero", "full", "tty", "stdin", "fd/0"] {
        let error = devices.open_node(&RemotePath::parse(path).unwrap()).unwrap_err();
        assert!(matches!(error, StorageError::NotFound(_)), "{path}: {error}");
    }
}

#[test]
fn errors_name_only_the_requested_path() {
    let world = World::new();
    symlink(world.outside().join("secret"), world.served("absolute")).unwrap();
    let said = |path: &str| world.open(path).unwrap_err().to_string();
    assert_eq!(said("absent"), "absent: not found");
    assert_eq!(said("absolute"), "absolute: not found");
    assert_eq!(said("sub/absent"), "sub/absent: not found");
    assert!(!said("bell\u{7}\u{1b}[2J").contains(char::is_control));
}

/// While directories and links to outside replace each other, only files inside are opened.
#[test]
fn a_link_swapped_during_the_open_is_not_followed() {
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
    /// Ends the other thread also if this one panics.
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
                    // The kernel could not resolve it in all attempts.
                    Err(StorageError::Unreadable { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            if let Ok(Node::Directory(directory)) = world.open("inside") {
                let names = crate::served_folder::list(directory, None, 10).entries;
                assert!(names.iter().all(|entry| entry.size == Some(11)), "{names:?}");
                listed += 1;
            }
        }
        eprintln!("{found} opened, {absent} not found, {listed} listed");
    });
}
