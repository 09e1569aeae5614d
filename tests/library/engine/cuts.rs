//! Connections that are cut after a few bytes: everything is received, and almost nothing is transferred twice.

use std::{
    fs,
    io::Write,
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering},
};

use fdsp::{
    client::{Config, Form, NewJob, TroubleKind},
    protocol::{
        client::Request,
        digest::{BlockDigest, BlockHasher},
        error::Code,
        message::{Content, Failure},
    },
};

use crate::engine::{
    proxy::{Fault, Proxy},
    scripted::{self, Session},
    support::{Client, MIB, Served, address, config, content},
};

/// Fetches over such a link, without a retry. Returns the transferred bytes, and the saved content.
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

/// At most 1.2 times the size at 400 kB, and 1.5 times at 40 kB.
fn costs(served: &Served, path: &str, form: Form) -> Vec<u8> {
    let (most, saved) = fetch(served, path, form, 400_000);
    assert!(most <= saved.len() * 12 / 10, "{path}: {most} of {}", saved.len());
    let (most, again) = fetch(served, path, form, 40_000);
    assert!(most <= saved.len() * 15 / 10, "{path}: {most} of {}", saved.len());
    assert!(saved == again, "{path}");
    saved
}

#[test]
fn a_file_of_any_size_is_received_over_cut_connections() {
    let served = Served::new();
    for (name, size) in [("large", 6_000_000), ("blocks", 3 * MIB), ("small", 900_000)] {
        served.write(name, &content(size, 1));
        assert!(costs(&served, name, Form::Auto) == content(size, 1), "{name}");
    }
}

#[test]
fn an_archive_is_received_over_cut_connections() {
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
fn a_sparse_file_stays_sparse_over_cut_connections() {
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

/// A comparison resumes after each cut; only the hashes of an incomplete frame are sent twice.
#[test]
fn a_comparison_resumes_after_each_cut() {
    const BLOCKS: usize = 60;
    let served = Served::new();
    let make = |path: &std::path::Path| {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len((BLOCKS * MIB - 1) as u64).unwrap();
    };
    make(&served.folder.path().join("a"));
    // The second time the server has all hashes cached, and would send them in one frame, longer than the cut.
    for hashes in ["computed", "cached"] {
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

/// The same for a large file of a tree.
#[test]
fn a_tree_comparison_resumes_after_each_cut() {
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

/// The file changes between two connections, once or each time: hashes of two versions are never mixed, and the local file is kept.
#[test]
fn a_file_changed_during_a_comparison_is_compared_again() {
    for endless in [false, true] {
        let bytes = content(3 * MIB, 9);
        let hash = |(index, block): (usize, &[u8])| {
            let mut hasher = BlockHasher::new(index as u64);
            hasher.update(block);
            hasher.finish()
        };
        let digests: Vec<BlockDigest> = bytes.chunks(MIB).enumerate().map(hash).collect();
        let changed = AtomicBool::new(false);
        let at = scripted::listen(move |_, stream| {
            let mut session = Session::new(stream);
            while let Some((id, Request::Hashes(get))) = session.request() {
                let ends = changed.load(Ordering::SeqCst) && !endless;
                let identity = if ends { "two" } else { "one" };
                if get.identity.is_some() {
                    changed.store(true, Ordering::SeqCst);
                    let message = "another version".to_owned();
                    let failure = Failure { code: Code::Changed, message, path: None, retry_after: None };
                    session.refuse(id, &failure);
                } else {
                    let content = Content { identity: identity.into(), ..scripted::file("a", 3 << 20) };
                    let mut writer = session.machine.hashes(id, &content, &mut session.out);
                    // The first version has another second block.
                    writer.push(&digests[..if ends { 3 } else { 1 }], &mut session.out);
                    if ends {
                        writer.end(identity, &mut session.out);
                    }
                }
                session.flush();
                if get.identity.is_none() && !ends {
                    return;
                }
            }
        });
        let mut client = Client::new(Config { retries: 0, ..config() });
        fs::write(client.path("a"), &bytes).unwrap();
        let job = client.job(at, "a");
        match client.run(job) {
            Ok(done) => assert_eq!((done.transferred, done.resumed, endless), (0, 3 << 20, false)),
            Err(trouble) => {
                assert_eq!((trouble.kind, endless), (TroubleKind::Integrity, true), "{trouble}");
                assert!(trouble.message.as_str().contains("changes during"), "{trouble}");
            }
        }
        assert_eq!(client.names(), ["a"]);
        assert!(fs::read(client.path("a")).unwrap() == bytes);
    }
}
