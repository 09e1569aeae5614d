//! The memory of both ends, as whole programs: it does not grow with the size of a transfer.

use std::{fs::File, net::TcpListener};

use crate::shared::{
    effort::{at_most, large},
    program::{Home, Running, Service},
};

const MIB: u64 = 1 << 20;
/// The most memory that either side may use.
const BOUND: u64 = 32 * MIB;

/// Fetches `path` from a folder that `fill` has filled. Returns the peak memory of server and client.
fn peaks(fill: impl FnOnce(&Home), path: &str, bytes: impl FnOnce(u64) -> bool) -> (u64, u64) {
    let home = Home::new();
    fill(&home);
    let mut service = Service::start(&home, &home.path().join("served"), "");
    // A second download that never gets an answer keeps the client running, so that it can be measured.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let next = format!("fdsp+plain://{}/next", silent.local_addr().expect("an address"));
    let mut client =
        Running::start(home.command(["--json", "--no-sync", "-j", "1", &service.at(path), &next]));
    let done = client.stdout().event("done");
    assert!(done["bytes"].as_u64().is_some_and(bytes), "{done}");
    (service.process.peak_memory(), client.peak_memory())
}

fn is_bounded((server, client): (u64, u64)) {
    assert!(server < BOUND && client < BOUND, "server {} MiB, client {} MiB", server / MIB, client / MIB);
}

/// 5 GiB with `FDSP_LARGE`; the bound is far below both sizes.
#[test]
fn memory_does_not_grow_with_the_size_of_a_file() {
    let size: u64 = if large() { 5 << 30 } else { 512 << 20 };
    let free = rustix::fs::statvfs(std::env::temp_dir()).expect("a file system");
    if free.f_bavail * free.f_frsize < size + size / 4 {
        return eprintln!("skipped: {size} bytes have no room in {}", std::env::temp_dir().display());
    }
    is_bounded(peaks(
        |home| {
            home.write("served/first", b"");
            let sparse = File::create(home.path().join("served/large.bin")).expect("made");
            sparse.set_len(size).expect("sparse");
        },
        "large.bin",
        |bytes| bytes == size,
    ));
}

#[test]
fn memory_does_not_grow_with_the_size_of_an_archive() {
    let count = at_most(4_000, 10_000);
    is_bounded(peaks(
        |home| {
            for number in 0..count {
                home.write(&format!("served/many/{}/{number}.txt", number % 100), format!("file {number}\n"));
            }
        },
        "many",
        |bytes| bytes > 0,
    ));
}
