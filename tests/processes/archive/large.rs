//! Archives beyond the limits of the classic format, and their memory.

use fdsp::storage::archive::Stream;
use std::{
    fs::{self, File},
    io::{self, Seek, SeekFrom, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
};

use crate::{
    archive::{
        Folder, alone, copy, has, noise,
        oracles::{self, all_agree},
        text,
    },
    shared::effort::{at_most, large},
};

/// A file that has holes where zeros are written.
struct Sparse(File);

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
        if bytes.chunks(ZEROS.len()).all(|chunk| *chunk == ZEROS[..chunk.len()]) {
            self.0.seek(SeekFrom::Current(bytes.len() as i64))?;
            return Ok(bytes.len());
        }
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file of this number of zeros and a word at its end.
fn sparse(path: &Path, length: u64) {
    let file = File::create(path).unwrap();
    file.set_len(length).unwrap();
    file.write_all_at(b"the end", length - 7).unwrap();
}

#[test]
fn many_files() {
    let folder = Folder::in_memory();
    let count = at_most(3_000, 10_000);
    for index in 0..count {
        folder.file(format!("{}/file {index}", index % 30), text(index % 700));
    }
    let (archive, sources) = folder.archive();
    assert_eq!((sources.files, sources.directories), (count as u64, 31));
    all_agree(&archive, &folder.dir(), "d");
}

#[test]
fn more_entries_than_the_end_record_can_count() {
    let folder = Folder::in_memory();
    for directory in 0..66 {
        let path = folder.dir().join(directory.to_string());
        fs::create_dir(&path).unwrap();
        for index in 0..1000 {
            File::create(path.join(index.to_string())).unwrap();
        }
    }
    let (archive, sources) = folder.archive();
    assert_eq!((sources.files, sources.directories), (66_000, 67));
    if large() {
        return all_agree(&archive, &folder.dir(), "d");
    }
    let on_disk = oracles::on_disk(&folder.dir(), "d", oracles::blake3);
    assert_eq!(oracles::zip_crate(&archive).unwrap(), on_disk);
    if let Some(said) = oracles::unzip(&archive, None) {
        said.unwrap();
    }
}

#[test]
fn a_stored_file_over_4_gib_and_one_after_it() {
    let folder = Folder::in_memory();
    let length = (1 << 32) + 12_345;
    sparse(&folder.dir().join("a.mkv"), length);
    folder.file("b", text(200_000));
    let plan = folder.plan().unwrap();
    assert_eq!(plan.size(), None);
    let path = folder.temporary.path().join("d.zip");
    let mut file = Sparse(File::create(&path).unwrap());
    copy(&mut Stream::new(plan), &mut file).unwrap();
    // The other entry is after the first one.
    if let Some(said) = oracles::unzip(&path, (!large()).then_some("d/b")) {
        said.unwrap();
    }
    let mut archive = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(archive.by_name("d/a.mkv").unwrap().size(), length);
    let mut after = Vec::new();
    io::copy(&mut archive.by_name("d/b").unwrap(), &mut after).unwrap();
    assert!(after == text(200_000));
}

#[test]
fn a_deflated_file_over_4_gib() {
    let folder = Folder::in_memory();
    sparse(&folder.dir().join("disk image"), (1 << 32) + 12_345);
    let (archive, sources) = folder.archive();
    assert!(fs::metadata(&archive).unwrap().len() < sources.bytes / 100);
    let file = File::open(&archive).unwrap();
    assert_eq!(
        zip::ZipArchive::new(file).unwrap().by_name("d/disk image").unwrap().size(),
        (1 << 32) + 12_345
    );
    if large() && has("python3") {
        let python = Command::new("python3").args(["-m", "zipfile", "-t"]).arg(&archive).output().unwrap();
        let said = String::from_utf8_lossy(&python.stdout) + String::from_utf8_lossy(&python.stderr);
        assert!(python.status.success() && said.contains("Done testing"), "{said}");
    }
}

/// Content that deflates to almost nothing must not block an event loop.
#[test]
fn a_read_does_a_bounded_amount_of_work() {
    let folder = Folder::in_memory();
    sparse(&folder.dir().join("zeros"), 64 << 20);
    let mut stream = Stream::new(folder.plan().unwrap());
    let mut buffer = vec![0; 256 * 1024];
    let mut most = 0;
    while !stream.finished() {
        let before = stream.position();
        stream.read(&mut buffer).unwrap();
        most = most.max(stream.position() - before);
    }
    assert!(most <= 2 << 20, "{most} bytes of a source in one read");
}

#[test]
fn a_tree_deeper_than_the_longest_path() {
    let folder = Folder::in_memory();
    // Created relative to handles, since its path is too long: 6,000 bytes.
    let segment = "s".repeat(199);
    let mut handle = rustix::fs::open(folder.dir(), rustix::fs::OFlags::DIRECTORY, 0.into()).unwrap();
    for _ in 0..30 {
        rustix::fs::mkdirat(&handle, &*segment, 0o755.into()).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        handle = rustix::fs::openat(&handle, &*segment, flags, 0.into()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    let file = rustix::fs::openat(&handle, "file", flags, 0o644.into()).unwrap();
    File::from(file).write_all(b"deep").unwrap();
    let (archive, sources) = folder.archive();
    assert_eq!((sources.files, sources.directories), (1, 31));
    let entries = oracles::zip_crate(&archive).unwrap();
    let name = format!("d/{}file", format!("{segment}/").repeat(30));
    assert_eq!(entries[&name].digest, oracles::blake3(b"deep"));
    // No path can name it for its removal either.
    drop(handle);
    let removed = Command::new("rm").arg("-rf").arg(folder.dir()).status().unwrap();
    assert!(removed.success());
}

/// Planning and sending 10,000 files, some of them large, in a process of its own.
#[test]
fn memory_is_bounded() {
    if !alone("archive::large::memory_is_bounded", |_| {}) {
        return;
    }
    let folder = Folder::in_memory();
    for index in 0..10_000_usize {
        folder.file(format!("{}/a name of common length {index}.txt", index % 10), text(index % 300));
    }
    sparse(&folder.dir().join("large"), 64 << 20);
    folder.file("noise", noise(1, 1 << 20));
    let resident = |field: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u64>().unwrap()
    };
    let before = resident("VmRSS:");
    // Restart the count.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let mut stream = Stream::new(folder.plan().unwrap());
    copy(&mut stream, &mut io::sink()).unwrap();
    let grown = resident("VmHWM:").saturating_sub(before);
    eprintln!("{grown} KiB for 10,002 files");
    assert!(grown < 8 * 1024, "{grown} KiB");
}
