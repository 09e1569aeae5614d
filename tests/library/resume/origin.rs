//! Blocks of one server never become part of another server's file: an identity is a text that any server can send, and any
//! client can read. A server with a pinned address replaces one that sent other bytes with the same identities.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use fdsp::{
    client::{Config, Existing, Form, Locator, NewJob, Trust},
    protocol::{
        address::Security,
        client::{Client, Event, Request},
        message::{self, Get, Tree},
        trust::pin::Pin,
    },
    server::{self, Certificate, Server},
};
use tempfile::TempDir;

use crate::{
    engine::scripted,
    resume::{
        impostor::{Impostor, Swap},
        proxy::Proxy,
        support::{Folder, MIB, Run, Served, config, content, until},
    },
};

/// Fills a served folder: the same paths and sizes for every seed, and different bytes.
fn fill(served: &Served, seed: u64) {
    served.write("a", &content(6 * MIB + 99, seed));
    served.write("d/1-small", &content(5000, seed + 1));
    served.write("d/2-large", &content(4 * MIB, seed + 2));
    served.write("d/3-small", &content(7000, seed + 3));
}

/// The identities that a server without TLS sends for a file, an archive and the files of a tree.
fn identities(at: SocketAddr) -> BTreeMap<String, String> {
    let mut stream = TcpStream::connect(at).unwrap();
    let mut client = Client::new("test");
    let get =
        |path: &str, form| Request::Get(Get { path: path.into(), form, blocks: Some(1), ..Get::default() });
    client.request(&get("a", message::Form::File));
    client.request(&get("d", message::Form::Zip));
    client.request(&Request::Tree(Tree { path: "d".into(), ..Tree::default() }));
    let waiting = client.outgoing().to_vec();
    stream.write_all(&waiting).unwrap();
    client.sent(waiting.len());
    let (mut found, mut input, mut buffer) = (BTreeMap::new(), Vec::new(), vec![0; MIB]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the server closed the connection");
        input.extend_from_slice(&buffer[..count]);
        loop {
            let (used, event) = client.receive(&input).unwrap();
            let idle = used == 0 && event.is_none();
            match event {
                Some(Event::Content { request, content }) => {
                    found.insert(format!("content {request}"), content.identity);
                }
                Some(Event::Tree { page, .. }) => {
                    for entry in page.entries {
                        if let message::TreeNode::File { identity, .. } = entry.node {
                            found.insert(entry.path, identity);
                        }
                    }
                    // A page also ends after some time, so that a slow machine sends more than one.
                    if !page.more {
                        return found;
                    }
                }
                _ => {}
            }
            input.drain(..used);
            if idle {
                break;
            }
        }
    }
}

/// The right server, and one that sends the same identities with other bytes.
struct Pair {
    right: Served,
    secure: Server,
    _wrong: Served,
    impostor: Impostor,
    secrets: TempDir,
}

