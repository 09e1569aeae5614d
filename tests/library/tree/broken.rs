//! Links that damage, stall and crawl.

use std::time::Duration;

use fdsp::client::{Config, NewJob};

use crate::tree::{
    folder::{many, same, write},
    proxy::{Fault, Proxy},
    support::{Client, MIB, Served, address, config, content},
    whole::tree,
};

#[test]
fn a_damaged_file_comes_again_alone() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    for number in 0..8 {
        write(&folder, &format!("{number}"), &content(900_000, number));
    }
    let total = 8 * 900_000;
    let proxy = Proxy::start(served.at(), vec![Fault::Flip(3_000_000)]);
    let mut client = Client::quick();
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    let done = client.run(job).unwrap();
    same(&folder, &client.path("t"));
    assert_eq!((done.transferred, proxy.connections()), (total + 900_000, 1));
}

#[test]
fn every_fault_of_a_link_ends_well() {
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
