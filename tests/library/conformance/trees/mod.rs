//! Trees: the entries of a directory, and many of its files in one answer.

mod entries;
mod files;
mod load;

pub use entries::{
    after_an_entry, all_kinds_of_entries, links, of_a_missing_path_or_a_file, of_any_sizes, unreadable,
};
pub use files::{changed_before, changed_while_sent, confined, inside_a_block, known_digests, many_files};
pub use load::{beside_others, busy, client_leaves_during_work, disconnected, drained, requests_ahead};

use fdsp::{
    protocol::{
        client::Request,
        digest::Hash,
        error::Code,
        message::{TreeEntry, WantedFile},
    },
    server::{Arch, Limits},
};

use crate::conformance::{
    harness::{Served, noise, serve_with},
    peer::{Answer, Incoming, Peer, files},
};

const MIB: usize = 1 << 20;

/// More than all buffers of a connection hold.
const LARGE: usize = 48 << 20;

fn paths(entries: &[TreeEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

/// The content of a received file.
#[track_caller]
fn whole(answer: &Answer) -> &[u8] {
    match answer {
        Answer::Whole(_, bytes) => bytes,
        other => panic!("{other:?} for a file"),
    }
}

#[track_caller]
fn missed(answer: &Answer) -> Code {
    match answer {
        Answer::Missed(failure) => failure.code,
        other => panic!("{other:?} for a file that is not sent"),
    }
}

fn with_digest(path: &str, content: &[u8]) -> WantedFile {
    WantedFile { path: path.into(), digest: Some(Hash::of(content).to_string()), skip: 0 }
}

/// Requests three files, of which the second is large, and reads until some bytes of that are received.
fn begin(peer: &mut Peer) {
    peer.request(&Request::Files(files("tree", &["a", "large", "z"])));
    let mut started = 0;
    while started < 2 {
        match peer.next() {
            Incoming::File(_) => started += 1,
            Incoming::Data | Incoming::Block(_) | Incoming::Done(_) => {}
            other => panic!("{other:?} among files"),
        }
    }
    while !matches!(peer.next(), Incoming::Data) {}
}

fn served_large(arch: Arch, limits: Limits) -> Served {
    let served = serve_with(arch, None, limits);
    served.directory("tree");
    served.file("tree/a", b"a");
    served.file("tree/large", &noise(LARGE, 1));
    served.file("tree/z", b"the last one");
    served
}
