//! The machines of the client and of the server under fuzzing.

use std::{collections::BTreeMap, mem::discriminant};

use super::WORDS;
use crate::{
    fuzzing::{Fuzz, Rng, assert_harmless, cuts, mutate, shape},
    protocol::{
        client::{Client, Event, Request},
        digest::Hash,
        error::Violation,
        frame::{HEADER, Kind},
        message::{Files, Form, Get, List, NameForm, Stat, Tree, TreeNode, WantedFile},
        preamble,
        server::{self, Server},
    },
    text::SafeText,
};

/// Changes a stream of frames as an attacker who knows the format does: whole frames, their headers, or their payloads with
/// a corrected length.
fn frames(rng: &mut Rng, stream: &mut Vec<u8>) {
    let begin = preamble::LENGTH.min(stream.len());
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let mut rest = &stream[begin..];
    while let Some((head, after)) = rest.split_first_chunk::<HEADER>() {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let (payload, after) = after.split_at(length.min(after.len()));
        frames.push([head, payload].concat());
        rest = after;
    }
    if frames.is_empty() {
        return mutate(rng, stream, WORDS, &[Vec::new()]);
    }
    let (one, other) = (rng.below(frames.len()), rng.below(frames.len()));
    match rng.below(8) {
        0 => drop(frames.remove(one)),
        1 => frames.insert(one, frames[other].clone()),
        2 => frames.swap(one, other),
        3 => frames[one][0] = rng.one_of(Kind::ALL) as u8,
        4 => {
            let request = rng.below(10) as u32;
            frames[one][8..HEADER].copy_from_slice(&request.to_le_bytes());
        }
        5 => {
            let length = rng.one_of(&[0, 1, 40, 47, 48, 49, 65_536, 65_537, 262_144, 262_145, u32::MAX]);
            frames[one][4..8].copy_from_slice(&length.to_le_bytes());
        }
        _ => {
            let mut payload = frames[one].split_off(HEADER);
            mutate(rng, &mut payload, WORDS, &[Vec::new()]);
            frames[one][4..8].copy_from_slice(&(payload.len() as u32).to_le_bytes());
            frames[one].append(&mut payload);
        }
    }
    stream.truncate(begin);
    stream.extend(frames.concat());
}

/// The events of a server for a stream.
fn serve<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<server::Event>, Result<(), Violation>) {
    let (mut server, mut events) = (Server::new(), Vec::new());
    for mut piece in pieces {
        loop {
            match server.receive(piece) {
                Ok((0, None)) => break,
                Ok((used, event)) => {
                    piece = &piece[used..];
                    events.extend(event);
                }
                Err(violation) => {
                    assert_eq!(server.receive(b"x"), Err(violation.clone()), "final");
                    return (events, Err(violation));
                }
            }
        }
        assert!(piece.is_empty(), "nothing is left");
    }
    let end = server.end_of_stream();
    (events, end)
}

#[test]
fn server_is_fuzzed() {
    Fuzz::new("server-machine").words(WORDS).mutator(frames).run(|stream| {
        let (events, end) = serve([stream]);
        assert_eq!(serve(cuts(stream)), (events.clone(), end.clone()), "however it is cut");
        // Accepted requests can be sent by a client, and are received as the same.
        let mut client = Client::new("fuzz");
        let mut asked = Vec::new();
        for event in &events {
            if let server::Event::Request { request, .. } = event {
                client.request(request);
                asked.push(request.clone());
            }
        }
        let (again, _) = serve([client.outgoing()]);
        let again: Vec<Request> = again
            .into_iter()
            .filter_map(|event| match event {
                server::Event::Request { request, .. } => Some(request),
                _ => None,
            })
            .collect();
        assert_eq!(again, asked);
        let kinds: Vec<_> = events.iter().take(6).map(discriminant).collect();
        (kinds, end.map_err(|violation| shape(&violation.to_string())))
    });
}

/// The local bytes of clients that request with a `skip`.
const SKIPPED: &[u8] = b"abc";

/// A client that has sent one request of each kind.
fn asked() -> Client {
    let mut client = Client::new("fuzz");
    let get = Get { path: "f".into(), ..Get::default() };
    for request in [
        Request::Stat(Stat { path: "f".into() }),
        Request::Get(get.clone()),
        Request::List(List {
            path: "d".into(),
            after: Some("a".into()),
            limit: Some(3),
            names: NameForm::Bytes,
            working: true,
        }),
        Request::Hashes(get.clone()),
        Request::Get(Get { form: Form::Zip, first_block: 1, blocks: Some(1), ..get.clone() }),
        Request::Get(Get { skip: 3, ..get.clone() }),
        Request::Get(Get { holes: true, ..get.clone() }),
        Request::Get(Get { blocks: Some(0), root: true, missing: true, working: true, ..get }),
    ] {
        client.request(&request);
    }
    client
}

/// The events of a client.
#[derive(Debug, PartialEq)]
struct Fetched {
    /// Events without content.
    events: Vec<String>,
    /// The content of each answer that had a beginning.
    contents: Vec<Vec<u8>>,
    end: Result<(), Violation>,
    kinds: Vec<String>,
}

