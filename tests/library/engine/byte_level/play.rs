//! Plays a hostile server's tricks to the engine.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use fdsp::{
    client::{Config, Existing, Finished, NewJob, Trouble},
    text::is_unsafe,
};

use crate::engine::{
    frames,
    scripted::listen,
    support::{Client, MIB, Served, content, names, once},
};

/// The content that the client requests, from the hostile server and from the honest one.
pub const WANTED: &[u8] = b"the right content";
/// Its local content, if it has some.
const OLD: usize = 2 * MIB + 5;
/// Long enough for a loopback connection, and short enough to wait for.
const SHORT: Duration = Duration::from_millis(300);

/// What a server does after the last byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Closes the stream properly.
    Close,
    /// Resets it.
    Reset,
    /// Leaves it open, and sends nothing more.
    Stay,
}

/// A trick: the bytes that the server sends after a request, and what it does then.
#[derive(Clone)]
pub struct Attack {
    pub name: String,
    pub says: Vec<u8>,
    pub then: Then,
    /// The client may succeed, because everything that matters is right.
    pub harmless: bool,
}

/// The files in the client's folder before.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    Nothing,
    /// A target with another content, to be updated.
    Target,
}

/// A server that plays one trick after the other.
pub struct Hostile {
    pub at: SocketAddr,
    attack: Arc<Mutex<Attack>>,
}

impl Hostile {
    pub fn new(attack: &Attack) -> Hostile {
        let attack = Arc::new(Mutex::new(attack.clone()));
        let present = Arc::clone(&attack);
        let at = listen(move |_, stream| {
            let attack = present.lock().unwrap().clone();
            play(stream, &attack);
        });
        Hostile { at, attack }
    }
}

/// Waits for a request, and plays.
fn play(mut stream: TcpStream, attack: &Attack) {
    if asked(&mut stream).is_none() || stream.write_all(&attack.says).is_err() {
        return;
    }
    match attack.then {
        Then::Close => drop(stream.shutdown(Shutdown::Write)),
        Then::Reset => return drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO))),
        Then::Stay => {}
    }
    // Until the client closes.
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

/// Reads preamble, `hello` and a request.
pub fn asked(stream: &mut TcpStream) -> Option<()> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    while frames::frames(said.get(frames::PREAMBLE.len()..).unwrap_or_default()).len() < 2 {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        said.extend_from_slice(&buffer[..count]);
    }
    Some(())
}

/// Fetches `a` into a folder.
pub fn fetch(client: &mut Client, at: SocketAddr, folder: &std::path::Path) -> Result<Finished, Trouble> {
    let job = NewJob { folder: folder.to_owned(), existing: Existing::Update, ..client.job(at, "a") };
    client.run(job)
}

/// Plays all of them.
pub fn all(attacks: &[Attack], fresh: Fresh) {
    let served = Served::new();
    served.write("a", WANTED);
    let hostile = Hostile::new(&attacks[0]);
    let mut honest = Client::new(Config { retries: 2, ..once() });
    let mut patient = Client::new(once());
    let mut quick = Client::new(Config { timeout: SHORT, ..once() });
    let old = content(OLD, 3);
    for attack in attacks {
        let Attack { name, then, harmless, .. } = attack;
        *hostile.attack.lock().unwrap() = attack.clone();
        let outside = tempfile::tempdir().unwrap();
        let folder = outside.path().join("in");
        fs::create_dir(&folder).unwrap();
        if fresh == Fresh::Target {
            fs::write(folder.join("a"), &old).unwrap();
        }
        // Where nothing stalls, a slow machine must not be mistaken for a silent server.
        let client = if *then == Then::Stay && !harmless { &mut quick } else { &mut patient };
        match fetch(client, hostile.at, &folder) {
            Ok(_) => {
                assert!(harmless, "{name} was taken for a success");
                assert_eq!(fs::read(folder.join("a")).unwrap(), WANTED, "{name}");
            }
            Err(trouble) => {
                assert!(!harmless, "{name}: {trouble}");
                let said = trouble.message.as_str();
                assert!(!said.is_empty() && !said.contains(is_unsafe), "{name}: {said:?}");
                let there = names(&folder);
                let allowed = |found: &String| matches!(&**found, "a.part" | "a.part.fdsp");
                match fresh {
                    Fresh::Nothing => assert!(there.iter().all(allowed), "{name} left {there:?}"),
                    Fresh::Target => {
                        assert!(
                            there.iter().all(|found| found == "a" || allowed(found)),
                            "{name} left {there:?}"
                        );
                        assert!(fs::read(folder.join("a")).unwrap() == old, "{name} changed the target");
                    }
                }
            }
        }
        assert_eq!(names(outside.path()), ["in"], "{name} left something outside");
        let finished = fetch(&mut honest, served.at(), &folder);
        let finished = finished.unwrap_or_else(|trouble| panic!("after {name}: {trouble}"));
        assert_eq!(fs::read(&finished.path).unwrap(), WANTED, "after {name}");
        assert_eq!(finished.blake3, blake3::hash(WANTED).to_hex().as_str(), "after {name}");
        assert_eq!(names(&folder), ["a"], "after {name}");
    }
}
