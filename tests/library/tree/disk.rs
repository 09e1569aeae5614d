//! Local disks that are full or read-only, and files in the way.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    process::{Command as Process, Stdio},
    time::Duration,
};

use fdsp::client::{NewJob, TroubleKind};

use crate::tree::{
    fetch::tree,
    folder::{everything, many, same, write},
    proxy::Proxy,
    support::{Client, MIB, Served, address, content},
};

fn disk_trouble(client: &mut Client, job: &NewJob) -> String {
    let trouble = client.run(job.clone()).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
    assert_eq!(client.retries(), 0, "{trouble}");
    trouble.message.to_string()
}

#[test]
fn foreign_files_at_the_work_folder_path_are_not_touched() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    let mut client = Client::quick();
    let job = tree(&client, &served, "t");
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), client.path("t.part")).unwrap();
    assert!(disk_trouble(&mut client, &job).contains("t.part is a symbolic link"));
    fs::remove_file(client.path("t.part")).unwrap();
    fs::write(client.path("t.part"), "precious").unwrap();
    assert!(disk_trouble(&mut client, &job).contains("t.part is in the way"));
    fs::remove_file(client.path("t.part")).unwrap();
    write(client.folder.path(), "t.part/thesis", b"precious");
    assert!(disk_trouble(&mut client, &job).contains("something else than an unfinished tree"));
    assert_eq!(fs::read(client.path("t.part/thesis")).unwrap(), b"precious");
    fs::remove_dir_all(client.path("t.part")).unwrap();
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    client.run(job).unwrap();
}

#[test]
fn foreign_files_in_a_partial_tree_are_removed() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    everything(&folder);
    let outside = tempfile::tempdir().unwrap();
    write(outside.path(), "run", b"precious");
    let mut client = Client::quick();
    let job = tree(&client, &served, "t");
    write(client.folder.path(), "t.part/fdsp-tree/of/another", b"version");
    write(client.folder.path(), "t.part/fdsp-tree/a.txt/was", b"a folder");
    symlink(outside.path(), client.path("t.part/fdsp-tree/bin")).unwrap();
    client.run(job).unwrap();
    same(&folder, &client.path("t"));
    assert_eq!(fs::read(outside.path().join("run")).unwrap(), b"precious");
}

#[test]
fn a_second_client_gets_an_error_and_the_first_continues() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    let mut client = Client::quick();
    let job = tree(&client, &served, "t");
    fs::create_dir(client.path("t.part")).unwrap();
    let other = fs::File::open(client.path("t.part")).unwrap();
    other.lock().unwrap();
    assert!(disk_trouble(&mut client, &job).starts_with("another client is downloading to "));
    drop(other);
    client.run(job).unwrap();
}

#[test]
fn a_folder_without_write_permission_is_reported() {
    let served = Served::new();
    everything(&served.folder.path().join("t"));
    let mut client = Client::quick();
    if rustix::process::geteuid().is_root() {
        println!("skipped: nothing is refused to root");
        return;
    }
    fs::set_permissions(client.folder.path(), Permissions::from_mode(0o555)).unwrap();
    let job = tree(&client, &served, "t");
    assert!(disk_trouble(&mut client, &job).contains("permission denied"));
    fs::set_permissions(client.folder.path(), Permissions::from_mode(0o755)).unwrap();
}

/// A small file system in memory, if the system allows it.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: usize) -> Option<SmallDisk> {
        let at = tempfile::tempdir().unwrap();
        let mut mount = Process::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        if !mounted {
            println!("skipped: no file system may be mounted here");
        }
        mounted.then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Process::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_keeps_the_files_and_the_job_resumes_with_free_space() {
    let Some(small) = SmallDisk::new(4 * MIB) else { return };
    let served = Served::new();
    let folder = served.folder.path().join("t");
    many(&folder, 600, 4096);
    let mut client = Client::quick();
    let job = NewJob { folder: small.0.path().to_owned(), ..tree(&client, &served, "t") };
    // There is enough space at the start, and not when it is written.
    fs::write(small.0.path().join("ballast"), vec![0; MIB]).unwrap();
    let filler = small.0.path().join("filler");
    let mut slow =
        Client::new(fdsp::client::Config { limit: Some(2_000_000), ..crate::tree::support::config() });
    let id = slow.add(job.clone());
    slow.verified(id, 100_000);
    fs::write(&filler, vec![0; 2 * MIB]).unwrap();
    let trouble = slow.end(id).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Disk, "{trouble}");
    assert!(trouble.message.as_str().contains("no space left for "), "{trouble}");
    drop(slow);
    assert!(
        disk_trouble(&mut client, &job).contains("make room, then retry"),
        "reported before anything is received"
    );
    fs::remove_file(&filler).unwrap();
    fs::remove_file(small.0.path().join("ballast")).unwrap();
    let done = client.run(job).unwrap();
    assert!(done.resumed > 0, "{done:?}");
    same(&folder, &small.0.path().join("t"));
}

#[test]
fn a_tree_larger_than_the_free_space_fails_before_the_transfer() {
    let Some(small) = SmallDisk::new(2 * MIB) else { return };
    let served = Served::new();
    served.write("t/large", &content(3 * MIB, 1));
    let mut client = Client::quick();
    let job = NewJob { folder: small.0.path().to_owned(), ..tree(&client, &served, "t") };
    let said = disk_trouble(&mut client, &job);
    assert!(said.contains("3.1 MB needed"), "{said}");
}

/// The received file was right, and another program has overwritten it on the disk.
#[test]
fn files_overwritten_by_another_program_are_fetched_again() {
    let served = Served::new();
    let folder = served.folder.path().join("t");
    write(&folder, "a", &content(10_000, 1));
    for number in 0..4 {
        write(&folder, &format!("b{number}"), &content(200_000, 2));
    }
    write(&folder, "z", &content(900_000, 3));
    let proxy = Proxy::gate(served.at(), 1_000_000);
    let mut client = Client::quick();
    let job = NewJob { address: address(proxy.at(), "t"), ..tree(&client, &served, "t") };
    let id = client.add(job);
    assert!(proxy.wait(1_000_000, Duration::from_secs(60)));
    let control = client.path("t.part/fdsp-control");
    while !fs::read_to_string(&control).is_ok_and(|text| text.contains("\"path\":\"a\"")) {
        std::thread::yield_now();
    }
    fs::write(client.path("t.part/fdsp-tree/a"), content(10_000, 9)).unwrap();
    proxy.let_pass(usize::MAX);
    let done = client.end(id).unwrap();
    same(&folder, &client.path("t"));
    assert!(done.transferred <= 2 * 10_000 + 4 * 200_000 + 900_000, "{done:?}");
    assert_eq!((client.names(), client.retries()), (vec!["t".to_owned()], 1));
}
