//! The work directory of an archive: what is deleted, and what is left alone.

use super::*;

/// The error for a folder that cannot be unpacked in.
fn in_the_way(world: &World) -> String {
    world.unpack(&archive(&[raw("x", b"1")])).unwrap_err().message.to_string()
}

#[test]
fn files_of_other_programs_are_left_alone() {
    let world = World::new();
    let work = world.at("a.zip.unpack");
    for mine in ["mine.txt", "fdsp-unpacking"] {
        fs::create_dir(&work).unwrap();
        fs::write(work.join(mine), "precious").unwrap();
        let said = in_the_way(&world);
        assert!(said.contains("a.zip.unpack is in the way: it holds something else"), "{said}");
        assert!(said.ends_with("; move it away"), "{said}");
        assert_eq!(fs::read(work.join(mine)).unwrap(), b"precious");
        fs::remove_dir_all(&work).unwrap();
    }
    // Also beside files of this program.
    fs::create_dir_all(work.join("fdsp-unpacking/d")).unwrap();
    fs::write(work.join("mine.txt"), "precious").unwrap();
    assert!(in_the_way(&world).contains("is in the way"));
    assert!(work.join("fdsp-unpacking/d").exists() && work.join("mine.txt").exists());
    fs::remove_dir_all(&work).unwrap();
    fs::write(&work, "precious").unwrap();
    assert!(in_the_way(&world).contains("is in the way"));
    assert_eq!(fs::read(&work).unwrap(), b"precious");
    assert!(!world.at("a").exists());
}

#[test]
fn a_path_that_is_too_long_for_the_system_is_deleted() {
    let deep = vec!["d".repeat(255); 16].join("/");
    let broken = Raw { crc: Some(1), ..raw("x", b"1234") };
    World::assert_refused(&archive(&[raw(deep + "/", b""), broken]), Integrity, "is broken");
}

#[test]
fn a_link_in_its_place_is_not_followed() {
    let world = World::new();
    symlink("..", world.at("a.zip.unpack")).unwrap();
    let said = in_the_way(&world);
    assert!(said.contains("a.zip.unpack is a symbolic link"), "{said}");
    assert_eq!(names(world.temporary.path()), ["in", "precious"]);
}

#[test]
fn the_work_directory_of_a_killed_process_is_deleted() {
    let world = World::new();
    let one = archive(&[raw("x", b"1")]);
    for left in ["", "fdsp-unpacking", "fdsp-unpacking/d"] {
        // Killed before or after it was unpacked.
        for _ in 0..2 {
            fs::create_dir_all(world.at("a.zip.unpack").join(left)).unwrap();
            if left.ends_with('d') {
                fs::write(world.at("a.zip.unpack/fdsp-unpacking/d/half"), "half").unwrap();
                symlink("../../../../precious", world.at("a.zip.unpack/fdsp-unpacking/d/link")).unwrap();
            }
            world.unpack(&one).unwrap();
            assert_eq!(names(&world.at("")), ["a", "a.zip"], "{left}");
            assert_eq!(world.tree("a").into_keys().collect::<Vec<_>>(), ["a/x"]);
            assert!(world.temporary.path().join("precious").exists());
        }
        fs::remove_dir_all(world.at("a")).unwrap();
    }
    // One that is in use is left alone.
    let other = UnpackDir::make(&world.folder, "a.zip".as_ref()).unwrap();
    assert!(in_the_way(&world).contains("another client is unpacking to"));
    drop(other);
    world.unpack(&one).unwrap();
}

#[test]
fn a_directory_of_another_user_in_a_shared_folder_is_refused() {
    use std::os::unix::fs::chown;
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives directories away");
        return;
    }
    let world = World::new();
    fs::create_dir(world.at("a.zip.unpack")).unwrap();
    chown(world.at("a.zip.unpack"), Some(1), None).unwrap();
    chown(world.at(""), Some(2), None).unwrap();
    fs::set_permissions(world.at(""), PermissionsExt::from_mode(0o1777)).unwrap();
    let said = in_the_way(&world);
    assert!(said.contains("a.zip.unpack belongs to another user"), "{said}");
    assert!(world.at("a.zip.unpack").exists());
}

#[test]
fn a_read_only_folder_gets_its_final_name() {
    let world = World::new();
    let bytes = archive(&[Raw { mode: 0o040_500, ..raw("d/", b"") }, raw("d/x", b"1")]);
    world.unpack(&bytes).unwrap();
    let metadata = fs::metadata(world.at("a")).unwrap();
    assert_eq!((metadata.mode() & 0o777, metadata.mtime()), (0o500, 1_763_856_000));
    assert_eq!(names(&world.at("")), ["a", "a.zip"]);
    fs::set_permissions(world.at("a"), PermissionsExt::from_mode(0o700)).unwrap();
}
