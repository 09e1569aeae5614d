//! Corrupt and wrong blocks and interruptions of every kind, and then an honest server: the result is right.

use std::{collections::HashMap, fs, path::PathBuf, time::Duration};

use fdsp::{
    client::{Command, Config, Event, Finished, Form, JobId, NewJob, Trouble, TroubleKind},
    protocol::message::Content,
    server::{Arch, Limits},
    storage::root::{Node, Policy, Root},
};

use crate::{
    engine::{
        scripted,
        support::{Client, MIB, Served, address, config, content},
    },
    shared::{
        effort,
        proxy::{Dice, Fault, Proxy},
    },
};

const SIZE: usize = 3 * MIB + 77_777;

/// The address that a round fetches, and the expected result.
struct Wanted {
    path: &'static str,
    form: Form,
    right: Vec<u8>,
}

/// A folder with a file and an archive, both of which the server has read once.
fn served() -> (Served, [Wanted; 2]) {
    let served = Served::with(Arch::Async, None, Limits::default());
    served.write("a", &content(SIZE, 1));
    for (name, length) in [("one", 3 * MIB / 2), ("two", 700_000), ("three.png", MIB + 5)] {
        served.write(&format!("z/{name}"), &content(length, length as u64));
    }
    let wanted = [("a", Form::File), ("z", Form::Zip)].map(|(path, form)| {
        let mut client = Client::quick();
        let job = NewJob { form, ..client.job(served.at(), path) };
        let right = fs::read(client.run(job).unwrap().path).unwrap();
        Wanted { path, form, right }
    });
    assert!(wanted[0].right == content(SIZE, 1));
    (served, wanted)
}

/// A server with another content of the same identity: each block matches its hash and is wrong.
fn liar(served: &Served) -> std::net::SocketAddr {
    let root = Root::open(served.folder.path(), Policy::default()).unwrap();
    let Ok(Node::File(file)) = root.open_node(&fdsp::protocol::path::RemotePath::parse("a").unwrap()) else {
        panic!("it is a file");
    };
    let announced = Content { identity: file.identity().to_owned(), ..scripted::file("a", SIZE as u64) };
    scripted::answer(move |session, id, get| session.send(id, &get, &announced, &content(SIZE, 2)))
}

/// The faults of the connections of one server.
fn damage(dice: &mut Dice, total: usize) -> Vec<Vec<Fault>> {
    let everywhere = dice.once_in(3);
    let connection = |dice: &mut Dice| {
        let flips = if everywhere { total / MIB + 1 } else { dice.below(4) };
        let flip = |at: usize| {
            Fault::Flip(if everywhere { at * MIB + 2000 + dice.below(MIB / 2) } else { dice.below(total) })
        };
        let mut faults: Vec<_> = (0..flips).map(flip).collect();
        if dice.once_in(2) {
            faults.push(Fault::CutAfter(1000 + dice.below(total)));
        }
        faults
    };
    (0..12).map(|_| connection(dice)).collect()
}

/// One run of an engine against such a server, ended by the job, by a pause and a resume, or by the end of the engine.
fn run(
    client: &mut Client,
    proxy: &Proxy,
    wanted: &Wanted,
    dice: &mut Dice,
) -> Option<Result<Finished, Trouble>> {
    let job = NewJob { form: wanted.form, ..client.job(proxy.at(), wanted.path) };
    client.engine.command(Command::Add(vec![job]));
    let id = JobId(0);
    let how = dice.below(3);
    if how > 0 {
        proxy.wait(dice.below(wanted.right.len()), Duration::from_millis(300));
    }
    match how {
        1 => {
            client.engine.command(Command::Pause(vec![id]));
            client.engine.command(Command::Resume(vec![id]));
        }
        2 => return None,
        _ => {}
    }
    Some(client.end(id))
}

/// `FDSP_CAMPAIGN=500` for a long one.
#[test]
fn no_order_of_corrupt_blocks_and_interruptions_yields_a_wrong_file() {
    let (served, wanted) = served();
    let (liar, mut ends) = (liar(&served), HashMap::new());
    for seed in 0..effort::number("FDSP_CAMPAIGN", 6) {
        let mut dice = Dice::new(seed);
        let wanted = &wanted[seed as usize % 2];
        let mut folder = tempfile::tempdir().unwrap();
        for server in 0..3 {
            // A block of a wrong server that matches its hash; the other blocks are from right servers.
            let lies = server == 0 && seed % 4 == 0;
            let proxy = match lies {
                true => {
                    let some = Fault::CutAfter(MIB + 5000 + dice.below(MIB / 2));
                    Proxy::start(liar, [vec![some], vec![Fault::CutAfter(0); 50]].concat())
                }
                false => Proxy::start(served.at(), damage(&mut dice, wanted.right.len())),
            };
            let mut client = Client::new(Config {
                retries: if lies { 0 } else { dice.below(4) as u32 },
                segments: 1 + dice.below(4),
                timeout: Duration::from_secs(5),
                ..config()
            });
            client.folder = folder;
            let ended = match lies {
                true => {
                    client.engine.command(Command::Add(vec![client.job(proxy.at(), wanted.path)]));
                    client.wait("the end of the link", |event| {
                        matches!(event, Event::Failed { .. } | Event::Unreachable { .. }).then_some(())
                    });
                    None
                }
                false => run(&mut client, &proxy, wanted, &mut dice),
            };
            check(seed, wanted, ended, &mut ends);
            client.engine.command(Command::Stop);
            let Client { engine, folder: kept, .. } = client;
            engine.join(Duration::from_secs(20));
            folder = kept;
        }
        let mut client = Client::new(config());
        client.folder = folder;
        let job = NewJob { form: wanted.form, ..client.job_at(address(served.at(), wanted.path)) };
        let ended = client.run(job);
        assert!(ended.is_ok(), "seed {seed}: {ended:?}");
        check(seed, wanted, Some(ended), &mut ends);
        let name: PathBuf = if wanted.form == Form::Zip { "z.zip" } else { "a" }.into();
        assert!(fs::read(client.path("").join(&name)).unwrap() == wanted.right, "seed {seed}");
        assert_eq!(client.names(), [name.to_str().unwrap()], "seed {seed}");
    }
    println!("{ends:?}");
}

/// Checks that the result is right or has a valid error.
fn check(
    seed: u64,
    wanted: &Wanted,
    ended: Option<Result<Finished, Trouble>>,
    ends: &mut HashMap<String, usize>,
) {
    let what = match &ended {
        None => "stopped".to_owned(),
        Some(Ok(done)) => {
            assert!(fs::read(&done.path).unwrap() == wanted.right, "seed {seed}: it is not right");
            assert_eq!(done.blake3, blake3::hash(&wanted.right).to_string(), "seed {seed}");
            "done".to_owned()
        }
        Some(Err(trouble)) => {
            let expected = matches!(trouble.kind, TroubleKind::Integrity | TroubleKind::Connection);
            assert!(expected && !trouble.message.as_str().is_empty(), "seed {seed}: {trouble}");
            format!("{:?}", trouble.kind)
        }
    };
    *ends.entry(what).or_default() += 1;
}
