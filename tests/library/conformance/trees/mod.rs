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
    peer::{Answer, Came, Peer, files},
};

const MIB: usize = 1 << 20;

/// More than all buffers on the way hold.
const LARGE: usize = 48 << 20;

fn paths(entries: &[TreeEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

/// The content of a file that came.
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
        other => panic!("{other:?} for a file that does not come"),
    }
}

fn with_digest(path: &str, content: &[u8]) -> WantedFile {
    WantedFile { path: path.into(), digest: Some(Hash::of(content).to_string()), skip: 0 }
}

/// Asks for three files, of which the second is a large one, and reads until some of that has come.
fn begin(peer: &mut Peer) {
    peer.request(&Request::Files(files("tree", &["a", "large", "z"])));
    let mut begun = 0;
    while begun < 2 {
        match peer.next() {
            Came::File(_) => begun += 1,
            Came::Data | Came::Block(_) | Came::Done(_) => {}
            other => panic!("{other:?} among files"),
        }
    }
    while !matches!(peer.next(), Came::Data) {}
}

fn served_large(arch: Arch, limits: Limits) -> Served {
    let served = serve_with(arch, None, limits);
    served.directory("tree");
    served.file("tree/a", b"a");
    served.file("tree/large", &noise(LARGE, 1));
    served.file("tree/z", b"the last one");
    served
}
