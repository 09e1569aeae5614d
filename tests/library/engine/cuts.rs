//! Links that cut each connection after a few bytes: everything arrives, and almost nothing crosses the link twice.

use std::{fs, io::Write, os::unix::fs::FileExt};

use fdsp::client::{Config, Form, NewJob};

use crate::engine::{
    proxy::{Fault, Proxy},
    support::{Client, MIB, Served, address, config, content},
};

/// Fetches over such a link, without a retry; the bytes that crossed the link, and what was saved.
fn fetch(served: &Served, path: &str, form: Form, cut: usize) -> (usize, Vec<u8>) {
    let proxy = Proxy::start(served.at(), vec![Fault::CutAfter(cut); 2000]);
    let mut client = Client::new(Config { retries: 1, ..config() });
    let job = NewJob { form, ..client.job_at(address(proxy.at(), path)) };
    let done = client.run(job).unwrap_or_else(|trouble| panic!("{path}, cut after {cut}: {trouble}"));
    assert_eq!(client.retries(), 0, "{path}, cut after {cut}");
    let saved = fs::read(done.path).unwrap();
    println!(
        "{path}, cut after {cut}: {} connections, {} of {}",
        proxy.connections(),
        proxy.passed(),
        saved.len()
    );
    (proxy.passed(), saved)
}

/// More than the size by a fifth at 400 kB, and by a half at 40 kB, is too much.
fn costs(served: &Served, path: &str, form: Form) -> Vec<u8> {
    let (most, saved) = fetch(served, path, form, 400_000);
    assert!(most <= saved.len() * 12 / 10, "{path}: {most} of {}", saved.len());
    let (most, again) = fetch(served, path, form, 40_000);
    assert!(most <= saved.len() * 15 / 10, "{path}: {most} of {}", saved.len());
    assert!(saved == again, "{path}");
    saved
}

#[test]
fn a_file_of_any_size_arrives() {
    let served = Served::new();
    for (name, size) in [("large", 6_000_000), ("blocks", 3 * MIB), ("small", 900_000)] {
        served.write(name, &content(size, 1));
        assert!(costs(&served, name, Form::Auto) == content(size, 1), "{name}");
    }
}

#[test]
fn an_archive_arrives() {
    let served = Served::new();
    served.write("z/one", &content(3_000_000, 1));
    served.write("z/two.png", &content(2_000_000, 2));
    let mut text = Vec::new();
    for number in 0..20_000 {
        writeln!(text, "{} line {number}", number * 7919 % 10_007).unwrap();
    }
    served.write("z/text", &text);
    let saved = costs(&served, "z", Form::Zip);
    let mut client = Client::quick();
    let whole = client.get(served.at(), "z").unwrap();
    assert!(fs::read(whole.path).unwrap() == saved);
}

/// Holes cost nothing, and the bytes that were received of blocks with data are kept.
#[test]
fn a_sparse_file_arrives_and_stays_sparse() {
    let served = Served::new();
    let file = fs::File::create(served.folder.path().join("a")).unwrap();
    file.set_len(40 * MIB as u64 + 5).unwrap();
    // A block and a half, then nothing, then the middle of a block.
    file.write_all_at(&content(3 * MIB / 2, 1), 0).unwrap();
    file.write_all_at(&content(1000, 2), 20 * MIB as u64 + 77).unwrap();
    if std::os::unix::fs::MetadataExt::blocks(&file.metadata().unwrap()) * 512 > 8 * MIB as u64 {
        return println!("skipped: there are no holes here");
    }
    let expected = fs::read(served.folder.path().join("a")).unwrap();
    for (cut, most) in [(400_000, 3 * MIB * 12 / 10), (40_000, 3 * MIB * 15 / 10)] {
        let (passed, saved) = fetch(&served, "a", Form::File, cut);
        assert!(saved == expected, "cut after {cut}");
        assert!(passed <= most, "cut after {cut}: {passed}");
    }
}

/// A comparison gets further with each connection, and only the hashes that a cut hits cross the link twice.
#[test]
fn a_comparison_gets_further_with_each_connection() {
    const BLOCKS: usize = 60;
    let served = Served::new();
    let make = |path: &std::path::Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len((BLOCKS * MIB - 1) as u64).unwrap();
    };
    make(&served.folder.path().join("a"));
    // The second time the server knows all hashes, and would send them in one frame, which no connection holds for.
    for hashes in ["made", "known"] {
        let proxy = Proxy::start(served.at(), vec![Fault::CutAfter(1000); 500]);
        let mut client = Client::new(Config { retries: 0, ..config() });
        make(&client.path("a"));
        let job = client.job(proxy.at(), "a");
        let done = client.run(job).unwrap();
        println!("{hashes}: {} connections, {} bytes", proxy.connections(), proxy.passed());
        assert_eq!((done.transferred, done.resumed), (0, (BLOCKS * MIB - 1) as u64));
        assert_eq!(client.retries(), 0);
        assert!(proxy.connections() > 2, "no connection was cut");
        assert!(proxy.passed() <= 30_000, "{} bytes", proxy.passed());
    }
}

/// So does the comparison of a large file of a tree.
#[test]
fn a_comparison_of_a_tree_gets_further_with_each_connection() {
    const SIZE: u64 = (65 * MIB) as u64;
    let served = Served::new();
    let make = |path: &std::path::Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len(SIZE).unwrap();
    };
    make(&served.folder.path().join("t/a"));
    let proxy = Proxy::start(served.at(), vec![Fault::CutAfter(1200); 500]);
    let mut client = Client::new(Config { retries: 0, ..config() });
    make(&client.path("t/a"));
    let job = client.job(proxy.at(), "t");
    let done = client.run(NewJob { form: Form::Tree, ..job }).unwrap();
    println!("{} connections, {} bytes", proxy.connections(), proxy.passed());
    assert_eq!((done.transferred, done.resumed, client.retries()), (0, SIZE, 0));
    assert!(proxy.connections() > 2, "no connection was cut");
    assert!(proxy.passed() <= 30_000, "{} bytes", proxy.passed());
}
