//! What is unpacked, and what is not: archives of every kind of malice, made byte by byte.

mod unpack_dir;

use std::{
    cell::Cell,
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    io::Write,
    os::fd::AsFd,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
    sync::Arc,
};

use crate::{
    client::{
        api::view::Trouble,
        disk::{folder::Folders, name::folding::Folding},
        error::Verdict,
        job::extract::*,
    },
    fuzzing::{Fuzz, assert_harmless, shape},
};
/// An entry as it is to stand in an archive; lies go where they are told.
#[derive(Clone)]
struct Raw {
    name: Vec<u8>,
    /// The name in the local header.
    local: Option<Vec<u8>>,
    content: Vec<u8>,
    /// What is said of it.
    size: Option<u32>,
    crc: Option<u32>,
    method: u16,
    flags: u16,
    mode: u32,
    /// Where another entry's header is that stands for this one's.
    shared: Option<usize>,
    /// The system that it was made on.
    system: u8,
}

fn raw(name: impl AsRef<[u8]>, content: &[u8]) -> Raw {
    let name = name.as_ref().to_vec();
    let mode = if name.ends_with(b"/") { 0o040_755 } else { 0o100_644 };
    Raw {
        name,
        local: None,
        content: content.to_vec(),
        size: None,
        crc: None,
        method: 0,
        flags: 0x800,
        mode,
        shared: None,
        system: 3,
    }
}

fn deflated(name: &str, content: &[u8]) -> Raw {
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).unwrap();
    let packed = packer.finish().unwrap();
    Raw {
        size: Some(u32::try_from(content.len()).unwrap()),
        crc: Some(crc32fast::hash(content)),
        method: 8,
        ..raw(name, &packed)
    }
}

