//! An interrupted tree resumes, and verified files are not fetched again.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use fdsp::{
    client::{Change, Command, Config, Existing, Form, NewJob},
    protocol::client::Request,
};

use crate::tree::{
    effort,
    fetch::tree,
    folder::{everything, many, same, write},
    proxy::{Fault, Proxy},
    scripted::{Session, listen},
    scripts::Script,
    support::{Client, MIB, Served, address, config, content},
};

/// Attempts without delays.
fn patient() -> Config {
    Config { retries: 3, timeout: Duration::from_secs(5), ..config() }
}

/// Serves 100 small files and a large one of this length. A client without retries gets a wrong bit at an
/// offset of the link, and fails.
fn interrupted(large: usize, at: usize) -> ((Served, Proxy), PathBuf, Client, NewJob) {
    let (served, folder) = served();
    many(&folder, 100, 4096);
    write(&folder, "zz-large", &content(large, 5));
    let mut client = Client::new(Config { retries: 0, ..patient() });
    let proxy = Proxy::link(served.at(), vec![Fault::Flip(at)]);
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    client.run(job.clone()).unwrap_err();
    ((served, proxy), folder, client, job)
}

/// A server, and the path of its folder `t`.
fn served() -> (Served, PathBuf) {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    (served, folder)
}

#[test]
fn a_connection_that_breaks_ten_times_fetches_nothing_twice() {
    let (served, folder) = served();
    many(&folder, 500, 4096);
    write(&folder, "large", &content(6 * MIB, 5));
    let total = 500 * 4096 + 6 * MIB as u64;
    let proxy = Proxy::start(served.at(), vec![Fault::CutAfter(1_400_000); 10]);
    let mut client = Client::new(patient());
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    let done = client.run(job).unwrap();
    same(&folder, &client.path("t"));
    assert!(proxy.connections() > 4, "{}", proxy.connections());
    // A cut loses the file that was being received, or a block of a large one.
    let lost = done.transferred - total;
    assert!(lost <= 10 * MIB as u64, "{lost}");
    assert_eq!(client.names(), ["t"]);
}

#[test]
fn complete_small_files_are_not_requested_again() {
    let (served, folder) = served();
    many(&folder, 500, 4096);
    let proxy = Proxy::start(served.at(), vec![Fault::CutAfter(750_000), Fault::ResetAfter(750_000)]);
    let mut client = Client::new(patient());
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    let done = client.run(job).unwrap();
    same(&folder, &client.path("t"));
    let lost = done.transferred - 500 * 4096;
    assert!(lost <= 2 * 4096, "{lost}");
}

#[test]
fn a_tree_interrupted_ten_times_is_complete_and_a_repeated_run_transfers_little() {
    let files = effort::number("FDSP_TREES", 300);
    let (served, folder) = served();
    many(&folder, files, 4096);
    let total = files * 4096;
    // The entries are sent once, in more than 100 bytes for each file.
    let cuts = (0..10).map(|_| Fault::CutAfter((100 * files + total) / 12)).collect();
    let proxy = Proxy::start(served.at(), cuts);
    let mut client = Client::new(patient());
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    let done = client.run(job.clone()).unwrap();
    same(&folder, &client.path("t"));
    assert_eq!(client.names(), ["t"]);
    assert!(proxy.connections() > 10, "{}", proxy.connections());
    let lost = done.transferred - total as u64;
    println!("{files} files, {} connections, {lost} bytes received twice", proxy.connections());
    assert!(lost <= 10 * 2 * 4096, "{lost}");
    for existing in [Existing::Keep, Existing::Update] {
        let again = Proxy::gate(served.at(), usize::MAX);
        let job = NewJob { address: address(again.at(), "t"), existing, ..job.clone() };
        let done = client.run(job).unwrap();
        println!("{existing:?} again: {} of {total} bytes crossed", again.passed());
        assert_eq!(done.transferred, 0);
        assert!(again.passed() < 250 * files + 10_000, "{}", again.passed());
    }
}

