//! What is unpacked, and what is not: archives that are made byte by byte.

mod hostile;
mod names;
mod unpack_dir;
mod unpacked;

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
        api::views::view::Trouble,
        disk::{folder::Folders, name::folding::Folding},
        error::Verdict,
        job::extract::*,
    },
    fuzzing::{Fuzz, assert_harmless, shape},
};
/// An entry of an archive. Each header field can be false.
#[derive(Clone)]
struct Raw {
    name: Vec<u8>,
    /// The name in the local header.
    local: Option<Vec<u8>>,
    content: Vec<u8>,
    /// False header fields.
    size: Option<u32>,
    crc: Option<u32>,
    method: u16,
    flags: u16,
    mode: u32,
    /// The index of another entry whose header this one shares.
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

/// A folder to unpack in. Nothing may be created beside it.
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

    /// Unpacks it into an empty folder. Returns what exists then, and what is missing and why.
    fn left_out(bytes: &[u8], accepted: Names) -> (Vec<String>, Vec<(String, String)>) {
        let world = World::new();
        fs::write(world.at("a.zip"), bytes).unwrap();
        let archive = Archive { names: accepted, ..world.with(Existing::Keep, Extract::default()) };
        let Unpacked { missing, .. } = World::unpacked(&archive).unwrap();
        assert_eq!(names(&world.at("")), ["a", "a.zip"]);
        assert_eq!(names(world.temporary.path()), ["in", "precious"]);
        // Once more: it exists already, and the same is missing.
        assert_eq!(World::unpacked(&archive).unwrap().missing, missing);
        let missing = missing.entries.into_iter().map(|entry| (entry.path, entry.reason)).collect();
        (world.tree("a").into_keys().collect(), missing)
    }

    fn unpack(&self, bytes: &[u8]) -> Result<std::path::PathBuf, Trouble> {
        self.unpack_as(bytes, Existing::Keep, Extract::default())
    }

    /// Nothing exists but the archive.
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
