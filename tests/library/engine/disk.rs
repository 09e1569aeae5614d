//! Local disks that are full or read-only, and files in the way.

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::{Command as Process, Stdio},
};

use fdsp::{
    client::{
        Answer as Answered, Checksum, Command, Config, Event, Existing, Form, Locator, NewJob, Question,
        TroubleKind,
    },
    protocol::{client::Request, digest::BlockHasher},
    server::{Arch, Limits},
};
use tempfile::TempDir;

use crate::{
    engine::{
        scripted::{self, Session},
        support::{self, Client, MIB, Served, content},
    },
    shared::web::{Answer, Web},
};

fn disk_trouble(client: &mut Client, served: &Served) -> String {
    let trouble = client.get(served.at(), "a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
    assert_eq!(client.retries(), 0, "{trouble}");
    trouble.message.to_string()
}

#[test]
fn foreign_files_at_the_part_path_are_not_touched() {
    let served = Served::new();
    served.write("a", b"new");
    let mut client = Client::quick();
    let victim = client.path("victim");
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, client.path("a.part")).unwrap();
    assert!(disk_trouble(&mut client, &served).contains("a.part is a symbolic link"));
    fs::remove_file(client.path("a.part")).unwrap();
    fs::create_dir(client.path("a.part")).unwrap();
    assert!(disk_trouble(&mut client, &served).contains("is a directory"));
    fs::remove_dir(client.path("a.part")).unwrap();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
    assert!(client.get(served.at(), "a").is_ok());
}

/// A folder in which several users may create files, such as `/tmp`: the target could be changed after it was compared.
#[test]
fn a_target_of_another_user_in_a_shared_folder_is_rejected() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives files away");
        return;
    }
    let served = Served::new();
    served.write("a", b"content");
    let mut client = Client::quick();
    let others = client.path("a");
    fs::write(&others, "content").unwrap();
    chown(&others, Some(1234), None).unwrap();
    fs::set_permissions(client.path(""), fs::Permissions::from_mode(0o1777)).unwrap();
    let job = client.job(served.at(), "a");
    let checksum = Some(Checksum::Blake3(*blake3::hash(b"content").as_bytes()));
    for existing in [Existing::Keep, Existing::Update, Existing::Overwrite] {
        for checksum in [None, checksum.clone()] {
            let trouble = client.run(NewJob { existing, checksum, ..job.clone() }).unwrap_err();
            assert_eq!(trouble.kind, TroubleKind::Disk);
            let expected = format!("{} belongs to another user (1234)", others.display());
            assert!(trouble.message.as_str().starts_with(&expected), "{existing:?}: {trouble}");
        }
    }
    assert_eq!(fs::metadata(&others).unwrap().uid(), 1234);
    let beside = client.run(NewJob { existing: Existing::Rename, ..job.clone() }).unwrap();
    assert_eq!(beside.path, client.path("a (1)"));
    // In a private folder, and in one that a group shares, the owner of the folder allows it.
    fs::set_permissions(client.path(""), fs::Permissions::from_mode(0o2775)).unwrap();
    assert_eq!(client.run(job).unwrap().path, others);
}