#[test]
fn a_paused_tree_resumes_in_the_same_and_in_another_run() {
    let (served, folder) = served();
    many(&folder, 300, 4096);
    write(&folder, "large", &content(4 * MIB, 5));
    let total = 300 * 4096 + 4 * MIB as u64;
    let mut first = Client::new(Config { limit: Some(2_000_000), ..config() });
    let job = tree(&first, &served, "t");
    let id = first.add(job.clone());
    first.verified(id, 600_000);
    first.engine.command(Command::Pause(vec![id]));
    first.changed(id, Change::Paused);
    first.engine.command(Command::Resume(vec![id]));
    first.verified(id, 2_500_000);
    first.engine.command(Command::Stop);
    let Client { engine, folder: saved, .. } = first;
    engine.join(Duration::from_secs(20));
    let mut second = Client::quick();
    second.folder = saved;
    let done = second.run(NewJob { folder: second.folder.path().to_owned(), ..job }).unwrap();
    same(&folder, &second.path("t"));
    assert!(done.resumed >= 2_000_000, "{done:?}");
    assert!(done.transferred + done.resumed == total, "{done:?}");
    assert_eq!(second.names(), ["t"]);
}

/// A pause in the middle of a large file does not decrease the progress.
#[test]
fn the_progress_of_a_tree_never_decreases() {
    let (served, folder) = served();
    many(&folder, 20, 4096);
    for number in 0..3 {
        write(&folder, &format!("large {number}"), &content(2 * MIB + 5, number));
    }
    let total = 20 * 4096 + 3 * (2 * MIB as u64 + 5);
    let proxy = Proxy::gate(served.at(), 3 * MIB + 500_000);
    let mut client = Client::new(Config { segments: 1, ..patient() });
    let id = client.add(NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") });
    let (mut received, mut progress) = (0, 0);
    // The last byte of an incomplete block is not counted after its connection has closed.
    let mut look = |client: &Client| {
        let view = client.view(id);
        let now = (view.received, view.progress.map_or(0, |(done, _)| done));
        assert!(
            now.0 + 4 >= received && now.1 + 4 >= progress,
            "{now:?} after {received} and {progress}: {view:?}"
        );
        (received, progress) = (received.max(now.0), progress.max(now.1));
        view
    };
    while look(&client).received < 3 * MIB as u64 {
        std::thread::yield_now();
    }
    for _ in 0..2 {
        client.engine.command(Command::Pause(vec![id]));
        client.changed(id, Change::Paused);
        look(&client);
        proxy.let_pass(MIB);
        let passed = proxy.passed();
        client.engine.command(Command::Resume(vec![id]));
        client.changed(id, Change::Resumed);
        while proxy.passed() < passed + MIB {
            look(&client);
        }
    }
    proxy.let_pass(usize::MAX);
    while !matches!(look(&client).state, fdsp::client::JobState::Done(_)) {
        std::thread::yield_now();
    }
    assert_eq!((received, progress), (total, total));
    same(&folder, &client.path("t"));
}

#[test]
fn a_cancelled_tree_leaves_no_files() {
    let served = Served::new();
    many(&served.folder.path().join("t"), 300, 4096);
    let mut client = Client::new(Config { limit: Some(400_000), ..config() });
    let job = tree(&client, &served, "t");
    let id = client.add(job);
    client.verified(id, 50_000);
    client.engine.command(Command::Cancel(vec![id]));
    client.changed(id, Change::Cancelled);
    let job = NewJob { save_as: Some("u".into()), ..tree(&client, &served, "t") };
    client.engine.command(Command::SetLimit(None));
    client.run(job).unwrap();
    assert_eq!(client.names(), ["u"]);
}

/// A killed run leaves a journal without its end mark.
#[test]
fn after_a_kill_files_are_verified_and_not_fetched_again() {
    let (_server, folder, mut client, job) = interrupted(3 * MIB, 2 * MIB);
    let control = client.path("t.part/fdsp-control");
    let text = fs::read_to_string(&control).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains(" file ")).count(), 100);
    let unclean: String = text.split_inclusive('\n').filter(|line| !line.contains(" clean ")).collect();
    assert!(unclean.len() < text.len());
    fs::write(&control, unclean).unwrap();
    // A torn file has its size, but not its content.
    let torn = client.path("t.part/fdsp-tree/000/00007.dat");
    let mut bytes = fs::read(&torn).unwrap();
    bytes[2000..].fill(0);
    fs::write(&torn, bytes).unwrap();
    let done = client.run(job).unwrap();
    same(&folder, &client.path("t"));
    let most = 3 * MIB as u64 + 4096;
    assert!(done.transferred <= most, "{done:?}");
}

