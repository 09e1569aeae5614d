//! Obstacles at the paths of a download, with whole programs: links, folders, files without write permission, another
//! client. Nothing is changed or followed, the exit code is that of the local disk, and afterwards the download resumes.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::Path,
};

use rustix::process::geteuid;

use crate::killed::{
    processes::{Client, Server},
    proxy::Proxy,
    support::{Folder, MIB, content},
};

const SIZE: usize = 3 * MIB + 5;
const DISK: i32 = 7;

struct Ends {
    served: Folder,
    server: Server,
    folder: Folder,
}

impl Ends {
    fn new() -> Ends {
        let served = Folder::new();
        fs::write(served.path("a"), content(SIZE, 1)).unwrap();
        let server = Server::start(served.folder.path(), "async");
        Ends { served, server, folder: Folder::new() }
    }

    fn fetch(&self, options: &[&str]) -> (i32, String) {
        Client::with(&self.folder, &self.server.serves("a"), options).end()
    }

    /// Without the obstacle the download completes, and leaves only the file and these.
    fn gets_there(&self, also: &[&str]) {
        let (code, said) = self.fetch(&[]);
        assert_eq!(code, 0, "{said}");
        assert!(fs::read(self.folder.path("a")).unwrap() == content(SIZE, 1));
        let mut names = self.folder.names();
        names.retain(|name| !also.contains(&name.as_str()));
        assert_eq!(names, ["a"], "{:?}", self.served.names());
    }
}

#[track_caller]
fn assert_refused((code, said): (i32, String), why: &str) {
    assert_eq!(code, DISK, "{said}");
    assert!(said.contains(why), "not {why:?} in {said}");
}

#[test]
fn links_and_folders_at_the_paths_of_a_download_are_not_touched() {
    for options in [&[][..], &["--overwrite"], &["--update"]] {
        let ends = Ends::new();
        let victim = ends.folder.path("victim");
        fs::write(&victim, "precious").unwrap();
        for name in ["a.part", "a.part.fdsp", "a"] {
            let path = ends.folder.path(name);
            symlink(&victim, &path).unwrap();
            let ended = ends.fetch(options);
            assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name} {options:?}");
            match (name, options) {
                ("a.part", _) => assert_refused(ended, "is a symbolic link"),
                // It only saves work: the link itself is moved away.
                ("a.part.fdsp", _) => assert_eq!(ended.0, 0, "{}", ended.1),
                // With permission to replace, the link is replaced, and not its target.
                ("a", ["--overwrite" | "--update"]) => {
                    assert_eq!(ended.0, 0, "{}", ended.1);
                    assert!(fs::symlink_metadata(&path).unwrap().is_file(), "{options:?}");
                }
                _ => assert_refused(ended, "exists and differs"),
            }
            for name in ["a", "a.part", "a.part.fdsp"] {
                let _ = fs::remove_file(ends.folder.path(name));
            }
            fs::create_dir(&path).unwrap();
            fs::write(path.join("kept"), "").unwrap();
            let ended = ends.fetch(options);
            match name {
                "a.part.fdsp" => assert_eq!(ended.0, 0, "{}", ended.1),
                _ => assert_refused(ended, "is a directory"),
            }
            assert!(path.join("kept").exists());
            fs::remove_dir_all(&path).unwrap();
            let _ = fs::remove_file(ends.folder.path("a"));
        }
        ends.gets_there(&["victim"]);
    }
}

#[test]
fn the_part_of_a_running_client_is_not_touched() {
    let ends = Ends::new();
    let gate = Proxy::gate(ends.server.at(), 2 * MIB);
    let mut first = Client::start(&ends.folder, &ends.server.through(&gate, "a"), 0);
    ends.folder.wait_for("a", 1);
    for options in [&[][..], &["--overwrite"], &["--update"]] {
        assert_refused(ends.fetch(options), "another client is downloading to");
    }
    gate.let_pass(usize::MAX);
    let (code, said) = first.end();
    assert_eq!(code, 0, "{said}");
    assert!(!said.contains("\"resumed\":1"), "{said}");
    ends.gets_there(&[]);
}

/// Permissions do not apply to root, so another user fetches.
#[test]
fn missing_write_permission_is_reported() {
    const NOBODY: u32 = 65_534;
    let ends = Ends::new();
    let (folder, is_root) = (ends.folder.folder.path(), geteuid().is_root());
    if is_root {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let fetch = |options: &[&str]| {
        Client::prepared(&ends.folder, &ends.server.serves("a"), options, |command| {
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
        })
    };
    let Some(mut first) = fetch(&[]) else {
        println!("skipped: another user may not run this program");
        return;
    };
    let (code, said) = first.end();
    assert_eq!(code, 0, "{said}");
    let fetch = |options: &[&str]| fetch(options).expect("it has run before").end();
    let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    fs::remove_file(ends.folder.path("a")).unwrap();

    mode(folder, 0o555);
    assert_refused(fetch(&[]), "a.part: permission denied");
    mode(folder, 0o755);

    let part = ends.folder.path("a.part");
    fs::write(&part, "of another user").unwrap();
    mode(&part, 0o444);
    assert_refused(fetch(&[]), "a.part: permission denied");
    assert_eq!(fs::read_to_string(&part).unwrap(), "of another user");
    fs::remove_file(&part).unwrap();

    // Replacing a name needs permission for the folder only; the file itself is not written to.
    let target = ends.folder.path("a");
    fs::write(&target, "read-only").unwrap();
    mode(&target, 0o444);
    assert_refused(fetch(&[]), "exists and differs");
    assert_eq!(fs::read_to_string(&target).unwrap(), "read-only");
    let (code, said) = fetch(&["--overwrite"]);
    assert_eq!(code, 0, "{said}");
    if is_root {
        // Root saves nothing in a folder of another user inside a shared one.
        chown(folder, Some(0), Some(0)).unwrap();
    }
    ends.gets_there(&[]);
}
