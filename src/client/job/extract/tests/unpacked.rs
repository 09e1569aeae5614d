//! The result of unpacking.

use super::*;

#[test]
fn the_content_of_an_archive_is_unpacked() {
    let world = World::new();
    let long = "again and again ".repeat(50_000);
    let bytes = archive(&[
        raw("d/", b""),
        raw("d/empty/", b""),
        Raw { mode: 0o100_751, ..raw("d/run", b"#!") },
        deflated("d/deep/er/text", long.as_bytes()),
        raw("d/größe \u{2764}\u{fe0f}", b"x"),
        Raw { mode: 0, ..raw("d/aux.c", b"") },
    ]);
    assert_eq!(world.unpack(&bytes).unwrap(), world.folder.join("a".as_ref()));
    let tree = world.tree("a");
    assert_eq!(
        tree.keys().collect::<Vec<_>>(),
        ["a/aux.c", "a/deep/er/text", "a/größe \u{2764}\u{fe0f}", "a/run"]
    );
    assert_eq!(tree["a/deep/er/text"], long.as_bytes());
    assert!(world.at("a/empty").is_dir());
    let metadata = fs::metadata(world.at("a/run")).unwrap();
    assert_eq!(metadata.mode() & 0o700, 0o700);
    // 2025-11-23 00:00:00, as the DOS field encodes it.
    assert_eq!(metadata.mtime(), 1_763_856_000);
    assert!(world.at("a.zip").exists(), "the archive stays");
    // Once more: it exists already.
    assert_eq!(world.unpack(&bytes).unwrap(), world.folder.join("a".as_ref()));
    assert_eq!(fs::read_dir(world.at("")).unwrap().count(), 2);
}

#[test]
fn several_entries_at_the_top_share_a_folder() {
    let world = World::new();
    world.unpack(&archive(&[raw("a", b"1"), raw("b/c", b"2")])).unwrap();
    assert_eq!(world.tree("a").into_keys().collect::<Vec<_>>(), ["a/a", "a/b/c"]);
    let world = World::new();
    world.unpack(&archive(&[raw("alone", b"1")])).unwrap();
    assert_eq!(world.tree("a").into_keys().collect::<Vec<_>>(), ["a/alone"]);
    let world = World::new();
    world.unpack(&archive(&[])).unwrap();
    assert!(world.at("a").is_dir());
}

#[test]
fn directories_keep_their_modes_and_times() {
    let world = World::new();
    let entries = [
        raw("d/locked/file", b"x"),
        Raw { mode: 0o040_500, ..raw("d/locked/", b"") },
        Raw { mode: 0o040_000, ..raw("d/shut/", b"") },
        Raw { mode: 0o100_000, ..raw("d/shut/file", b"") },
        raw("d/locked/more", b"y"),
    ];
    world.unpack(&archive(&entries)).unwrap();
    let metadata = fs::metadata(world.at("a/locked")).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (0o500, 1_763_856_000));
    fs::set_permissions(world.at("a/locked"), PermissionsExt::from_mode(0o700)).unwrap();
    // The owner must be able to read and delete it.
    assert_eq!(fs::metadata(world.at("a/shut")).unwrap().mode() & 0o777, 0o500);
    assert_eq!(fs::metadata(world.at("a/shut/file")).unwrap().mode() & 0o777, 0o400);
    fs::set_permissions(world.at("a/shut"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn nothing_is_replaced() {
    let bytes = archive(&[raw("x", b"1"), raw("y/z", b"2")]);
    for (path, content) in [("a", None), ("a/x", Some("other")), ("a/y/z", Some("3"))] {
        let world = World::new();
        let target = world.at(path);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(&target, content.unwrap_or("a file")).unwrap();
        for existing in [Existing::Keep, Existing::Overwrite, Existing::Update] {
            let trouble = world.unpack_as(&bytes, existing, Extract::default()).unwrap_err();
            assert_eq!(trouble.kind, Disk);
            assert!(trouble.message.as_str().contains("exists and differs from a.zip"), "{trouble}");
        }
        let beside = world.unpack_as(&bytes, Existing::Rename, Extract::default()).unwrap();
        assert!(beside.ends_with("a (1)"), "{beside:?}");
        assert_eq!(world.tree("a (1)").len(), 2);
        assert_eq!(fs::read_to_string(target).unwrap(), content.unwrap_or("a file"));
    }
}

#[test]
fn a_cancelled_extraction_leaves_nothing() {
    let world = World::new();
    let bytes = archive(&[deflated("x", &vec![1; 1 << 20]), deflated("y", &vec![2; 1 << 20])]);
    fs::write(world.at("a.zip"), bytes).unwrap();
    let mut finished = false;
    for allowed in 0..100 {
        let asked = Cell::new(0);
        let should_continue = || {
            asked.set(asked.get() + 1);
            asked.get() <= allowed
        };
        match world.with(Existing::Keep, Extract::default()).unpack(should_continue) {
            Ok(_) => {
                finished = true;
                break;
            }
            Err(Unfinished::Stopped) => world.assert_nothing("stopped"),
            Err(Unfinished::Fault(fault)) => panic!("{fault:?}"),
        }
    }
    assert!(finished);
}