/// A run that is killed just after another one was killed: the files are too young for their stamps to be trusted.
#[test]
fn after_two_kills_the_journal_keeps_the_verified_files() {
    let ((_served, proxy), _, mut client, job) = interrupted(3 * MIB, 2 * MIB);
    let control = client.path("t.part/fdsp-control");
    let text = fs::read_to_string(&control).unwrap();
    let unclean: String = text.split_inclusive('\n').filter(|line| !line.contains(" clean ")).collect();
    fs::write(&control, unclean).unwrap();
    for number in 0..100 {
        let path = client.path(&format!("t.part/fdsp-tree/000/{number:05}.dat"));
        fs::write(&path, fs::read(&path).unwrap()).unwrap();
    }
    fs::remove_dir_all(client.path("t.part/fdsp-parts")).unwrap();
    proxy.suffer(vec![Fault::Flip(MIB)]);
    client.run(job).unwrap_err();
    let text = fs::read_to_string(&control).unwrap();
    let proven = |line: &&str| line.contains(" file ") && !line.contains("\"identity\":\"\"");
    assert_eq!(text.lines().filter(proven).count(), 100);
}

#[test]
fn a_damaged_journal_causes_no_transfer_of_content() {
    for damage in ["", "nonsense\n", "remove"] {
        let (_server, folder, mut client, job) = interrupted(3 * MIB, 3 * MIB / 2);
        match damage {
            "remove" => fs::remove_file(client.path("t.part/fdsp-control")).unwrap(),
            text => fs::write(client.path("t.part/fdsp-control"), text).unwrap(),
        }
        let done = client.run(job).unwrap();
        same(&folder, &client.path("t"));
        assert!(done.transferred <= 3 * MIB as u64, "{damage}: {done:?}");
    }
}

#[test]
fn an_unchanged_tree_transfers_little() {
    let (served, folder) = served();
    let total = everything(&folder);
    for existing in [Existing::Keep, Existing::Update] {
        let mut client = Client::quick();
        let job = tree(&client, &served, "t");
        client.run(job.clone()).unwrap();
        let before = client.path("t/large/five.bin").metadata().unwrap().ino();
        let done = client.run(NewJob { existing, ..job }).unwrap();
        assert_eq!((done.transferred, done.resumed), (0, total), "{existing:?}");
        assert_eq!(done.files, Some(10));
        same(&folder, &client.path("t"));
        assert_eq!(
            client.path("t/large/five.bin").metadata().unwrap().ino(),
            before,
            "nothing is written again"
        );
        assert_eq!(client.names(), ["t"]);
    }
}

#[test]
fn only_changed_files_are_fetched_again() {
    let (served, folder) = served();
    everything(&folder);
    let mut client = Client::quick();
    let job = NewJob { existing: Existing::Update, ..tree(&client, &served, "t") };
    client.run(job.clone()).unwrap();
    write(&folder, "new/file", b"new");
    write(&folder, "a.txt", b"other");
    let mut large = content(5 * MIB + 77, 4);
    large[3 * MIB] ^= 1;
    fs::write(folder.join("large/five.bin"), &large).unwrap();
    fs::remove_file(folder.join("to-directory")).unwrap();
    std::os::unix::fs::symlink("large", folder.join("to-directory")).unwrap();
    fs::remove_file(folder.join("bin.d/x")).unwrap();
    write(&client.path("t"), "mine", b"of the user");
    let done = client.run(job).unwrap();
    assert_eq!(done.transferred, 3 + 5 + MIB as u64, "{done:?}");
    assert!(fs::read(client.path("t/large/five.bin")).unwrap() == large);
    assert_eq!(fs::read(client.path("t/mine")).unwrap(), b"of the user");
    assert!(client.path("t/bin.d/x").exists(), "what is only here stays");
    fs::remove_file(client.path("t/mine")).unwrap();
    fs::remove_file(client.path("t/bin.d/x")).unwrap();
    // This changes the times of their folders.
    for path in ["", "bin.d"] {
        let time = fs::metadata(folder.join(path)).unwrap().modified().unwrap();
        let times = fs::FileTimes::new().set_modified(time);
        fs::File::open(client.path("t").join(path)).unwrap().set_times(times).unwrap();
    }
    same(&folder, &client.path("t"));
    assert_eq!(client.names(), ["t"]);
}

/// Changes a file and keeps its size and time.
fn alter(path: &std::path::Path) {
    let before: SystemTime = path.metadata().unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
    fs::File::open(path).unwrap().set_times(fs::FileTimes::new().set_modified(before)).unwrap();
}