/// A folder in `/tmp` that another user has created with the name that is used here: that user could replace or read the files in it.
#[test]
fn nothing_is_saved_in_a_folder_of_another_user_in_a_shared_folder() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives folders away");
        return;
    }
    let served = Served::new();
    served.write("a", b"content");
    served.write("t/b", b"content");
    let mut client = Client::quick();
    let theirs = client.path("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::set_permissions(&theirs, fs::Permissions::from_mode(0o777)).unwrap();
    chown(&theirs, Some(1234), None).unwrap();
    symlink("theirs", client.path("link")).unwrap();
    let dir = client.path("");
    let shared = |mode| fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
    let jobs = |client: &Client| {
        let file = client.job(served.at(), "a");
        let tree = NewJob { form: Form::Tree, ..client.job(served.at(), "t") };
        let folders = ["theirs", "theirs/new/below", "link"].map(|folder| client.path(folder));
        let inside =
            folders.map(|folder| [&file, &tree].map(|job| NewJob { folder: folder.clone(), ..job.clone() }));
        let named = NewJob { save_as: Some("theirs/a".into()), ..file.clone() };
        [inside.concat(), vec![named]].concat()
    };
    shared(0o1777);
    for job in jobs(&client) {
        let trouble = client.run(job).unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Disk);
        let expected = format!("{} belongs to another user (1234)", theirs.display());
        assert!(trouble.message.as_str().starts_with(&expected), "{trouble}");
    }
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 0);
    // A folder that a group shares, one of another user, and one of a user that root saves in.
    for mode in [0o2775, 0o755, 0o777] {
        shared(mode);
        for job in jobs(&client) {
            client.run(NewJob { existing: Existing::Rename, ..job }).unwrap();
        }
    }
}

/// The other user deletes the target after it was opened, so that its name is gone when its owner is checked.
#[test]
fn a_target_of_another_user_that_disappears_for_a_moment_is_rejected() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root gives files away");
        return;
    }
    let mut client = Client::quick();
    let others = client.path("a");
    let away = others.clone();
    let at = scripted::listen(move |_, stream| {
        let mut session = Session::new(stream);
        while let Some((id, Request::Hashes(_))) = session.request() {
            // The client opens the target before its request.
            let _ = fs::remove_file(&away);
            let mut hasher = BlockHasher::new(0);
            hasher.update(b"content");
            let mut writer = session.machine.hashes(id, &scripted::file("a", 7), &mut session.out);
            writer.push(&[hasher.finish()], &mut session.out);
            writer.end("one", &mut session.out);
            session.flush();
        }
    });
    fs::write(&others, "content").unwrap();
    chown(&others, Some(1234), None).unwrap();
    fs::set_permissions(client.path(""), fs::Permissions::from_mode(0o1777)).unwrap();
    let job = client.job(at, "a");
    let trouble = client.run(job).unwrap_err();
    assert!(trouble.message.as_str().contains("belongs to another user (1234)"), "{trouble}");
}

#[test]
fn a_second_client_gets_an_error_and_the_first_continues() {
    let served = Served::new();
    served.write("a", b"new");
    let mut client = Client::quick();
    let other = fs::File::create(client.path("a.part")).unwrap();
    other.lock().unwrap();
    assert!(disk_trouble(&mut client, &served).starts_with("another client is downloading to "));
    drop(other);
    assert!(client.get(served.at(), "a").is_ok());
}

#[test]
fn a_target_folder_that_cannot_be_created_is_reported() {
    let served = Served::new();
    served.write("a", b"new");
    let mut client = Client::quick();
    fs::write(client.path("file"), "").unwrap();
    let mut job = client.job(served.at(), "a");
    job.folder = client.path("file/sub");
    let trouble = client.run(job).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().contains("file/sub: not a directory"), "{trouble}");
}

#[test]
fn two_jobs_with_one_target_do_not_conflict() {
    let served = Served::new();
    served.write("x/a", &content(8 * MIB, 1));
    served.write("y/a", &content(8 * MIB, 2));
    let mut client =
        Client::new(fdsp::client::Config { limit: Some(4_000_000), ..crate::engine::support::config() });
    let job = client.job(served.at(), "x/a");
    let first = client.add(job);
    client.started(first);
    let trouble = client.get(served.at(), "y/a").unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk);
    assert!(trouble.message.as_str().starts_with("another job of the queue saves to "), "{trouble}");
    client.engine.command(Command::SetLimit(None));
    client.end(first).unwrap();
}