impl Pair {
    fn new() -> Pair {
        let (right, wrong) = (Served::new(), Served::new());
        fill(&right, 10);
        fill(&wrong, 20);
        let config = server::Config {
            identity: Some(Certificate::Temporary),
            ..server::Config::local(right.folder.path())
        };
        let secure = server::start(config, Arc::new(|_| {})).unwrap();
        let (own, stolen) = (identities(wrong.at()), identities(right.at()));
        assert_eq!(own.len(), 5, "{own:?}");
        let swap: Swap = own.into_iter().map(|(key, identity)| (identity, stolen[&key].clone())).collect();
        let impostor = Impostor::start(wrong.at(), &[b"fdsp/1"], swap);
        Pair { right, secure, _wrong: wrong, impostor, secrets: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> Config {
        let secret = Some(self.secrets.path().join("secret"));
        Config { trust: Trust { secret, accept_new: true, ..Trust::default() }, ..config() }
    }

    fn pin(&self) -> Pin {
        match self.secure.address().authority.security {
            Security::Tls { pin: Some(pin) } => pin,
            other => panic!("{other:?}"),
        }
    }

    /// Starts a download from the impostor, of at most this number of bytes, and stops it when `enough` returns true.
    fn begin(&self, folder: &Folder, job: &NewJob, pass: usize, enough: impl Fn() -> bool) {
        let gate = Proxy::gate(self.impostor.at, pass);
        let address = secure_address(gate.at(), job.address.path(), None);
        let run: Run = folder.begin_with(self.config(), NewJob { address, ..job.clone() });
        until("something of it", enough);
        run.stop();
    }

    /// The job for the right server, by its pin.
    fn job(&self, folder: &Folder, path: &str, form: Form) -> NewJob {
        let address = secure_address(self.secure.local_addr(), path, Some(self.pin()));
        NewJob { address, form, ..folder.job(self.secure.local_addr(), path, Existing::Keep) }
    }
}

fn secure_address(at: SocketAddr, path: &str, pin: Option<Pin>) -> Locator {
    let pin = pin.map_or(String::new(), |pin| format!("#{pin}"));
    Locator::parse(&format!("fdsp://{at}/{pin}")).unwrap().join(path).unwrap()
}

#[test]
fn a_part_of_another_server_never_ends_up_in_a_file_of_the_pinned_server() {
    let pair = Pair::new();
    let folder = Folder::new();
    let job = pair.job(&folder, "a", Form::Auto);
    pair.begin(&folder, &job, 4 * (MIB + 1000) + 8000, || folder.listed("a") >= 3);
    let finished = folder.fetch_with(pair.config(), job).unwrap();
    assert!(fs::read(&finished.path).unwrap() == content(6 * MIB + 99, 10), "blocks of another server");
    assert_eq!(finished.transferred, (6 * MIB + 99) as u64);
}

#[test]
fn a_part_of_the_same_server_is_not_fetched_again() {
    let pair = Pair::new();
    let folder = Folder::new();
    let job = pair.job(&folder, "a", Form::Auto);
    // The other address of the same server.
    let gate = Proxy::gate(pair.secure.local_addr(), 4 * (MIB + 1000) + 8000);
    let address = secure_address(gate.at(), "a", None);
    let run = folder.begin_with(pair.config(), NewJob { address, ..job.clone() });
    until("three blocks", || folder.listed("a") >= 3);
    run.stop();
    let listed = folder.listed("a") as u64;
    let finished = folder.fetch_with(pair.config(), job).unwrap();
    assert!(finished.resumed >= listed * MIB as u64, "{finished:?}");
}

#[test]
fn blocks_received_without_tls_are_compared_and_kept_if_equal() {
    let pair = Pair::new();
    for form in [Form::Auto, Form::Zip] {
        let folder = Folder::new();
        let (path, name) = if form == Form::Zip { ("d", "d.zip") } else { ("a", "a") };
        let gate = Proxy::gate(pair.right.at(), 4 * (MIB + 1000) + 8000);
        let plain = NewJob { form, ..folder.job(gate.at(), path, Existing::Keep) };
        let run = folder.begin_with(pair.config(), plain);
        until("three blocks", || folder.listed(name) >= 3);
        run.stop();
        let finished = folder.fetch_with(pair.config(), pair.job(&folder, path, form)).unwrap();
        match form {
            // The hashes of the server verify it.
            Form::Auto => assert!(finished.resumed >= 3 * MIB as u64, "{finished:?}"),
            _ => assert_eq!(finished.resumed, 0, "{finished:?}"),
        }
    }
}

/// Without TLS a server is identified only by its host.
#[test]
fn a_part_of_another_host_without_tls_never_ends_up_in_the_file() {
    let [right, wrong] = [10, 20].map(|seed| content(6 * MIB, seed));
    let serve = |bytes: Vec<u8>| {
        let announced = scripted::file("a", bytes.len() as u64);
        scripted::answer(move |session, id, get| session.send(id, &get, &announced, &bytes))
    };
    let folder = Folder::new();
    let gate = Proxy::gate(serve(wrong), 4 * (MIB + 1000) + 8000);
    let run = folder.begin(gate.at(), "a");
    until("a block", || folder.listed("a") >= 1);
    run.stop();
    let mut job = folder.job(serve(right.clone()), "a", Existing::Keep);
    let address = job.address.to_string();
    job.address = Locator::parse(&address.replace("127.0.0.1", "localhost")).unwrap();
    let finished = folder.fetch_with(config(), job).unwrap();
    assert!(fs::read(&finished.path).unwrap() == right, "blocks of another host");
}

#[test]
fn an_archive_of_another_server_starts_over() {
    let pair = Pair::new();
    let folder = Folder::new();
    let job = pair.job(&folder, "d", Form::Zip);
    pair.begin(&folder, &job, 4 * (MIB + 1000) + 8000, || folder.listed("d.zip") >= 3);
    let finished = folder.fetch_with(pair.config(), job).unwrap();
    assert_eq!((finished.resumed, finished.transferred), (0, finished.bytes));
    let mut archive = zip::ZipArchive::new(fs::File::open(&finished.path).unwrap()).unwrap();
    for (name, length, seed) in [("1-small", 5000, 11), ("2-large", 4 * MIB, 12), ("3-small", 7000, 13)] {
        let mut found = Vec::new();
        archive.by_name(&format!("d/{name}")).unwrap().read_to_end(&mut found).unwrap();
        assert!(found == content(length, seed), "{name} of another server");
    }
}

#[test]
fn a_partial_tree_of_another_server_never_ends_up_in_the_tree_of_the_pinned_server() {
    let pair = Pair::new();
    let folder = Folder::new();
    let job = pair.job(&folder, "d", Form::Tree);
    let work = folder.path("d.part");
    let listed = || {
        let control = fs::read_to_string(work.join("fdsp-control")).unwrap_or_default();
        let parts = fs::read_dir(work.join("fdsp-parts")).into_iter().flatten().flatten();
        let blocks: usize = parts
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".part.fdsp")?.to_owned()))
            .map(|name| folder.listed(&format!("d.part/fdsp-parts/{name}")))
            .sum();
        control.matches(" file ").count() >= 2 && blocks >= 2
    };
    pair.begin(&folder, &job, 3 * (MIB + 1000) + 30_000, listed);
    let finished = folder.fetch_with(pair.config(), job).unwrap();
    for (name, length, seed) in [("1-small", 5000, 11), ("2-large", 4 * MIB, 12), ("3-small", 7000, 13)] {
        assert!(
            fs::read(finished.path.join(name)).unwrap() == content(length, seed),
            "{name} of another server"
        );
    }
    assert_eq!(finished.transferred, (5000 + 4 * MIB + 7000) as u64, "{finished:?}");
}