#[test]
fn a_file_altered_with_its_size_and_time_kept_is_detected() {
    let (served, folder) = served();
    everything(&folder);
    let mut client = Client::quick();
    let job = tree(&client, &served, "t");
    client.run(job.clone()).unwrap();
    alter(&folder.join("bin/run"));
    alter(&folder.join("large/five.bin"));
    let trouble = client.run(job.clone()).unwrap_err();
    assert!(
        trouble.message.as_str().contains("differs from the server's in bin/run and 1 more"),
        "{trouble}"
    );
    let done = client.run(NewJob { existing: Existing::Update, ..job }).unwrap();
    assert_eq!(done.transferred, 10 + MIB as u64);
    same(&folder, &client.path("t"));
}

#[test]
fn a_file_altered_between_two_attempts_is_never_spliced() {
    let (_server, folder, mut client, job) = interrupted(4 * MIB, 3 * MIB);
    alter(&folder.join("000/00050.dat"));
    alter(&folder.join("zz-large"));
    fs::remove_file(folder.join("000/00060.dat")).unwrap();
    let done = client.run(job).unwrap();
    assert_eq!(client.names(), ["t"]);
    same(&folder, &client.path("t"));
    assert!(done.transferred <= 4096 + 3 * MIB as u64, "{done:?}");
}

/// A server may close an idle connection, for example while the client hashes local files.
#[test]
fn a_connection_closed_during_a_local_comparison_is_no_error() {
    for existing in [Existing::Keep, Existing::Update, Existing::Overwrite] {
        let script = Script::new().file("a", b"a").file("large", &content(2 * MIB, 1));
        let at = listen(move |_, stream| {
            let mut session = Session::new(stream);
            while let Some((id, request)) = session.request() {
                let is_tree = matches!(request, Request::Tree(_));
                script.answer(&mut session, id, &request);
                session.flush();
                if is_tree {
                    return;
                }
            }
        });
        let mut client = Client::new(Config { retries: 0, ..config() });
        let new = existing != Existing::Keep;
        write(client.folder.path(), "t/a", if new { b"b" } else { b"a" });
        write(client.folder.path(), "t/large", &content(2 * MIB, 1));
        let job = NewJob { form: Form::Tree, existing, ..client.job(at, "t") };
        let done = client.run(job).unwrap();
        assert_eq!(done.files, Some(2));
        assert_eq!(fs::read(client.path("t/a")).unwrap(), b"a");
        assert_eq!(client.names(), ["t"]);
    }
}

#[test]
fn an_incomplete_small_file_resumes_in_another_run() {
    let (served, folder) = served();
    write(&folder, "a", &content(900_000, 1));
    let proxy = Proxy::gate(served.at(), 300_000);
    let mut first = Client::new(config());
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&first, &served, "t") };
    first.add(job.clone());
    assert!(proxy.wait(300_000, Duration::from_secs(60)));
    while proxy.unread() > 0 {
        std::thread::yield_now();
    }
    first.engine.command(Command::Stop);
    let Client { engine, folder: saved, .. } = first;
    engine.join(Duration::from_secs(20));
    let mut second = Client::quick();
    second.folder = saved;
    let done = second.run(NewJob { address: address(served.at(), "t"), ..job }).unwrap();
    same(&folder, &second.path("t"));
    assert!(done.transferred <= 605_000 && done.transferred + done.resumed == 900_000, "{done:?}");
    assert_eq!(second.names(), ["t"]);
}

/// The local bytes of a file may be wrong: then all of that file is received, and nothing else.
#[test]
fn a_wrong_start_of_a_small_file_is_fetched_again() {
    let (served, folder) = served();
    write(&folder, "a", &content(900_000, 1));
    write(&folder, "b", &content(100_000, 2));
    let proxy = Proxy::link(served.at(), vec![Fault::CutAfter(300_000)]);
    let mut client = Client::new(crate::engine::support::once());
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    client.run(job.clone()).unwrap_err();
    let parts = client.path("t.part/fdsp-parts");
    let partial = fs::read_dir(&parts)
        .unwrap()
        .flatten()
        .find(|entry| entry.file_name().to_str().is_some_and(|name| name.ends_with(".begun")));
    let partial = partial.expect("it is kept").path();
    let mut bytes = fs::read(&partial).unwrap();
    assert!(bytes.len() > 290_000, "{}", bytes.len());
    bytes[1000] ^= 1;
    fs::write(&partial, bytes).unwrap();
    let done = client.run(NewJob { address: address(served.at(), "t"), ..job }).unwrap();
    same(&folder, &client.path("t"));
    // The end of this file, all of it, and the other file.
    assert!(done.transferred < 2_000_000, "{done:?}");
    assert_eq!(client.names(), ["t"]);
}
