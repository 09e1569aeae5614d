//! The root that a server sends: content of several answers is compared with it.

use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use fdsp::{
    client::{Config, Finished, Trouble, TroubleKind},
    protocol::{
        client::Request,
        digest::{BLOCK_SIZE, Hash},
        error::Code,
        message::{Content, Failure, Get},
        server::{Ending, Filled},
    },
};

use crate::engine::{
    scripted::{Session, file, listen},
    support::{Client, MIB, config, content},
};

const SIZE: usize = 2 * MIB + 5;

/// A server whose first connection ends after a block, which may be of another content; if it `breaks`, so does each answer from the first
/// block on. After that it sends `root` on request. Returns the result of a fetch, and the requests.
fn fetch(
    first: u64,
    breaks: bool,
    root: impl Fn(usize) -> Option<Hash> + Send + Sync + 'static,
) -> (Result<Finished, Trouble>, Vec<Get>, Client) {
    let (requests, asked) = (Arc::new(Mutex::new(Vec::new())), AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    let at = listen(move |number, stream| {
        let mut session = Session::new(stream);
        while let Some((id, request)) = session.request() {
            let Request::Get(get) = request else {
                let failure = Failure {
                    code: Code::Unsupported,
                    message: String::new(),
                    path: None,
                    retry_after: None,
                };
                session.refuse(id, &failure);
                session.flush();
                continue;
            };
            seen.lock().unwrap().push(get.clone());
            let bytes = content(SIZE, if number == 0 { first } else { 1 });
            let from = get.first_block as usize * MIB;
            let to = get.blocks.map_or(SIZE, |blocks| SIZE.min(from + (blocks * BLOCK_SIZE) as usize));
            let broken = number == 0 || breaks && from == 0;
            let to = if broken { MIB } else { to };
            let head = Content { first_block: get.first_block, ..file("a", SIZE as u64) };
            let mut writer = session.machine.content(id, &head, &mut session.out);
            let mut offset = from;
            while offset < to {
                let fill = |place: &mut [u8]| -> Result<Filled, std::convert::Infallible> {
                    let count = place.len().min(to - offset);
                    place[..count].copy_from_slice(&bytes[offset..offset + count]);
                    offset += count;
                    Ok(Filled { bytes: count, position: offset as u64 })
                };
                writer.data(&mut session.out, fill).unwrap();
            }
            if !broken {
                let root = get.root.then(|| root(asked.fetch_add(1, Ordering::SeqCst))).flatten();
                let ending = Ending { missing: None, root };
                writer.end_with("one", to as u64, to == SIZE, ending, &mut session.out);
            }
            session.flush();
            if broken {
                return;
            }
        }
    });
    let mut client = Client::new(Config { retries: 2, ..config() });
    let ended = client.get(at, "a");
    let requests = requests.lock().unwrap().clone();
    (ended, requests, client)
}

fn right(ended: &Result<Finished, Trouble>) {
    let done = ended.as_ref().unwrap_or_else(|trouble| panic!("{trouble}"));
    assert!(fs::read(&done.path).unwrap() == content(SIZE, 1));
    assert_eq!(done.blake3, Hash::of(&content(SIZE, 1)).to_string());
}

#[test]
fn a_matching_root_completes_the_download() {
    let (ended, requests, _client) = fetch(1, false, |_| Some(Hash::of(&content(SIZE, 1))));
    right(&ended);
    assert!(requests.iter().any(|get| get.root && get.first_block > 0), "{requests:?}");
    assert!(requests.iter().all(|get| get.blocks != Some(0)), "it was sent with the content: {requests:?}");
    assert_eq!(ended.unwrap().transferred, SIZE as u64);
}

/// A server without roots, or an older one. The client requests the root once more when all blocks are complete.
#[test]
fn without_a_root_the_verified_blocks_complete_the_download() {
    let (ended, requests, _client) = fetch(1, false, |_| None);
    right(&ended);
    let last = requests.last().unwrap();
    assert!(last.root && last.blocks == Some(0), "{requests:?}");
    assert_eq!(ended.unwrap().transferred, SIZE as u64);
}

#[test]
fn blocks_of_another_content_are_detected_and_fetched_again() {
    let (ended, _, client) = fetch(2, false, |_| Some(Hash::of(&content(SIZE, 1))));
    right(&ended);
    assert_eq!(client.names(), ["a"]);
    // The scripted server sends no hashes, so the client cannot know which blocks are right.
    assert_eq!(ended.unwrap().transferred, SIZE as u64 + SIZE as u64);
}

#[test]
fn a_root_that_is_wrong_once_causes_a_comparison() {
    let (ended, _, _client) =
        fetch(1, false, |time| Some(Hash::of(&content(SIZE, if time == 0 { 3 } else { 1 }))));
    right(&ended);
}

#[test]
fn a_root_that_is_always_wrong_fails_the_job() {
    let (ended, _, client) = fetch(2, true, |_| Some(Hash::of(&content(SIZE, 3))));
    let trouble = ended.unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Integrity);
    assert!(!client.names().contains(&"a".to_owned()), "{:?}", client.names());
}
