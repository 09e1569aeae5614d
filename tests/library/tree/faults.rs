//! Connections that damage, stall and throttle.

use std::time::Duration;

use fdsp::client::{Command, Config, NewJob};

use crate::{
    shared::effort,
    tree::{
        fetch::tree,
        folder::{digest, many, same, write},
        proxy::{Dice, Fault, Proxy},
        support::{Client, MIB, Served, address, config, content},
    },
};

#[test]
fn only_the_damaged_file_is_fetched_again() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    for number in 0..8 {
        write(&folder, &format!("{number}"), &content(900_000, number));
    }
    let total = 8 * 900_000;
    let proxy = Proxy::link(served.at(), vec![Fault::Flip(3_000_000)]);
    let mut client = Client::quick();
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    let done = client.run(job).unwrap();
    same(&folder, &client.path("t"));
    assert_eq!((done.transferred, proxy.carrying()), (total + 900_000, 1));
}

#[test]
fn a_tree_is_received_despite_every_network_fault() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    many(&folder, 300, 4096);
    write(&folder, "large", &content(3 * MIB, 5));
    let total = 300 * 4096 + 3 * MIB as u64;
    for fault in [
        Fault::ResetAfter(700_000),
        Fault::CutAfter(20_000),
        Fault::HalfCloseAfter(900_000),
        Fault::StallAfter(2_500_000),
        Fault::Delay(Duration::from_millis(1)),
        Fault::Flip(100),
        Fault::Flip(30_000),
    ] {
        let proxy = Proxy::start(served.at(), vec![fault]);
        let mut client = Client::new(Config { timeout: Duration::from_millis(500), ..config() });
        let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
        let done = client.run(job).unwrap_or_else(|trouble| panic!("{fault:?}: {trouble}"));
        same(&folder, &client.path("t"));
        assert!(done.transferred <= total + MIB as u64, "{fault:?}: {done:?}");
    }
}

/// Each connection receives a few bytes, and none twice: neither parts of a block nor the list of entries.
#[test]
fn connections_cut_after_a_few_bytes_transfer_little_twice() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    many(&folder, 200, 3000);
    for number in 0..10 {
        write(&folder, &format!("photo {number}"), &content(300_000, number));
    }
    let total = 200 * 3000 + 10 * 300_000;
    for (cut, most) in [(400_000, total * 12 / 10), (40_000, total * 15 / 10)] {
        let proxy = Proxy::start(served.at(), vec![Fault::CutAfter(cut); 1000]);
        let mut client = Client::new(Config { retries: 1, ..config() });
        let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
        let done = client.run(job).unwrap();
        same(&folder, &client.path("t"));
        assert_eq!(client.names(), ["t"]);
        println!("cut after {cut}: {} connections, {} bytes", proxy.connections(), proxy.passed());
        assert!(proxy.passed() <= most, "{cut}: {} of {total}", proxy.passed());
        assert!(done.transferred <= total as u64 * 11 / 10, "{cut}: {done:?}");
        assert_eq!(client.retries(), 0, "{cut}");
    }
}

/// `FDSP_CAMPAIGN=500` for a long one.
#[test]
fn no_order_of_damage_and_interruptions_yields_a_wrong_tree() {
    let rounds = effort::number("FDSP_CAMPAIGN", 4);
    let served = Served::new();
    let folder = served.folder.path().join("t");
    many(&folder, 30, 4096);
    write(&folder, "large", &content(2 * MIB + 5, 5));
    write(&folder, "small", &content(700_000, 6));
    let (total, expected) = (30 * 4096 + 2 * MIB + 700_005, digest(&folder));
    for seed in 0..rounds {
        let mut dice = Dice::new(seed);
        let mut saved = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let script = |dice: &mut Dice| {
                let flips = (0..dice.below(3)).map(|_| Fault::Flip(dice.below(total))).collect::<Vec<_>>();
                [flips, vec![Fault::CutAfter(1 + dice.below(total))]].concat()
            };
            let scripts: Vec<_> = (0..8).map(|_| script(&mut dice)).collect();
            let proxy = Proxy::start(served.at(), scripts);
            let mut client = Client::new(Config { retries: 1, timeout: Duration::from_secs(2), ..config() });
            client.folder = saved;
            let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
            if client.run(job).is_ok() {
                assert_eq!(digest(&client.path("t")), expected, "seed {seed}");
            }
            client.engine.command(Command::Stop);
            let Client { engine, folder, .. } = client;
            engine.join(Duration::from_secs(20));
            saved = folder;
        }
        let mut client = Client::quick();
        client.folder = saved;
        let job = tree(&client, &served, "t");
        client.run(job).unwrap();
        assert_eq!(digest(&client.path("t")), expected, "seed {seed}");
        assert_eq!(client.names(), ["t"], "seed {seed}");
    }
}
