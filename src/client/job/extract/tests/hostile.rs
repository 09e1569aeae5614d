//! Hostile archives: links, false sizes, bombs, and bytes that are no archive.

use super::*;

#[test]
fn links_and_devices_are_skipped() {
    let link = Raw { mode: 0o120_777, ..raw("d", b"../..") };
    for entries in [
        &[link.clone()][..],
        &[link.clone(), raw("d/x", b"x")],
        &[Raw { name: b"d/".to_vec(), ..link }],
        &[Raw { mode: 0o010_644, ..raw("x", b"") }],
        &[Raw { mode: 0o020_644, ..raw("x", b"") }],
        &[Raw { mode: 0o060_644, ..raw("x", b"") }],
        &[Raw { mode: 0o140_644, ..raw("x", b"") }],
    ] {
        let (there, missing) = World::left_out(&archive(entries), Names::Exact);
        assert_eq!((there.len(), missing.len()), (entries.len() - 1, 1));
        let why = if missing[0].0 == "x" { "neither a file nor" } else { "symbolic link" };
        assert!(missing[0].1.contains(why), "{missing:?}");
    }
    for (name, mode) in [("x", 0o040_755), ("x/", 0o100_644)] {
        World::assert_refused(
            &archive(&[Raw { mode, ..raw(name, b"") }]),
            Integrity,
            "a file and a directory",
        );
    }
}

/// Another user owns a folder in a shared folder, and could change its content.
#[test]
fn a_folder_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives folders away");
        return;
    }
    let world = World::new();
    let bytes = archive(&[raw("d/", b""), raw("d/x", b"1"), raw("y", b"2")]);
    world.unpack(&bytes).unwrap();
    std::os::unix::fs::chown(world.at("a/d"), Some(1), None).unwrap();
    fs::set_permissions(world.at("a"), PermissionsExt::from_mode(0o1777)).unwrap();
    let trouble = world.unpack(&bytes).unwrap_err();
    assert!(trouble.message.as_str().contains("differs from a.zip in d"), "{trouble:?}");
    fs::set_permissions(world.at("a"), PermissionsExt::from_mode(0o755)).unwrap();
    world.unpack(&bytes).unwrap();
}

#[test]
fn a_link_in_the_place_of_the_folder_is_not_followed() {
    let world = World::new();
    symlink("..", world.at("a")).unwrap();
    fs::write(world.at("a.zip"), archive(&[raw("x", b"x")])).unwrap();
    let Err(Unfinished::Fault(fault)) = world.with(Existing::Keep, Extract::default()).unpack(|| true) else {
        panic!("it was unpacked")
    };
    assert_eq!(fault.trouble.kind, Disk);
    assert!(!world.temporary.path().join("x").exists());
    // Nor is a link followed when an existing folder is compared.
    fs::remove_file(world.at("a")).unwrap();
    fs::create_dir(world.at("a")).unwrap();
    symlink("../../precious", world.at("a/x")).unwrap();
    let trouble = world.unpack(&archive(&[raw("x", b"precious")])).unwrap_err();
    assert!(trouble.message.as_str().contains("differs from a.zip in x"), "{trouble}");
}

#[test]
fn false_sizes_are_refused() {
    let zeros = vec![0; 3_000_000];
    let small = deflated("x", &zeros);
    for (entry, why) in [
        (Raw { size: Some(5), ..raw("x", b"1234") }, "has a size that cannot be"),
        (Raw { size: Some(u32::MAX - 1), ..raw("x", b"1234") }, "has a size that cannot be"),
        (Raw { size: Some(u32::MAX - 1), ..small.clone() }, "has a size that cannot be"),
        (Raw { size: Some(2_000_000), ..small.clone() }, "is broken"),
        (Raw { size: Some(3_000_001), ..small.clone() }, ""),
        (raw("d/", b"content"), "is a directory with content"),
        (Raw { crc: Some(1), ..raw("x", b"1234") }, "is broken"),
        (Raw { crc: Some(1), ..small }, "is broken"),
        (Raw { method: 8, ..raw("x", b"no deflate at all") }, "is broken"),
        (Raw { flags: 0x801, ..raw("x", b"secret") }, "is encrypted"),
        (Raw { method: 12, ..raw("x", b"bzip2") }, "packed in a way"),
        (Raw { method: 99, ..raw("x", b"aes") }, ""),
        (Raw { local: Some(b"y".to_vec()), ..raw("x", b"cloaked") }, ""),
    ] {
        World::assert_refused(&archive(&[raw("ok", b"x"), entry]), Integrity, why);
    }
}