fn archive(entries: &[Raw]) -> Vec<u8> {
    let (mut bytes, mut directory, mut begins) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        let crc = entry.crc.unwrap_or_else(|| crc32fast::hash(&entry.content));
        let packed = u32::try_from(entry.content.len()).unwrap();
        let size = entry.size.unwrap_or(packed);
        let mut facts = Vec::new();
        for word in [20, entry.flags, entry.method, 0, 0x5b77] {
            facts.extend(word.to_le_bytes());
        }
        for word in [crc, packed, size] {
            facts.extend(word.to_le_bytes());
        }
        let begin = match entry.shared {
            Some(other) => begins[other],
            None => bytes.len(),
        };
        begins.push(begin);
        if entry.shared.is_none() {
            let name = entry.local.as_ref().unwrap_or(&entry.name);
            bytes.extend(b"PK\x03\x04");
            bytes.extend(&facts);
            bytes.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            bytes.extend([0; 2]);
            bytes.extend(name);
            bytes.extend(&entry.content);
        }
        directory.extend(b"PK\x01\x02\x14");
        directory.push(entry.system);
        directory.extend(&facts);
        directory.extend(u16::try_from(entry.name.len()).unwrap().to_le_bytes());
        directory.extend([0; 8]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend(u32::try_from(begin).unwrap().to_le_bytes());
        directory.extend(&entry.name);
    }
    let (begin, length) = (bytes.len(), directory.len());
    bytes.extend(directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    let count = u16::try_from(entries.len()).unwrap();
    bytes.extend([count, count].map(u16::to_le_bytes).concat());
    bytes.extend([length, begin].map(|number| u32::try_from(number).unwrap().to_le_bytes()).concat());
    bytes.extend([0; 2]);
    bytes
}

fn names(path: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A folder to unpack in, beside which nothing may appear.
struct World {
    temporary: tempfile::TempDir,
    folder: Arc<Folder>,
}

impl World {
    fn new() -> World {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("in")).unwrap();
        fs::write(temporary.path().join("precious"), "precious").unwrap();
        let folder = Folders::default().open(&temporary.path().join("in")).unwrap();
        World { temporary, folder }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.temporary.path().join("in").join(path)
    }

    fn with(&self, existing: Existing, limits: Extract) -> Archive<'_> {
        Archive {
            folder: &self.folder,
            name: OsStr::new("a.zip"),
            limits,
            names: Names::Exact,
            existing,
            sync: false,
        }
    }

    fn unpack_as(
        &self,
        bytes: &[u8],
        existing: Existing,
        limits: Extract,
    ) -> Result<std::path::PathBuf, Trouble> {
        fs::write(self.at("a.zip"), bytes).unwrap();
        World::unpacked(&self.with(existing, limits)).map(|unpacked| unpacked.folder)
    }

    fn unpacked(archive: &Archive<'_>) -> Result<Unpacked, Trouble> {
        archive.unpack(|| true).map_err(|unfinished| match unfinished {
            Unfinished::Fault(fault) => {
                assert_eq!(fault.verdict, Verdict::Never);
                fault.trouble
            }
            Unfinished::Stopped => panic!("it was not stopped"),
        })
    }

    /// Unpacks it where nothing is yet: what is there then, and what is missing and why.
    fn left_out(bytes: &[u8], accepted: Names) -> (Vec<String>, Vec<(String, String)>) {
        let world = World::new();
        fs::write(world.at("a.zip"), bytes).unwrap();
        let archive = Archive { names: accepted, ..world.with(Existing::Keep, Extract::default()) };
        let Unpacked { missing, .. } = World::unpacked(&archive).unwrap();
        assert_eq!(names(&world.at("")), ["a", "a.zip"]);
        assert_eq!(names(world.temporary.path()), ["in", "precious"]);
        // Once more: it is there already, and the same is missing.
        assert_eq!(World::unpacked(&archive).unwrap().missing, missing);
        let missing = missing.entries.into_iter().map(|entry| (entry.path, entry.reason)).collect();
        (world.tree("a").into_keys().collect(), missing)
    }

    fn unpack(&self, bytes: &[u8]) -> Result<std::path::PathBuf, Trouble> {
        self.unpack_as(bytes, Existing::Keep, Extract::default())
    }

    /// Nothing is there but the archive.
    fn assert_nothing(&self, what: &str) {
        assert_eq!(names(&self.at("")), ["a.zip"], "{what}");
        assert_eq!(names(self.temporary.path()), ["in", "precious"], "{what}");
        assert_eq!(fs::read(self.temporary.path().join("precious")).unwrap(), b"precious", "{what}");
    }

    #[track_caller]
    fn assert_refused(bytes: &[u8], kind: TroubleKind, why: &str) {
        World::assert_refused_within(bytes, Extract::default(), kind, why);
    }

    #[track_caller]
    fn assert_refused_within(bytes: &[u8], limits: Extract, kind: TroubleKind, why: &str) {
        let world = World::new();
        let trouble = world.unpack_as(bytes, Existing::Keep, limits).unwrap_err();
        let said = trouble.message.as_str();
        assert_eq!(trouble.kind, kind, "{said}");
        assert!(said.contains("a.zip is kept and not unpacked") && said.contains(why), "{why}: {said}");
        world.assert_nothing(said);
    }

    /// All files below a folder, by their paths.
    fn tree(&self, path: &str) -> BTreeMap<String, Vec<u8>> {
        let mut all = BTreeMap::new();
        let mut rest = vec![self.at(path)];
        while let Some(next) = rest.pop() {
            for entry in fs::read_dir(&next).unwrap().map(Result::unwrap) {
                let path = entry.path();
                if path.is_dir() {
                    rest.push(path);
                } else {
                    let name = path.strip_prefix(self.at("")).unwrap().to_str().unwrap().to_owned();
                    all.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        all
    }
}

use TroubleKind::{Disk, Integrity};

#[test]
fn what_an_archive_holds_is_there_afterwards() {
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
    // 2025-11-23 00:00:00, as the field of old says it.
    assert_eq!(metadata.mtime(), 1_763_856_000);
    assert!(world.at("a.zip").exists(), "the archive stays");
    // Once more: it is there already.
    assert_eq!(world.unpack(&bytes).unwrap(), world.folder.join("a".as_ref()));
    assert_eq!(fs::read_dir(world.at("")).unwrap().count(), 2);
}

#[test]
fn several_things_at_the_top_share_a_folder() {
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
    // What its owner could not look at could not be compared, either, nor removed.
    assert_eq!(fs::metadata(world.at("a/shut")).unwrap().mode() & 0o777, 0o500);
    assert_eq!(fs::metadata(world.at("a/shut/file")).unwrap().mode() & 0o777, 0o400);
    fs::set_permissions(world.at("a/shut"), PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn hostile_names_are_left_out() {
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
    // Nor do they lead elsewhere with substitutes.
    for name in ["../x", "d/..", "./x", "/etc/x", "a//b", "", "a\0b", "a\x00E9"] {
        let (there, missing) =
            World::left_out(&archive(&[raw("ok", b"x"), raw(name, b"x")]), Names::Portable);
        assert_eq!((there, missing.len()), (vec!["a/ok".to_owned()], 1), "{name:?}");
    }
}

/// A name that is not UTF-8 has the bytes that it has, or is read as the old code page of another system has it.
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
fn names_that_mean_more_on_other_systems_are_names_here() {
    for name in ["..\\x", "d\\x", "\\\\server\\x", "C:/x", "c:x", "dot.", "aux"] {
        let world = World::new();
        world.unpack(&archive(&[raw("ok", b""), raw(name, b"x")])).unwrap();
        let content = fs::read(world.at("a").join(name));
        assert_eq!(content.unwrap_or_default(), b"x", "{name}: {:?}", names(&world.at("a")));
    }
}

#[test]
fn refusals_show_no_byte_that_acts() {
    let (_, missing) = World::left_out(&archive(&[raw("x\u{1b}]0;evil\u{7}/\u{202e}", b"x")]), Names::Exact);
    assert!(!missing[0].0.contains(crate::text::is_unsafe), "{missing:?}");
}

#[test]
fn names_that_are_there_twice_are_refused() {
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
fn names_of_other_systems_have_substitutes_if_that_is_wanted() {
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
fn what_the_file_system_cannot_hold_is_left_out() {
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
        let any = contents.leave_out(&folder, folder.handle.as_fd(), folding);
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

#[test]
fn links_and_devices_are_left_out() {
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

/// Another user owns a folder in a folder where several users may put something, and could change what is in it.
#[test]
fn a_folder_of_another_user_is_not_what_an_archive_holds() {
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
fn a_link_in_the_way_is_not_followed() {
    let world = World::new();
    symlink("..", world.at("a")).unwrap();
    fs::write(world.at("a.zip"), archive(&[raw("x", b"x")])).unwrap();
    let Err(Unfinished::Fault(fault)) = world.with(Existing::Keep, Extract::default()).unpack(|| true) else {
        panic!("it was unpacked")
    };
    assert_eq!(fault.trouble.kind, Disk);
    assert!(!world.temporary.path().join("x").exists());
    // Nor is one where something is compared.
    fs::remove_file(world.at("a")).unwrap();
    fs::create_dir(world.at("a")).unwrap();
    symlink("../../precious", world.at("a/x")).unwrap();
    let trouble = world.unpack(&archive(&[raw("x", b"precious")])).unwrap_err();
    assert!(trouble.message.as_str().contains("differs from a.zip in x"), "{trouble}");
}

#[test]
fn lies_about_sizes_are_refused() {
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
    // Entries that lie over each other, all of them the same bytes.
    let core = deflated("0", &vec![0; 1 << 20]);
    let mut entries = vec![core.clone()];
    for n in 1..50 {
        let name = n.to_string().into_bytes();
        entries.push(Raw { name, shared: Some(0), local: Some(b"0".to_vec()), ..core.clone() });
    }
    World::assert_refused(&archive(&entries), Integrity, "");
    let same = Raw { name: b"0".to_vec(), shared: Some(0), ..core.clone() };
    World::assert_refused(&archive(&[core, same]), Integrity, "");
    // Much from little, as far as anybody may ask for.
    let limits = |entries, bytes, ratio| Extract { entries, bytes, ratio };
    let large = deflated("", &vec![0; 40 << 20]);
    let many: Vec<_> = (0..30).map(|n: u32| Raw { name: n.to_string().into(), ..large.clone() }).collect();
    World::assert_refused(&archive(&many), Disk, "as a zip bomb does; if it is not one, raise extract_ratio");
    let two = archive(&[raw("a", b"12"), raw("b", b"34")]);
    World::assert_refused_within(&two, limits(1, None, 200), Disk, "extract_entries allows 1");
    World::assert_refused_within(&two, limits(2, Some(3), 200), Disk, "more than extract_bytes allows");
    // What paths imply is made, too: a folder that several share, once.
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
    // One in another is a file like any.
    let world = World::new();
    world.unpack(&archive(&[raw("inner.zip", &two)])).unwrap();
    assert_eq!(world.tree("a").into_keys().collect::<Vec<_>>(), ["a/inner.zip"]);
}

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [&b""[..], b"PK", b"PK\x05\x06", &[0; 1000]] {
        World::assert_refused(bytes, Integrity, "");
    }
    let whole = archive(&[raw("x", b"1234"), deflated("y", &[7; 1000])]);
    for length in 0..whole.len() {
        World::assert_refused(&whole[..length], Integrity, "");
    }
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
fn whoever_stops_it_finds_nothing() {
    let world = World::new();
    let bytes = archive(&[deflated("x", &vec![1; 1 << 20]), deflated("y", &vec![2; 1 << 20])]);
    fs::write(world.at("a.zip"), bytes).unwrap();
    let mut finished = false;
    for allowed in 0..100 {
        let asked = Cell::new(0);
        let go_on = || {
            asked.set(asked.get() + 1);
            asked.get() <= allowed
        };
        match world.with(Existing::Keep, Extract::default()).unpack(go_on) {
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

/// Whatever an archive is made to say, nothing appears outside its folder.
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
            // Before that stands the name of a temporary folder.
            shape(said.rsplit(" not unpacked: ").next().unwrap_or(&said))
        })
    });
}