#[test]
fn changes_of_the_part_by_another_program_are_detected() {
    let served = Served::new();
    let whole = content(5 * MIB, 1);
    served.write("a", &whole);
    let mut client =
        Client::new(fdsp::client::Config { limit: Some(4_000_000), ..crate::engine::support::config() });
    let job = client.job(served.at(), "a");
    let id = client.add(job);
    client.verified(id, MIB as u64);
    client.engine.command(Command::SetLimit(Some(1)));
    let part = fs::OpenOptions::new().write(true).open(client.path("a.part")).unwrap();
    let changed = || part.metadata().map(|data| (data.ctime(), data.ctime_nsec())).unwrap();
    let before = changed();
    while changed() == before {
        part.write_all_at(b"of another program", 0).unwrap();
    }
    client.engine.command(Command::SetLimit(None));
    let finished = client.end(id).unwrap();
    assert!(fs::read(finished.path).unwrap() == whole);
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn holes_of_a_sparse_file_are_neither_sent_nor_allocated() {
    for arch in [Arch::Single, Arch::Threads, Arch::Select, Arch::Async] {
        let served = Served::with(arch, None, Limits::default());
        let source = fs::File::create(served.folder.path().join("a")).unwrap();
        source.set_len(40 * MIB as u64 + 5).unwrap();
        source.write_all_at(b"begin", 0).unwrap();
        source.write_all_at(b"middle", 20 * MIB as u64 + 77).unwrap();
        if source.metadata().unwrap().blocks() * 512 > 8 * MIB as u64 {
            return println!("skipped: there are no holes here");
        }
        for form in [Form::Auto, Form::Tree] {
            let mut client = Client::quick();
            if form == Form::Tree {
                fs::create_dir(served.folder.path().join("d")).unwrap();
                fs::rename(served.folder.path().join("a"), served.folder.path().join("d/a")).unwrap();
            }
            let path = if form == Form::Tree { "d" } else { "a" };
            let job = NewJob { form, ..client.job(served.at(), path) };
            let finished = client.run(job).unwrap();
            let saved = if form == Form::Tree { finished.path.join("a") } else { finished.path };
            assert!(finished.transferred <= 2 * MIB as u64, "{} were sent", finished.transferred);
            assert_eq!(finished.bytes, 40 * MIB as u64 + 5);
            let saved = fs::File::open(saved).unwrap();
            let data = saved.metadata().unwrap();
            assert!(data.len() == finished.bytes && data.blocks() * 512 <= 8 * MIB as u64, "{data:?}");
            let mut found = [0; 6];
            saved.read_exact_at(&mut found, 20 * MIB as u64 + 77).unwrap();
            assert_eq!(&found, b"middle");
        }
    }
}

#[test]
fn a_failed_job_reserves_no_disk_space() {
    let served = Served::new();
    served.write("a", &content(5 * MIB, 1));
    let mut client =
        Client::new(fdsp::client::Config { limit: Some(100_000), ..crate::engine::support::once() });
    let job = client.job(served.at(), "a");
    let id = client.add(job);
    client.started(id);
    drop(served);
    client.end(id).unwrap_err();
    let data = fs::metadata(client.path("a.part")).unwrap();
    assert!(data.blocks() * 512 < 2 * MIB as u64, "{data:?}");
}

/// On a file system that keeps the space of a failed claim; it cannot be mounted in a namespace.
#[test]
fn a_size_larger_than_the_disk_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (image, at) = (folder.path().join("image"), folder.path().join("at"));
    fs::File::create(&image).unwrap().set_len(16 * MIB as u64).unwrap();
    fs::create_dir(&at).unwrap();
    let done = |command: &mut Process| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    let made = done(Process::new("mkfs.ext4").arg("-q").arg(&image))
        && done(Process::new("mount").args(["-o", "loop"]).arg(&image).arg(&at));
    if !made {
        return println!("skipped: ext4 cannot be made and mounted here, which only root may");
    }
    let free = || rustix::fs::statvfs(&at).unwrap().f_bavail;
    let before = free();
    let served = Served::new();
    served.write("a", &content(20 * MIB, 1));
    let mut client = Client::quick();
    let failed = client.run(NewJob { folder: at.clone(), ..client.job(served.at(), "a") });
    let after = free();
    drop(client);
    assert!(done(Process::new("umount").arg("-l").arg(&at)));
    assert_eq!(failed.unwrap_err().kind, TroubleKind::Disk);
    assert!(before - after < 64, "{before} blocks were free, and {after} are");
}