#[test]
fn bombs_are_refused() {
    // Entries that share the same bytes.
    let core = deflated("0", &vec![0; 1 << 20]);
    let mut entries = vec![core.clone()];
    for n in 1..50 {
        let name = n.to_string().into_bytes();
        entries.push(Raw { name, shared: Some(0), local: Some(b"0".to_vec()), ..core.clone() });
    }
    World::assert_refused(&archive(&entries), Integrity, "");
    let same = Raw { name: b"0".to_vec(), shared: Some(0), ..core.clone() };
    World::assert_refused(&archive(&[core, same]), Integrity, "");
    // The highest ratio that deflate can have.
    let limits = |entries, bytes, ratio| Extract { entries, bytes, ratio };
    let large = deflated("", &vec![0; 40 << 20]);
    let many: Vec<_> = (0..30).map(|n: u32| Raw { name: n.to_string().into(), ..large.clone() }).collect();
    World::assert_refused(&archive(&many), Disk, "as a zip bomb does; if it is not one, raise extract_ratio");
    let two = archive(&[raw("a", b"12"), raw("b", b"34")]);
    World::assert_refused_within(&two, limits(1, None, 200), Disk, "extract_entries allows 1");
    World::assert_refused_within(&two, limits(2, Some(3), 200), Disk, "more than extract_bytes allows");
    // Directories of paths are created, too, each once.
    let nested = archive(&[raw("d/e/x", b"1"), raw("d/e/y", b"2"), raw("d/f/", b""), raw("d/", b"")]);
    World::assert_refused_within(&nested, limits(4, None, 200), Disk, "extract_entries allows 4");
    World::new().unpack_as(&nested, Existing::Keep, limits(5, None, 200)).unwrap();
    let deep = |n: u32| raw(format!("{n}/{}x", "d/".repeat(98)), b"");
    let deep: Vec<_> = (0..500).map(deep).collect();
    World::assert_refused_within(
        &archive(&deep),
        limits(10_000, None, 200),
        Disk,
        "extract_entries allows 10000",
    );
    // An archive in an archive is an ordinary file.
    let world = World::new();
    world.unpack(&archive(&[raw("inner.zip", &two)])).unwrap();
    assert_eq!(world.tree("a").into_keys().collect::<Vec<_>>(), ["a/inner.zip"]);
}

#[test]
fn bytes_that_are_no_archive_are_refused() {
    for bytes in [&b""[..], b"PK", b"PK\x05\x06", &[0; 1000]] {
        World::assert_refused(bytes, Integrity, "");
    }
    let whole = archive(&[raw("x", b"1234"), deflated("y", &[7; 1000])]);
    for length in 0..whole.len() {
        World::assert_refused(&whole[..length], Integrity, "");
    }
}

/// No archive creates anything outside of its folder.
#[test]
fn unpacking_is_fuzzed() {
    let world = World::new();
    let words = &["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "../", "/", "\\", "C:"];
    Fuzz::new("zip").rounds(300).words(words).run(|input| {
        let limits = Extract { entries: 1000, bytes: Some(10 << 20), ratio: 200 };
        let result = world.unpack_as(input, Existing::Keep, limits);
        let there = names(&world.at(""));
        match &result {
            Ok(_) => {
                assert_eq!(there, ["a", "a.zip"]);
                crate::client::disk::remove::remove(world.folder.handle.as_fd(), "a".as_ref())
                    .expect("removed");
            }
            Err(trouble) => {
                assert_eq!(there, ["a.zip"]);
                assert_harmless(trouble.message.as_str());
            }
        }
        assert_eq!(names(world.temporary.path()), ["in", "precious"]);
        result.map(drop).map_err(|trouble| {
            let said = trouble.message.to_string();
            // The name of a temporary folder is before that.
            shape(said.rsplit(" not unpacked: ").next().unwrap_or(&said))
        })
    });
}
