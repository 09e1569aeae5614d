//! A table of network faults in front of every architecture, for all forms of content: the result is right, only a corrupt
//! block is fetched again, and verified blocks are not.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use fdsp::{
    client::{Config, Event, Finished, Form, Locator, NewJob},
    protocol::address::Security,
    server::{Arch, Certificate, Limits, Server},
};

use crate::engine::{
    proxy::{Dice, Fault, Proxy, Script},
    support::{Client, MIB, Served, config, content},
};
use crate::shared::effort;

/// Preamble, greeting and announcement are shorter.
const HEAD: usize = 1000;
/// Maximum number of bytes that a broken connection loses.
const LOST: u64 = 2 * MIB as u64;

/// Something to fetch.
#[derive(Clone, Copy, Debug)]
struct Subject {
    path: &'static str,
    form: Form,
    /// Whether it is received over several connections.
    shared: bool,
}

const SUBJECTS: [Subject; 4] = [
    Subject { path: "file", form: Form::File, shared: false },
    Subject { path: "large", form: Form::File, shared: true },
    Subject { path: "d", form: Form::Zip, shared: false },
    Subject { path: "tree", form: Form::Tree, shared: true },
];

/// The expected result of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// One connection receives it, and nothing twice.
    Nothing,
    /// One connection receives it, and this number of blocks twice.
    Again(u64),
    /// This number of connections break.
    Broken(usize),
    /// It is received, with any number of retries.
    Anything,
}

struct Row {
    name: String,
    scripts: Vec<Script>,
    expected: Expected,
}

/// A fault at a byte.
type Way = fn(usize) -> Fault;

fn row(name: impl Into<String>, script: impl Into<Script>, expected: Expected) -> Row {
    Row { name: name.into(), scripts: vec![script.into()], expected }
}

/// The faults for a content of `size` bytes.
fn rows(size: usize, seed: u64) -> Vec<Row> {
    let ms = Duration::from_millis;
    let mut dice = Dice::new(seed);
    let mut rows = vec![
        row("late", Fault::Delay(ms(5)), Expected::Nothing),
        row("slow", Fault::Rate(16 * MIB), Expected::Nothing),
        row("in pieces", Fault::Pieces(seed), Expected::Nothing),
        row("a bit", Fault::Flip(MIB + MIB / 2), Expected::Again(1)),
        row(
            "bits of two blocks, in pieces",
            vec![Fault::Flip(MIB / 2), Fault::Flip(2 * MIB + MIB / 2), Fault::Pieces(seed)],
            Expected::Again(2),
        ),
        row(
            "a request of which a bit was changed",
            Script { to_client: Vec::new(), to_server: vec![Fault::Flip(50)] },
            Expected::Anything,
        ),
        row(
            "a request that was cut",
            Script { to_client: Vec::new(), to_server: vec![Fault::CutAfter(20)] },
            Expected::Broken(1),
        ),
        row(
            "a request that does not arrive",
            Script { to_client: Vec::new(), to_server: vec![Fault::StallAfter(20)] },
            Expected::Broken(1),
        ),
    ];
    let ways: [(&str, Way); 4] = [
        ("reset", Fault::ResetAfter),
        ("cut", Fault::CutAfter),
        ("half-closed", Fault::HalfCloseAfter),
        ("stalled", Fault::StallAfter),
    ];
    let places = [0, 3, 8, 100, HEAD, MIB / 2, MIB + HEAD, 3 * MIB, size - HEAD];
    for (name, way) in ways {
        // Two of the chosen offsets for each architecture, and a pseudo-random one.
        for place in [places[dice.below(5)], places[5 + dice.below(4)], dice.below(size)] {
            rows.push(row(format!("{name} after {place}"), way(place), Expected::Broken(1)));
        }
    }
    for number in 0..3 {
        let mut some = || match dice.below(7) {
            0 => Fault::Flip(dice.below(size)),
            1 => Fault::Pieces(seed),
            2 => Fault::Delay(ms(2)),
            way => ways[way - 3].1(dice.below(2 * MIB)),
        };
        let scripts = (0..3).map(|_| vec![some(), some()].into()).collect();
        rows.push(Row { name: format!("chance {number}"), scripts, expected: Expected::Anything });
    }
    rows
}

impl Row {
    /// Whether one side stalls.
    fn stalls(&self) -> bool {
        let faults = |script: &Script| [&script.to_client[..], &script.to_server].concat();
        self.scripts.iter().flat_map(faults).any(|fault| matches!(fault, Fault::StallAfter(_)))
    }
}

/// Fetches a subject from the server at this address.
fn fetch(address: &str, subject: Subject, timeout: Duration) -> (Client, Finished) {
    let mut client = Client::new(Config { timeout, retries: 12, ..config() });
    let address = Locator::parse(address).unwrap().join(subject.path).unwrap();
    let job = NewJob { form: subject.form, ..client.job_at(address) };
    let finished = client.run(job).unwrap_or_else(|trouble| panic!("{trouble}: {:#?}", client.seen));
    (client, finished)
}

