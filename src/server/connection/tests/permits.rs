//! Permits and budgets for expensive work.

use super::bench::{Bench, asking, bench, bench_with, converse, get, next, read_answers, requests};
use crate::{
    protocol::{
        client::{Client, Event as Received, Request},
        digest::{BlockDigest, Hash},
        error::Code,
        message::{Files, Form, Get, WantedFile},
        path::RemotePath,
    },
    server::{
        connection::{Connection, Want},
        limits::{Limits, MAX_OUTPUT, MAX_OUTPUTS, MAX_PLANS},
    },
    storage::root::Node,
};

/// Drives a request until something of its answer is to be written that had to be computed.
fn computed(bench: &Bench, request: &Request) -> Connection {
    let mut connection = bench.connect();
    let mut client = Client::new("test");
    client.request(request);
    connection.received(bench.start, client.outgoing());
    // First the announcement, then the computed bytes.
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    let count = connection.output().len();
    connection.wrote(bench.start, count);
    assert_eq!(next(&mut connection, bench.start), Want::Write);
    connection
}

/// A client that receives slowly, or not at all, delays no other one.
#[test]
fn a_permit_is_held_only_during_computation() {
    let limits = Limits { max_per_address: 512, max_archives: 1, max_hashing: 1, ..Limits::default() };
    let bench = bench_with(None, limits);
    let other = [192, 0, 2, 1].into();
    let get = |path: &str| Get { path: path.into(), ..get("") };
    let tree = Request::Tree(serde_json::from_str(r#"{"path": "tree"}"#).unwrap());
    for request in [Request::Get(get("tree")), tree, Request::Hashes(get("large"))] {
        let _slow = computed(&bench, &request);
        assert!(bench.shared.services.archives.take(other).is_some(), "{request:?}");
        assert!(bench.shared.services.hashing.take(other).is_some(), "{request:?}");
    }
}

/// A started answer continues when there is a permit again.
#[test]
fn a_started_answer_waits_for_its_permit() {
    let bench = bench_with(None, Limits { max_per_address: 512, max_hashing: 1, ..Limits::default() });
    let mut connection = computed(&bench, &Request::Hashes(get("large")));
    let held = bench.shared.services.hashing.take([192, 0, 2, 1].into());
    let count = connection.output().len();
    connection.wrote(bench.start, count);
    assert_eq!(next(&mut connection, bench.start), Want::Pause);
    assert!(connection.deadline() > Some(bench.start));
    drop(held);
    let later = connection.deadline().unwrap();
    assert!(matches!(connection.next(later), Want::Run(_)));
}

/// More of them than fit into an output, or are kept together.
#[test]
fn known_hashes_need_no_permit() {
    const BLOCKS: u64 = 10_000;
    let bench = bench_with(None, Limits { max_per_address: 512, max_hashing: 0, ..Limits::default() });
    let sparse = std::fs::File::create(bench.folder.path().join("sparse")).unwrap();
    sparse.set_len(BLOCKS << 20).unwrap();
    let path = RemotePath::parse("sparse").unwrap();
    let Ok(Node::File(source)) = bench.shared.services.open(&path) else { panic!("a file") };
    let digest = BlockDigest { chaining: Hash([7; 32]), alone: None };
    for index in 0..BLOCKS {
        bench.shared.services.hashes.put(source.identity(), BLOCKS, index, &digest);
    }
    let mut client = Client::new("test");
    client.request(&Request::Hashes(get("sparse")));
    let wanted: WantedFile =
        serde_json::from_str(&format!(r#"{{"path": "sparse", "digest": "{}"}}"#, "0".repeat(64))).unwrap();
    client.request(&Request::Files(Files {
        path: String::new(),
        files: vec![wanted],
        content: false,
        largest: None,
    }));
    client.goodbye("done");
    let answer = converse(&mut bench.connect(), client.outgoing(), &[], usize::MAX, bench.start);
    let (mut rest, mut hashes, mut ended) = (&*answer, 0, 0);
    while let (used @ 1.., event) = client.receive(rest).unwrap() {
        match event {
            Some(Received::Hashes { hashes: some, .. }) => hashes += some.len() as u64,
            Some(Received::Failed { failure, .. } | Received::Missed { failure, .. }) => {
                panic!("{failure:?}")
            }
            Some(Received::End { .. } | Received::Differs { .. }) => ended += 1,
            _ => {}
        }
        rest = &rest[used..];
    }
    assert_eq!((hashes, ended), (BLOCKS, 2));
}

/// Large outputs and plans of folders are limited by budgets that all clients share.
#[test]
fn one_origin_gets_at_most_half_of_each_memory_budget() {
    let bench = bench(None);
    let own = [127, 0, 0, 1].into();
    let largest = |bench: &Bench| {
        let mut connection = bench.connect();
        connection.received(bench.start, &requests(&["large", "large", "large"]));
        let mut largest = 0;
        while next(&mut connection, bench.start) == Want::Write {
            largest = largest.max(connection.output().len());
            connection.wrote(bench.start, connection.output().len());
        }
        largest
    };
    let is_planned = |bench: &Bench| {
        let mut client = asking(&[Request::Get(Get { form: Form::Zip, ..get("tree") })]);
        let mut connection = bench.connect();
        connection.received(bench.start, client.outgoing());
        let mut answer = Vec::new();
        while next(&mut connection, bench.start) == Want::Write {
            answer.extend_from_slice(connection.output());
            connection.wrote(bench.start, connection.output().len());
        }
        !read_answers(&mut client, &answer).contains(&Code::Busy.to_string())
    };
    assert!(largest(&bench) >= MAX_OUTPUT && is_planned(&bench));
    let mut outputs = bench.shared.services.outputs.reserve(own);
    let mut plans = bench.shared.services.plans.reserve(own);
    assert!(outputs.resize(MAX_OUTPUTS / 2) && plans.resize(MAX_PLANS / 2), "half of all");
    assert!(largest(&bench) <= MAX_OUTPUT / 8 + 4096, "a small turn needs no budget");
    assert!(!is_planned(&bench));
    outputs.resize(MAX_OUTPUTS / 4);
    plans.resize(MAX_PLANS / 4);
    assert!(largest(&bench) >= MAX_OUTPUT && is_planned(&bench), "what is given back is there again");
}