fn fetch<'a>(mut client: Client, pieces: impl IntoIterator<Item = &'a [u8]>) -> Fetched {
    let (mut events, mut contents, mut kinds) = (Vec::new(), vec![Vec::new()], Vec::new());
    let (mut intact, mut paths) = (true, BTreeMap::new());
    for mut piece in pieces {
        loop {
            let (used, event) = match client.receive(piece) {
                Ok(received) => received,
                Err(violation) => {
                    assert_eq!(client.receive(b"x"), Err(violation.clone()), "final");
                    return Fetched { events, contents, end: Err(violation), kinds };
                }
            };
            if (used, &event) == (0, &None) {
                break;
            }
            piece = &piece[used..];
            let skip = match &event {
                Some(Event::Content { content, .. }) => content.skip,
                Some(Event::File { head, .. }) => head.skip,
                _ => 0,
            };
            assert!(skip == 0 || skip == SKIPPED.len() as u64, "{skip} bytes that were not asked for");
            client.skipped(&SKIPPED[..SKIPPED.len().min(skip as usize)]);
            let content = contents.last_mut().expect("one at least");
            match &event {
                None => {}
                Some(Event::Data { bytes, .. }) => content.extend_from_slice(bytes),
                Some(event) => {
                    match event {
                        Event::Content { .. } | Event::File { .. } => {
                            intact = true;
                            contents.push(SKIPPED[..SKIPPED.len().min(skip as usize)].to_vec());
                        }
                        Event::Block { block, .. } => intact &= block.is_intact(),
                        // A root is the digest of the received content.
                        Event::End { root: Some(root), request: 2 | 6, .. } => {
                            assert!(intact);
                            assert_eq!(*root, Hash(*blake3::hash(content).as_bytes()));
                        }
                        Event::Done { root, .. } => {
                            assert_eq!(root.is_some(), intact);
                            let whole = Hash(*blake3::hash(content).as_bytes());
                            assert!(root.is_none_or(|root| root == whole));
                        }
                        Event::Tree { page, .. } => {
                            for entry in &page.entries {
                                assert!(may_be_made(&entry.path, &paths), "{:?} after {paths:?}", entry.path);
                                let is_directory = entry.node == TreeNode::Directory;
                                assert!(paths.insert(entry.path.clone(), is_directory).is_none(), "twice");
                            }
                        }
                        Event::Failed { failure, .. } => {
                            assert_harmless(SafeText::new(&failure.message).as_str());
                        }
                        _ => {}
                    }
                    kinds.push(format!("{:?}", discriminant(event)));
                    events.push(format!("{event:?}"));
                }
            }
        }
        assert!(piece.is_empty(), "nothing is left");
    }
    let end = client.end_of_stream();
    Fetched { events, contents, end, kinds }
}

/// Whether a path from a server can be created below a folder, after the earlier paths. `made`: whether these are directories.
fn may_be_made(path: &str, made: &BTreeMap<String, bool>) -> bool {
    let Some((parent, name)) = path.rsplit_once('/').or((!path.is_empty()).then_some(("", path))) else {
        return made.is_empty();
    };
    made.get(parent) == Some(&true) && !matches!(name, "" | "." | "..") && !name.contains('\0')
}

/// A client that has requested a tree, and some of its files.
fn asked_for_a_tree() -> Client {
    let mut client = Client::new("fuzz");
    let wanted = |path: &str, digest| WantedFile { path: path.into(), digest, skip: 0 };
    let digest = || Some(blake3::hash(b"x").to_string());
    let part = WantedFile { skip: 3, ..wanted("e", None) };
    let files = vec![wanted("a", None), wanted("b", digest()), wanted("d/c", None), part];
    client.request(&Request::Tree(Tree { path: "d".into(), names: NameForm::Bytes, ..Default::default() }));
    client.request(&Request::Files(Files { path: "d".into(), files, content: true, largest: Some(1 << 20) }));
    let files = vec![wanted("a", digest())];
    client.request(&Request::Files(Files { path: "d".into(), files, content: false, largest: None }));
    client
}

#[test]
fn client_of_trees_is_fuzzed() {
    Fuzz::new("client-trees").words(WORDS).mutator(frames).run(|stream| {
        let whole = fetch(asked_for_a_tree(), [stream]);
        assert_eq!(fetch(asked_for_a_tree(), cuts(stream)), whole, "however it is cut");
        let Fetched { contents, end, kinds, .. } = whole;
        assert!(
            contents.iter().map(Vec::len).sum::<usize>() <= stream.len() + SKIPPED.len() * contents.len()
        );
        (kinds, end.map_err(|violation| shape(&violation.to_string())))
    });
}

#[test]
fn client_is_fuzzed() {
    Fuzz::new("client-machine").words(WORDS).mutator(frames).run(|stream| {
        let whole = fetch(asked(), [stream]);
        assert_eq!(fetch(asked(), cuts(stream)), whole, "however it is cut");
        let Fetched { contents, end, kinds, .. } = whole;
        assert!(
            contents.iter().map(Vec::len).sum::<usize>() <= stream.len() + SKIPPED.len() * contents.len()
        );
        (kinds, end.map_err(|violation| shape(&violation.to_string())))
    });
}
