//! The program fetches trees: what it prints, how it exits, and how much memory it takes.

use std::fs;

use crate::shared::{
    effort,
    folder::{digest, everything, many, same},
    program::{Home, Running, Service},
};

/// Serves the folder `served` of `home`.
fn serve(home: &Home) -> Service {
    Service::start(home, &home.path().join("served"), "--plain")
}

#[test]
fn it_prints_one_object_a_line_and_exits_by_the_outcome() {
    let home = Home::new();
    let folder = home.path().join("served/t");
    let bytes = everything(&folder);
    let service = serve(&home);
    let address = service.at("t");
    let outcome = home.run(["--json", "--as", "tree", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    let done = &outcome.events("done")[0];
    assert_eq!(done["bytes"], bytes);
    assert_eq!(
        (&done["transferred"], &done["resumed"], &done["files"]),
        (&bytes.into(), &0.into(), &10.into())
    );
    assert_eq!(done["blake3"], digest(&folder));
    assert!(done["seconds"].is_number() && done["path"].as_str().is_some_and(|path| path.ends_with("/t")));
    same(&folder, &home.path().join("t"));

    let outcome = home.run(["--as", "tree", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    assert!(outcome.stderr.contains("done,") && outcome.stderr.contains("in 10 files"), "{outcome:#?}");

    fs::write(home.path().join("t/a.txt"), "mine").unwrap();
    let outcome = home.run(["-q", "--as", "tree", &address]);
    assert_eq!(outcome.code, 7, "{outcome:#?}");
    assert!(
        outcome.is_one_sentence().contains("t exists and differs from the server's in a.txt"),
        "{outcome:#?}"
    );
    let outcome = home.run(["-q", "--update", "--as", "tree", &address]);
    assert_eq!(outcome.code, 0, "{outcome:#?}");
    same(&folder, &home.path().join("t"));
    let outcome = home.run(["-q", "--as", "tree", &service.at("absent")]);
    assert_eq!(outcome.code, 4, "{outcome:#?}");
}

#[test]
fn many_files_take_little_memory() {
    let files = effort::number("FDSP_TREES", 2000);
    let home = Home::new();
    let folder = home.path().join("served/t");
    many(&folder, files, 4096);
    let service = serve(&home);
    let address = service.at("t");
    // Somebody who never answers keeps the program there after the tree is done.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let other = format!("fdsp+plain://{}/x", silent.local_addr().unwrap());
    let mut running = Running::start(home.command(["--json", "--no-sync", "--as", "tree", &address, &other]));
    let mut lines = running.stdout();
    let done = lines.event("done");
    let peak = running.peak_memory();
    println!("{files} files: {peak} bytes at the most; {done}");
    assert!(peak < 32 << 20, "{peak}");
    same(&folder, &home.path().join("t"));
}
