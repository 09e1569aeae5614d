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
