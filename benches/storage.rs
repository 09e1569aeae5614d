//! What planning, making and listing cost: `cargo bench --bench storage`.

use std::{fs, hint::black_box, io::Write, path::Path};

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use fdsp::storage::archive::Planner;
use fdsp::storage::archive::Stream;
use fdsp::storage::page::Page;
use fdsp::{
    protocol::path::RemotePath,
    storage::{
        archive::{Plan, Planning},
        page::Paging,
        root::{Directory, Node, Policy, Root},
    },
};

/// Where the files of a benchmark are: in memory, so that it is not the disk that is measured.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

fn open(path: &Path) -> Directory {
    let root = Root::open(path, Policy::default()).expect("the folder is there");
    match root.open_node(&RemotePath::default()) {
        Ok(Node::Directory(directory)) => directory,
        other => panic!("the root is a directory, and not {other:?}"),
    }
}

fn plan(path: &Path) -> Plan {
    let mut planner = Planner::new(open(path), "bench");
    loop {
        match planner.step().expect("nothing changes") {
            Planning::More(more) => planner = more,
            Planning::Done(plan) => return plan,
        }
    }
}

fn make(path: &Path) -> u64 {
    let mut stream = Stream::new(plan(path));
    let mut buffer = vec![0; 256 * 1024];
    let mut length = 0;
    while !stream.finished() {
        length += black_box(stream.read(&mut buffer).expect("nothing changes")) as u64;
    }
    length
}

/// Numbered lines of words: deflates to about a quarter, as prose and logs do.
fn text(length: usize) -> Vec<u8> {
    const WORDS: [&str; 12] = [
        "served", "folder", "archive", "because", "the", "of", "a", "stream", "which", "identity", "and",
        "every",
    ];
    let mut text = Vec::with_capacity(length + 64);
    let mut state = 7_usize;
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = WORDS[(state >> 33) % WORDS.len()];
        if state >> 60 == 0 {
            writeln!(text, "{word} {}.", state >> 44).expect("a Vec takes any text");
        } else {
            write!(text, "{word} ").expect("a Vec takes any text");
        }
    }
    text.truncate(length);
    text
}

fn noise(length: usize) -> Vec<u8> {
    let mut noise = vec![0; length];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

#[divan::bench_group(name = "10,000 files of 4 KiB", sample_count = 20)]
mod many_files {
    use super::*;

    const COUNT: u32 = 10_000;

    fn many() -> tempfile::TempDir {
        let folder = folder();
        for index in 0..COUNT {
            let directory = folder.path().join((index % 100).to_string());
            fs::create_dir_all(&directory).expect("room");
            fs::write(directory.join(format!("file {index}")), text(4096)).expect("room");
        }
        folder
    }

    #[divan::bench]
    fn planned(bencher: Bencher<'_, '_>) {
        let folder = many();
        bencher.counter(ItemsCount::new(COUNT)).bench(|| plan(folder.path()));
    }

    #[divan::bench]
    fn archived(bencher: Bencher<'_, '_>) {
        let folder = many();
        bencher.counter(ItemsCount::new(COUNT)).bench(|| make(folder.path()));
    }
}

#[divan::bench(name = "an archive of 64 MiB", args = ["text", "noise", "zeros"], sample_count = 10)]
fn large_file(bencher: Bencher<'_, '_>, of: &str) {
    const LENGTH: usize = 64 << 20;
    let content = match of {
        "text" => text(LENGTH),
        "noise" => noise(LENGTH),
        _ => vec![0; LENGTH],
    };
    let folder = folder();
    fs::write(folder.path().join(of), content).expect("room");
    bencher.counter(BytesCount::new(LENGTH)).bench(|| make(folder.path()));
}

#[divan::bench(name = "a page of 500 entries", args = [500, 10_000, 100_000], sample_count = 20)]
fn listing(bencher: Bencher<'_, '_>, of: usize) {
    let folder = folder();
    for index in 0..of {
        fs::write(folder.path().join(format!("entry {index}")), "").expect("room");
    }
    bencher.bench(|| {
        let directory = open(folder.path());
        let mut page = Page::new(directory, Some("entry 4"), 500, Default::default()).expect("it is there");
        loop {
            match page.step().expect("nothing changes") {
                Paging::More(further) => page = further,
                Paging::Done(entries) => break entries,
            }
        }
    });
}

fn main() {
    divan::main();
}
