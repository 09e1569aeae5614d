//! The program fetches trees: output, exit code and memory.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
};

use crate::shared::{
    effort,
    folder::{digest, everything, many, same},
    program::{Home, Running, Service, finish},
};

/// Serves the folder `served` of `home`.
fn serve(home: &Home) -> Service {
    Service::start(home, &home.path().join("served"), "--plain")
}

#[test]
fn a_tree_is_reported_as_json_lines_and_by_the_exit_code() {
    let home = Home::new();
    let folder = home.path().join("served/t");
    let bytes = everything(&folder);
    let service = serve(&home);
    let address = service.at("t");
    let outcome = home.run(["--json", "--as", "tree", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let done = &outcome.events("done")[0];
    assert_eq!(done["bytes"], bytes);
    assert_eq!(
        (&done["transferred"], &done["resumed"], &done["files"]),
        (&bytes.into(), &0.into(), &10.into())
    );
    assert_eq!(done["blake3"], digest(&folder));
    assert!(done["seconds"].is_number() && done["path"].as_str().is_some_and(|path| path.ends_with("/t")));
    same(&folder, &home.path().join("t"));

    let outcome = home.run(["--as", "tree", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("done,") && outcome.stderr.contains("in 10 files"), "{outcome:#?}");

    fs::write(home.path().join("t/a.txt"), "mine").unwrap();
    let outcome = home.run(["-q", "--as", "tree", &address]);
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    assert!(
        outcome.is_one_sentence().contains("t exists and differs from the server's in a.txt"),
        "{outcome:#?}"
    );
    let outcome = home.run(["-q", "--update", "--as", "tree", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    same(&folder, &home.path().join("t"));
    let outcome = home.run(["-q", "--as", "tree", &service.at("absent")]);
    assert_eq!(outcome.code, 4, "{outcome:#?}");
}

/// New files and folders have the permissions that the umask allows, whatever they were during the transfer.
#[test]
fn the_umask_holds_for_files_trees_and_archives() {
    let home = Home::new();
    for (name, size) in [("small", 3), ("large", 3 << 20), ("dir/tool", 5)] {
        home.write(&format!("served/t/{name}"), vec![7; size]);
    }
    fs::create_dir(home.path().join("served/t/empty")).unwrap();
    for name in ["dir/tool", "dir", "empty"] {
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(home.path().join("served/t").join(name), open).unwrap();
    }
    let service = serve(&home);
    for umask in [0o077, 0o027, 0o002] {
        let folder = format!("got-{umask:o}");
        for options in ["--as tree", "--extract"] {
            for _ in 0..2 {
                // The second time everything exists.
                let arguments =
                    format!("-q --no-sync -d {folder}/{} {options} {}", &options[2..4], service.at("t"));
                let line = format!("umask {umask:o}; exec \"$0\" $1");
                let tui = env!("CARGO_BIN_EXE_tui");
                let outcome = finish(home.other("sh", ["-c", &line, tui, &arguments]).spawn().unwrap());
                assert_eq!(outcome.code, 0, "{outcome:#?}");
            }
        }
        for (name, full) in [
            ("as/t", 0o777),
            ("as/t/small", 0o666),
            ("as/t/large", 0o666),
            ("as/t/dir", 0o777),
            ("as/t/dir/tool", 0o777),
            ("as/t/empty", 0o777),
            ("ex/t.zip", 0o666),
            ("ex/t", 0o777),
            ("ex/t/small", 0o666),
            ("ex/t/large", 0o666),
            ("ex/t/dir", 0o777),
            ("ex/t/dir/tool", 0o777),
            ("ex/t/empty", 0o777),
        ] {
            let mode =
                fs::metadata(home.path().join(&folder).join(name)).unwrap().permissions().mode() & 0o777;
            // At most what the umask allows; the modes on the server may allow less.
            assert_eq!(mode & umask, 0, "{name}: {mode:o} with {umask:o}");
            assert_eq!(mode & 0o700, full & !umask & 0o700, "{name}: {mode:o} with {umask:o}");
        }
        let zip =
            fs::metadata(home.path().join(&folder).join("ex/t.zip")).unwrap().permissions().mode() & 0o777;
        assert_eq!(zip, 0o666 & !umask);
    }
}

/// A Latin-1 name is kept: in a tree, alone, by an argument of the shell, and in an extracted archive.
#[test]
fn names_that_are_not_utf8_are_received_unchanged() {
    let home = Home::new();
    let odd = OsStr::from_bytes(b"caf\xe9.txt");
    let folder = home.path().join("served/t");
    fs::create_dir_all(folder.join(OsStr::from_bytes(b"d\xe9"))).unwrap();
    for (name, content) in [(&b"caf\xe9.txt"[..], "latin"), (b"d\xe9/in", "in"), (b"plain", "plain")] {
        fs::write(folder.join(OsStr::from_bytes(name)), content).unwrap();
    }
    let service = serve(&home);
    let outcome = home.run(["--json", "--as", "tree", &service.at("t")]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    same(&folder, &home.path().join("t"));
    assert_eq!(outcome.events("done")[0]["blake3"], digest(&folder));
    let outcome = home.run(["-q", "--as", "tree", &service.at("t")]);
    assert_eq!(outcome.code, 0, "it is the same: {outcome:#?}");

    for (number, argument) in
        [service.at("t/caf%E9.txt").into_bytes(), b"t/caf\xe9.txt".to_vec()].iter().enumerate()
    {
        let to = number.to_string();
        let arguments = ["--json", "--plain", "-H", "127.0.0.1", "-P", &service.port.to_string(), "-d", &to];
        let arguments = arguments.into_iter().map(OsStr::new).chain([OsStr::from_bytes(argument)]);
        let outcome = home.run(arguments);
        assert_eq!(outcome.code, 0, "{outcome:#?}");
        let done = &outcome.events("done")[0];
        assert_eq!(done["name"], "caf‹xE9›.txt");
        assert!(done["path"].as_str().is_some_and(|path| path.ends_with("/caf‹xE9›.txt")), "{done}");
        assert_eq!(fs::read(home.path().join(to).join(odd)).unwrap(), b"latin");
    }

    fs::write(folder.join("a\u{200e}b"), "left-to-right").unwrap();
    let outcome = home.run(["--json", "--as", "zip", "--extract", "-d", "z", &service.at("t")]);
    assert_eq!(outcome.code, 8, "{outcome:#?}");
    let missing = &outcome.events("done")[0]["missing"];
    assert_eq!((&missing["count"], &missing["entries"][0]["path"]), (&1.into(), &"t/a‹U+200E›b".into()));
    assert!(outcome.stderr.contains("1 entry missing: t/a‹U+200E›b"), "{outcome:#?}");
    assert_eq!(fs::read(home.path().join("z/t").join(odd)).unwrap(), b"latin");
    assert_eq!(fs::read_dir(home.path().join("z/t")).unwrap().count(), 3);
    fs::remove_file(folder.join("a\u{200e}b")).unwrap();

    let outcome = home.run(["--json", "--as", "tree", "--names", "portable", "-d", "p", &service.at("t")]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert_eq!(fs::read(home.path().join("p/t/caf_.txt")).unwrap(), b"latin");
    assert_eq!(fs::read(home.path().join("p/t/d_/in")).unwrap(), b"in");
    let changed = outcome.events("changed");
    let renamed: Vec<_> = changed.iter().map(|event| (&event["what"], &event["name"])).collect();
    assert_eq!(renamed, [(&"renamed".into(), &"caf_.txt".into()), (&"renamed".into(), &"d_".into())]);
}

#[test]
fn many_files_take_little_memory() {
    let files = effort::number("FDSP_TREES", 2000);
    let home = Home::new();
    let folder = home.path().join("served/t");
    many(&folder, files, 4096);
    let service = serve(&home);
    let address = service.at("t");
    // A server that never answers keeps the program running after the tree is done.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("fdsp+plain://{}/x", silent.local_addr().unwrap());
    let mut running = Running::start(home.command(["--json", "--no-sync", "--as", "tree", &address, &other]));
    let mut lines = running.stdout();
    let done = lines.event("done");
    let peak = running.peak_memory();
    println!("{files} files: {peak} bytes at the most; {done}");
    assert!(peak < 32 << 20, "{peak}");
    same(&folder, &home.path().join("t"));
}
