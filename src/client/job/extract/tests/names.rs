//! Names of entries: which are kept, replaced by substitutes, or skipped.

use super::*;

#[test]
fn hostile_names_are_skipped() {
    let long = "x".repeat(256);
    let deep = "d/".repeat(150) + "x";
    let longest = format!("{}x", "123456789/".repeat(99) + &"y".repeat(250).repeat(13));
    for (name, why) in [
        ("../x", "is not a file name"),
        ("d/../../x", "is not a file name"),
        ("d/..", "is not a file name"),
        ("..", "is not a file name"),
        (".", "is not a file name"),
        ("./x", "is not a file name"),
        ("/etc/cron.d/x", "is not a file name"),
        ("//server/share", "is not a file name"),
        ("a//b", "is not a file name"),
        ("", "is not a file name"),
        ("/", "is not a file name"),
        ("a\0b", "is not a file name"),
        ("x\u{1b}[2J", "cannot be seen"),
        ("a\nb", "cannot be seen"),
        ("a\u{85}b", "cannot be seen"),
        ("gpj.\u{202e}exe", "cannot be seen"),
        ("a\u{200b}b", "cannot be seen"),
        ("a\u{feff}", "cannot be seen"),
        ("a\u{2066}b", "cannot be seen"),
        (&long, "is too long"),
        (&deep, "lies too deep"),
        (&longest, "too long"),
    ] {
        let (there, missing) = World::left_out(&archive(&[raw("ok", b"x"), raw(name, b"x")]), Names::Exact);
        assert_eq!((there, missing.len()), (vec!["a/ok".to_owned()], 1), "{name:?}");
        assert!(missing[0].1.contains(why), "{name:?}: {missing:?}");
    }
    // Nor are they unpacked elsewhere with substitutes.
    for name in ["../x", "d/..", "./x", "/etc/x", "a//b", "", "a\0b", "a\x00E9"] {
        let (there, missing) =
            World::left_out(&archive(&[raw("ok", b"x"), raw(name, b"x")]), Names::Portable);
        assert_eq!((there, missing.len()), (vec!["a/ok".to_owned()], 1), "{name:?}");
    }
}

/// A name that is not UTF-8 keeps its bytes, or is read in the old code page of another system.
#[test]
fn names_that_are_not_utf8_are_kept() {
    for (system, flags, expected) in [
        (3, 0, &b"caf\x82"[..]),
        (3, 0x800, b"caf\x82"),
        (0, 0, "café".as_bytes()),
        (10, 0, "café".as_bytes()),
    ] {
        let world = World::new();
        let entries = [raw("d/", b""), Raw { flags, system, ..raw(b"d/caf\x82", b"x") }];
        world.unpack(&archive(&entries)).unwrap();
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(names(&world.at("a")), [OsStr::from_bytes(expected)], "{system} {flags}");
    }
}

#[test]
fn names_that_other_systems_reserve_are_ordinary_names() {
    for name in ["..\\x", "d\\x", "\\\\server\\x", "C:/x", "c:x", "dot.", "aux"] {
        let world = World::new();
        world.unpack(&archive(&[raw("ok", b""), raw(name, b"x")])).unwrap();
        let content = fs::read(world.at("a").join(name));
        assert_eq!(content.unwrap_or_default(), b"x", "{name}: {:?}", names(&world.at("a")));
    }
}

#[test]
fn refusals_show_no_control_characters() {
    let (_, missing) = World::left_out(&archive(&[raw("x\u{1b}]0;evil\u{7}/\u{202e}", b"x")]), Names::Exact);
    assert!(!missing[0].0.contains(crate::text::is_unsafe), "{missing:?}");
}

#[test]
fn duplicate_names_are_refused() {
    for entries in [
        &[raw("x", b"1"), raw("x", b"2")][..],
        &[raw("d/", b""), raw("d/", b"")],
        &[raw("x", b"1"), raw("x/", b"")],
        &[raw("x/", b""), raw("x", b"1")],
        &[raw("x/y", b"1"), raw("x", b"2")],
    ] {
        World::assert_refused(&archive(entries), Integrity, "is there twice");
    }
    World::assert_refused(&archive(&[raw("x", b"1"), raw("x/y", b"2")]), Integrity, "lies in a file");
}

#[test]
fn unportable_names_have_substitutes_if_the_user_wants_portable_names() {
    let mark = |name: &str| blake3::hash(name.as_bytes()).to_hex()[..8].to_owned();
    for (name, saved) in [
        ("d/aux.c", "a/d/_aux.c".to_owned()),
        ("apache./pom", "a/apache_/pom".to_owned()),
        ("d/who?", "a/d/who_".to_owned()),
        ("d\\x", "a/d_x".to_owned()),
        ("c:x", "a/c_x".to_owned()),
        ("FIRST", format!("a/FIRST~{}", mark("FIRST"))),
        ("a\u{202e}b", "a/a_b".to_owned()),
    ] {
        let bytes = archive(&[raw("first", b"1"), raw(name, b"2")]);
        let (mut there, missing) = World::left_out(&bytes, Names::Portable);
        there.retain(|name| name != "a/first");
        assert_eq!((there, missing), (vec![saved], vec![]), "{name:?}");
        let world = World::new();
        fs::write(world.at("a.zip"), &bytes).unwrap();
        let portable = Archive { names: Names::Portable, ..world.with(Existing::Keep, Extract::default()) };
        assert_eq!(World::unpacked(&portable).unwrap().renamed.len(), 1);
    }
}

#[test]
fn names_that_the_file_system_cannot_store_are_skipped() {
    let survey = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| raw(name, b"x")).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&archive(&entries)).unwrap();
        Contents::survey(&file, &Extract::default(), (Names::Exact, 255), &|| true).unwrap()
    };
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::limited(dir.path(), 14);
    let left_out = |names: &[&str], folding| {
        let mut contents = survey(names);
        let any = contents.exclude_unstorable(&folder, folder.handle.as_fd(), folding);
        assert_eq!(any, !contents.missing.is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        contents.missing.entries.into_iter().map(|entry| entry.path).collect::<Vec<_>>()
    };
    let case = Folding { case: true, normal: false };
    let normal = Folding { case: false, normal: true };
    for (names, by_case, by_normal) in [
        (["README", "readme"], true, false),
        (["d/a", "D/A"], true, false),
        (["caf\u{e9}", "cafe\u{301}"], true, true),
        (["straße", "STRASSE"], true, false),
        (["a", "b"], false, false),
    ] {
        let second = |is_left_out| if is_left_out { vec![names[1].to_owned()] } else { vec![] };
        assert_eq!(left_out(&names, case), second(by_case), "{names:?}");
        assert_eq!(left_out(&names, normal), second(by_normal), "{names:?}");
        assert!(left_out(&names, Folding::default()).is_empty(), "{names:?}");
    }
    let long = "sixteen bytes ab/x";
    assert_eq!(left_out(&["fourteen bytes", long, "d/x"], Folding::default()), [long]);
}