fn suffer(server: &Server, subject: Subject, row: &Row, whole: &Path, size: u64) {
    let proxy = Proxy::start(server.local_addr(), row.scripts.clone());
    // Where no side stalls, a slow machine must not be mistaken for a stalled side.
    let timeout = Duration::from_millis(if row.stalls() { 800 } else { 30_000 });
    let security = server.address().authority.security;
    let address = server.address().to_string();
    let proxied = address.replace(&server.local_addr().to_string(), &proxy.at().to_string());
    assert_ne!(proxied, address);
    let (client, finished) = fetch(&proxied, subject, timeout);
    let (name, connections) = (format!("{} of {subject:?}, {security:?}", row.name), proxy.connections());
    assert!(everything(&finished.path) == everything(whole), "{name}: another content");
    assert_eq!(client.names(), [whole.file_name().unwrap().to_str().unwrap()], "{name}");
    let again = finished.transferred - size;
    let at_random = (connections, connections as u64 * LOST);
    let (made, most) = match row.expected {
        // Which connection receives which part depends on chance.
        _ if subject.shared || row.stalls() => at_random,
        Expected::Nothing => (1, 0),
        // A changed bit ends a TLS connection.
        Expected::Again(_) if security != Security::Plain => (2, LOST),
        Expected::Again(blocks) => (1, blocks * MIB as u64),
        Expected::Broken(times) => (times + 1, times as u64 * LOST),
        Expected::Anything => at_random,
    };
    let is_expected = match made {
        1 => proxy.carrying() == 1,
        // One more may have asked for the digest alone.
        made => (made..=made + 1).contains(&connections),
    };
    assert!(is_expected, "{name}: {connections} connections: {:#?}", client.seen);
    assert!(again <= most, "{name}: {again} bytes were fetched again");
    if let (Expected::Again(blocks), Security::Plain) = (row.expected, security)
        && subject.form != Form::Tree
    {
        let corrupt = |event: &&Event| match event {
            Event::Retry { reason, .. } => reason.as_str().contains("arrived corrupt"),
            _ => false,
        };
        let corrupt = client.seen.iter().filter(corrupt).count();
        if subject.shared {
            // A connection that receives less than the offset of its fault does not have it, and a block that another connection
            // has received meanwhile is not checked.
            assert!(corrupt <= proxy.flipped(), "{name}: {corrupt} corrupt blocks, {} bits", proxy.flipped());
        } else {
            assert_eq!((corrupt as u64, proxy.flipped() as u64), (blocks, blocks), "{name}");
        }
        assert!(subject.shared || again == blocks * MIB as u64, "{name}: the bad blocks alone");
    }
}

/// Every file at or below a path, and its content.
fn everything(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![path.to_owned()];
    while let Some(next) = waiting.pop() {
        if next.is_dir() {
            waiting.extend(fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.insert(next.strip_prefix(path).unwrap().to_owned(), fs::read(&next).unwrap());
        }
    }
    found
}

fn table(arch: Arch, seed: u64) {
    let served = Served::with(arch, None, Limits::default());
    served.write("file", &content(4 * MIB + 4321, seed));
    // Enough for two connections.
    served.write("large", &content(effort::at_most(17, 20) * MIB + 5, seed));
    served.write("d/noise.bin", &content(2 * MIB + 5, 1));
    served.write("d/sub/text", &b"all work and no play ".repeat(50_000));
    served.write("d/zz.jpg", &content(2 * MIB, 2));
    for number in 0..60 {
        served.write(&format!("tree/{}/{number}", number % 7), &content(30_000 + number, number as u64));
    }
    for number in 0..3 {
        served.write(&format!("tree/large/{number}"), &content(MIB + 5, number));
    }
    let cases =
        SUBJECTS.into_iter().flat_map(|subject| [(subject, None), (subject, Some(Certificate::Temporary))]);
    for (subject, identity) in cases {
        let (_whole, finished) =
            fetch(&format!("fdsp+plain://{}", served.at()), subject, Duration::from_secs(30));
        let mut rows = rows(finished.bytes as usize, seed);
        let has_part = arch != Arch::Async || subject.shared || identity.is_some();
        if has_part && !effort::large() {
            // One architecture has all of them if one connection receives everything; otherwise each has another part.
            let mut number = seed;
            rows.retain(|row| {
                number += 1;
                number.is_multiple_of(4) || matches!(row.expected, Expected::Again(_))
            });
        }
        thread::scope(|scope| {
            // Most of the time is spent waiting. A test that waits for a silent client has its own server.
            const WAITING: usize = 20;
            for number in 0..WAITING {
                let (server, rows, finished) = (served.beside(arch, identity.clone()), &rows, &finished);
                scope.spawn(move || {
                    for row in rows.iter().skip(number).step_by(WAITING) {
                        suffer(&server, subject, row, &finished.path, finished.bytes);
                    }
                });
            }
        });
    }
}

#[test]
fn single() {
    table(Arch::Single, 1);
}

#[test]
fn threads() {
    table(Arch::Threads, 2);
}

#[test]
fn select() {
    table(Arch::Select, 3);
}

#[test]
fn r#async() {
    table(Arch::Async, 4);
}