/// A file system of a few megabytes, unmounted at the end.
struct Small(TempDir);

impl Small {
    fn mount(options: &str) -> Option<Small> {
        let folder = tempfile::tempdir().unwrap();
        mount(folder.path(), options).then_some(Small(folder))
    }

    /// Changes it while it is in use.
    fn remount(&self, options: &str) {
        assert!(mount(self.0.path(), &format!("remount,{options}")), "remount with {options}");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn mount(at: &Path, options: &str) -> bool {
    let mount = Process::new("mount")
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(at)
        .stderr(Stdio::null())
        .status();
    mount.is_ok_and(|status| status.success())
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// Runs a test with a small file system: in this process, or in a namespace if only root may mount.
fn with_small(test: &str, options: &str, run: impl FnOnce(Small)) {
    const INSIDE: &str = "FDSP_TEST_NAMESPACE";
    if let Some(small) = Small::mount(options) {
        return run(small);
    }
    let mut command = Process::new("unshare");
    command.args(["-rm", "--"]).arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", test, "--nocapture"]).env(INSIDE, "1").output();
    match output {
        Ok(output) if std::env::var_os(INSIDE).is_none() && output.status.success() => {
            print!("{}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(output) if String::from_utf8_lossy(&output.stdout).contains("running 1 test") => {
            panic!("{}", String::from_utf8_lossy(&output.stdout));
        }
        _ => println!("skipped: a small file system cannot be mounted here"),
    }
}

#[test]
fn a_full_disk_is_reported_before_the_transfer_and_the_job_resumes_with_free_space() {
    let test =
        "engine::disk::a_full_disk_is_reported_before_the_transfer_and_the_job_resumes_with_free_space";
    with_small(test, "size=4m", |small| {
        let served = Served::new();
        served.write("a", &content(3 * MIB, 1));
        let filler = small.path().join("filler");
        fs::write(&filler, vec![1; 2 * MIB]).unwrap();
        let mut client = Client::quick();
        let mut job = client.job(served.at(), "a");
        job.folder = small.path().to_owned();
        let id = client.add(job);
        let trouble = client.end(id).unwrap_err();
        assert_eq!((trouble.kind, client.retries()), (TroubleKind::Disk, 0));
        let message = trouble.message.as_str();
        assert!(message.starts_with("no space left for ") && message.contains("3.1 MB needed"), "{message}");
        assert_eq!(client.view(id).received, 0);
        fs::remove_file(filler).unwrap();
        client.engine.command(Command::Retry(vec![id]));
        let finished = client.end(id).unwrap();
        assert!(fs::read(finished.path).unwrap() == content(3 * MIB, 1));
    });
}

#[test]
fn a_sparse_tree_needs_disk_space_only_for_its_data() {
    let test = "engine::disk::a_sparse_tree_needs_disk_space_only_for_its_data";
    with_small(test, "size=4m", |small| {
        let served = Served::new();
        served.write("d/small", b"small");
        let source = fs::File::create(served.folder.path().join("d/sparse")).unwrap();
        source.set_len(30 * MIB as u64).unwrap();
        if source.metadata().unwrap().blocks() > 0 {
            return println!("skipped: there are no holes here");
        }
        let mut client = Client::quick();
        let job = NewJob { form: Form::Tree, ..client.job(served.at(), "d") };
        let finished = client.run(NewJob { folder: small.path().to_owned(), ..job }).unwrap();
        assert_eq!(fs::metadata(finished.path.join("sparse")).unwrap().len(), 30 * MIB as u64);
    });
}

#[test]
fn a_disk_that_fills_up_keeps_the_part_and_the_job_resumes_with_free_space() {
    let test = "engine::disk::a_disk_that_fills_up_keeps_the_part_and_the_job_resumes_with_free_space";
    with_small(test, "size=4m", |small| {
        let served = Served::new();
        // Compressible: the size of the archive is not known beforehand, and no space can be claimed.
        served.write("d/text", &b"0123456789abcdef".repeat(MIB / 2));
        served.write("d/noise", &content(6 * MIB, 1));
        let fetch = |client: &mut Client| {
            let mut job = client.job(served.at(), "d");
            job.folder = small.path().to_owned();
            client.run(job)
        };
        let mut client = Client::quick();
        let trouble = fetch(&mut client).unwrap_err();
        assert_eq!((trouble.kind, client.retries()), (TroubleKind::Disk, 0));
        assert!(trouble.message.as_str().starts_with("no space left for "), "{trouble}");
        assert!(crate::engine::support::names(small.path()).contains(&"d.zip.part".to_owned()));
        small.remount("size=16m");
        // Another run detects it, too.
        let mut another = Client::quick();
        drop(client);
        let finished = fetch(&mut another).unwrap();
        assert!(finished.resumed >= 2 * MIB as u64, "{finished:?}");
        assert_eq!(finished.resumed + finished.transferred, finished.bytes);
        assert_eq!(crate::engine::support::names(small.path()), ["d.zip"]);
        let whole = Client::quick().get(served.at(), "d").unwrap();
        assert_eq!(finished.blake3, whole.blake3);
    });
}

#[test]
fn a_file_system_that_becomes_read_only_is_reported_and_the_job_resumes_afterwards() {
    let test =
        "engine::disk::a_file_system_that_becomes_read_only_is_reported_and_the_job_resumes_afterwards";
    with_small(test, "size=8m", |small| {
        let served = Served::new();
        served.write("a", b"new");
        let mut client = Client::quick();
        let mut job = client.job(served.at(), "a");
        job.folder = small.path().to_owned();
        small.remount("ro");
        let id = client.add(job);
        let trouble = client.end(id).unwrap_err();
        assert_eq!((trouble.kind, client.retries()), (TroubleKind::Disk, 0));
        assert!(trouble.message.as_str().contains("read-only"), "{trouble}");
        small.remount("rw");
        client.engine.command(Command::Retry(vec![id]));
        client.end(id).unwrap();
        assert_eq!(fs::read_to_string(small.path().join("a")).unwrap(), "new");
    });
}

/// Nothing of the old version is deleted for the new one, unless the user wants that.
#[test]
fn without_room_for_two_versions_the_user_decides() {
    let test = "engine::disk::without_room_for_two_versions_the_user_decides";
    with_small(test, "size=9m", |small| {
        let (old, new) = (content(6 * MIB, 1), content(6 * MIB, 2));
        let served = new.clone();
        let web = Web::new(move |request| match request.number {
            0 => Answer::of(request, &old, Some("\"v1\""), &[]).cut(5 * MIB),
            _ => Answer::of(request, &served, Some("\"v2\""), &[]),
        });
        let mut client = Client::new(Config { asks: true, ..support::config() });
        let job = client.job_at(Locator::parse(&web.url("a.bin")).unwrap());
        let id = client.add(NewJob { folder: small.path().to_owned(), ..job });
        let trouble = client.wait("a question", |event| match event {
            Event::Undecided { trouble, .. } => Some(trouble.clone()),
            _ => None,
        });
        assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
        let Some(Question::Changed { part, received }) = trouble.question.as_deref() else {
            panic!("{trouble:?}")
        };
        assert!(part.ends_with("a.bin.part.old") && *received >= 4 * MIB as u64, "{trouble:?}");
        let answer = Answered::Replace;
        client.engine.command(Command::Answer { ids: vec![id], answer, for_all: false });
        let finished = client.end(id).unwrap();
        assert!(fs::read(&finished.path).unwrap() == new);
        assert_eq!(support::names(small.path()), ["a.bin"]);
    });
}
