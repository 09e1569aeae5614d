//! What planning, making and listing cost: `cargo bench --bench storage`.

use std::{fs, hint::black_box, io::Write, path::Path, time::Duration};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
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
    let mut planner = open(path).archive("bench");
    loop {
        match planner.step().expect("nothing changes") {
            Planning::More(more) => planner = more,
            Planning::Done(plan) => return plan,
        }
    }
}

fn make(path: &Path) -> u64 {
    let mut stream = plan(path).stream();
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

fn many_files(c: &mut Criterion) {
    let folder = folder();
    for index in 0..10_000 {
        let directory = folder.path().join((index % 100).to_string());
        fs::create_dir_all(&directory).expect("room");
        fs::write(directory.join(format!("file {index}")), text(4096)).expect("room");
    }
    let mut group = c.benchmark_group("10,000 files of 4 KiB");
    group.throughput(Throughput::Elements(10_000)).sample_size(20).measurement_time(Duration::from_secs(8));
    group.bench_function("plan", |b| b.iter(|| plan(folder.path())));
    group.bench_function("archive", |b| b.iter(|| make(folder.path())));
    group.finish();
}

fn large_files(c: &mut Criterion) {
    const LENGTH: usize = 64 << 20;
    let mut group = c.benchmark_group("an archive of 64 MiB");
    group.throughput(Throughput::Bytes(LENGTH as u64)).sample_size(10);
    for (name, content) in [("text", text(LENGTH)), ("noise", noise(LENGTH)), ("zeros", vec![0; LENGTH])] {
        let folder = folder();
        fs::write(folder.path().join(name), content).expect("room");
        group.bench_function(name, |b| b.iter(|| make(folder.path())));
    }
    group.finish();
}

fn listing(c: &mut Criterion) {
    let mut group = c.benchmark_group("a page of 500 entries");
    group.sample_size(20);
    for count in [500, 10_000, 100_000] {
        let folder = folder();
        for index in 0..count {
            fs::write(folder.path().join(format!("entry {index}")), "").expect("room");
        }
        group.bench_function(format!("of {count}"), |b| {
            b.iter(|| {
                let directory = open(folder.path());
                let mut page = directory.page(Some("entry 4"), 500, Default::default()).expect("it is there");
                loop {
                    match page.step().expect("nothing changes") {
                        Paging::More(further) => page = further,
                        Paging::Done(entries) => break entries,
                    }
                }
            })
        });
    }
    group.finish();
}

criterion_group!(benches, many_files, large_files, listing);
criterion_main!(benches);
