//! What the wire protocol costs: frames through both machines, verification of a block, the root of 5 GiB.

use std::{convert::Infallible, hint::black_box};

use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use fdsp::protocol::{
    client::{Client, Request},
    digest::{BLOCK_SIZE, BlockDigest, BlockHasher, RootHasher},
    frame::{MAX_DATA, outgoing::Outgoing},
    message::{Content, Form, Get, Meta, Stat, Timestamp, Welcome},
    server::{Filled, Server},
};

/// Content of one answer.
const SIZE: u64 = 16 * BLOCK_SIZE;
/// Control frames of one stream.
const MESSAGES: u32 = 1000;

const MODIFIED: Timestamp = Timestamp { seconds: 1_700_000_000, nanoseconds: 0 };

fn welcome(server: &mut Server, out: &mut Outgoing) {
    server.welcome(&Welcome { agent: "bench".to_owned(), pipeline: 8, parallel: 4 }, out);
}

fn announce(server: &mut Server, out: &mut Outgoing) -> fdsp::protocol::server::ContentWriter {
    let content = Content {
        form: Form::File,
        name: "f".to_owned(),
        size: Some(SIZE),
        sources: None,
        modified: MODIFIED,
        mode: 0o644,
        identity: "i".to_owned(),
        first_block: 0,
        skip: 0,
        data_bytes: None,
    };
    server.content(1, &content, out)
}

/// Sends a content of which each piece lies in `source`; gives every turn to `sink`, as a socket would take it.
fn send(source: &[u8], out: &mut Outgoing, mut sink: impl FnMut(&[u8])) {
    let mut server = Server::new();
    welcome(&mut server, out);
    let mut writer = announce(&mut server, out);
    while writer.offset() < SIZE {
        let position = writer.offset();
        let Ok(_) = writer.data(out, |place| {
            let bytes = place.len().min(source.len());
            place[..bytes].copy_from_slice(&source[..bytes]);
            Ok::<_, Infallible>(Filled { bytes, position: position + bytes as u64 })
        });
        sink(out.as_slice());
        out.sent(out.len());
    }
    writer.end("i", SIZE, true, out);
    sink(out.as_slice());
    out.sent(out.len());
}

fn receive(client: &mut Client, mut bytes: &[u8]) {
    loop {
        match client.receive(bytes) {
            Ok((0, None)) => return,
            Ok((used, event)) => {
                black_box(event);
                bytes = &bytes[used..];
            }
            Err(violation) => panic!("{violation}"),
        }
    }
}

/// Pieces of a content, all the same.
fn source() -> Vec<u8> {
    vec![0x5a; MAX_DATA as usize]
}

#[divan::bench_group(sample_count = 20)]
mod content {
    use super::*;

    #[divan::bench]
    fn sent(bencher: Bencher<'_, '_>) {
        let (source, mut out) = (source(), Outgoing::new());
        bencher.counter(BytesCount::new(SIZE)).bench_local(|| {
            send(&source, &mut out, |turn| {
                black_box(turn);
            })
        });
    }

    #[divan::bench]
    fn received(bencher: Bencher<'_, '_>) {
        let mut stream = Vec::new();
        send(&source(), &mut Outgoing::new(), |turn| stream.extend_from_slice(turn));
        bencher.counter(BytesCount::new(SIZE)).bench_local(|| {
            let mut client = Client::new("bench");
            let path = "f".to_owned();
            client.request(&Request::Get(Get { path, ..Get::default() }));
            stream.chunks(MAX_DATA as usize).for_each(|piece| receive(&mut client, piece));
            assert_eq!(client.pending(), 0);
        });
    }
}

#[divan::bench_group(sample_count = 20)]
mod messages {
    use super::*;

    /// A client that has asked.
    fn ask() -> Client {
        let stat = Request::Stat(Stat { path: "a/path/of/some/length/to/a file.bin".to_owned() });
        let mut client = Client::new("bench");
        for _ in 0..MESSAGES {
            client.request(&stat);
        }
        client
    }

    #[divan::bench]
    fn server_reads_stat(bencher: Bencher<'_, '_>) {
        let requests = ask().outgoing().to_vec();
        bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
            let (mut server, mut rest) = (Server::new(), requests.as_slice());
            while let Ok((used @ 1.., event)) = server.receive(rest) {
                black_box(event);
                rest = &rest[used..];
            }
            assert!(rest.is_empty());
        });
    }

    #[divan::bench]
    fn client_asks_and_reads_meta(bencher: Bencher<'_, '_>) {
        let meta = Meta {
            kind: fdsp::protocol::message::Kind::File,
            name: "a file.bin".to_owned(),
            size: Some(1 << 40),
            modified: MODIFIED,
            mode: 0o644,
            identity: Some("0123456789abcdef0123456789abcdef".to_owned()),
        };
        let mut out = Outgoing::new();
        let mut server = Server::new();
        welcome(&mut server, &mut out);
        (1..=MESSAGES).for_each(|id| server.meta(id, &meta, &mut out));
        bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
            let mut client = ask();
            receive(&mut client, out.as_slice());
            assert_eq!(client.pending(), 0);
        });
    }
}

#[divan::bench_group(sample_count = 30)]
mod digest {
    use super::*;

    /// A block that comes in pieces, the last of these sizes an odd one.
    #[divan::bench(args = [256 * 1024, 16 * 1024, 99_991])]
    fn block_in_pieces(bencher: Bencher<'_, '_>, piece: usize) {
        let block = vec![0x5a; 1 << 20];
        bencher.counter(BytesCount::new(BLOCK_SIZE)).bench(|| {
            let mut hasher = BlockHasher::new(7);
            block.chunks(piece).for_each(|bytes| hasher.update(bytes));
            hasher.finish()
        });
    }

    #[divan::bench]
    fn root_of_5120_blocks(bencher: Bencher<'_, '_>) {
        let digests: Vec<BlockDigest> = (0..5120)
            .map(|index| {
                let mut hasher = BlockHasher::new(index);
                hasher.update(&index.to_le_bytes());
                hasher.finish()
            })
            .collect();
        bencher.counter(ItemsCount::new(digests.len())).bench(|| {
            let mut root = RootHasher::default();
            digests.iter().for_each(|digest| root.push(digest));
            root.finish()
        });
    }
}

fn main() {
    divan::main();
}
