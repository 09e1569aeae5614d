//! A control file that is damaged, or is something else: it only ever saves work.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use fdsp::client::{Config, Existing, Form, NewJob, Trust};

use crate::resume::support::{Folder, MIB, Served, config, content};

/// Interrupts a download of 4 MiB after 2, spoils the control file, and downloads.
fn spoilt(spoil: impl FnOnce(&Folder, &Path)) -> Folder {
    let served = Served::new();
    let bytes = content(4 * MIB, 1);
    served.write("a", &bytes);
    let folder = Folder::new();
    folder.interrupted(served.at(), "a", "a", 2);
    spoil(&folder, &folder.path("a.part.fdsp"));
    let finished = folder.fetch(served.at(), "a").unwrap();
    assert!(fs::read(finished.path).unwrap() == bytes);
    folder
}

#[test]
fn garbage_is_no_error() {
    let folder = spoilt(|_, control| fs::write(control, content(5000, 1)).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn none_is_no_error() {
    let folder = spoilt(|_, control| fs::remove_file(control).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn one_of_another_version_is_no_error() {
    let folder = spoilt(|_, control| {
        let text = fs::read_to_string(control).unwrap();
        assert!(text.contains(" fdsp-control 1\n") && text.contains("fdsp+plain://127.0.0.1:"), "{text}");
        fs::write(control, text.replace("fdsp-control 1", "fdsp-control 2")).unwrap();
    });
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_link_is_not_followed() {
    let folder = spoilt(|folder, control| {
        fs::rename(control, folder.path("victim")).unwrap();
        symlink(folder.path("victim"), control).unwrap();
    });
    let victim = fs::read_to_string(folder.path("victim")).unwrap();
    assert!(victim.contains(" clean "), "it is as it was: {victim}");
    assert_eq!(folder.names(), ["a", "victim"]);
}

#[test]
fn a_directory_is_in_nobodys_way() {
    let folder = spoilt(|_, control| {
        fs::remove_file(control).unwrap();
        fs::create_dir(control).unwrap();
    });
    assert_eq!(folder.names(), ["a", "a.part.fdsp"]);
}

#[test]
fn a_read_only_one_is_replaced() {
    let folder =
        spoilt(|_, control| fs::set_permissions(control, fs::Permissions::from_mode(0o444)).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_claim_that_is_not_true_is_not_believed() {
    // The `.part` of another download comes under the control file.
    let folder = spoilt(|folder, _| {
        fs::write(folder.path("other"), content(2 * MIB, 7)).unwrap();
        fs::rename(folder.path("other"), folder.path("a.part")).unwrap();
    });
    assert_eq!(folder.names(), ["a"]);
}

/// Replaces the identity that a control file tells of, and mends the checksum of that line.
fn claim(control: &Path, identity: &str) {
    let text = fs::read_to_string(control).unwrap();
    let lines = text.lines().map(|line| match line.split_once(" source ") {
        Some((_, json)) => {
            let mut source: serde_json::Value = serde_json::from_str(json).unwrap();
            source["identity"] = identity.into();
            let text = format!("source {source}");
            format!("{:08x} {text}\n", crc32fast::hash(text.as_bytes()))
        }
        None => format!("{line}\n"),
    });
    let forged: String = lines.collect();
    assert!(forged.contains(identity));
    fs::write(control, forged).unwrap();
}

/// What a control file tells of.
fn identity(control: &Path) -> String {
    let text = fs::read_to_string(control).unwrap();
    let json = text.lines().find_map(|line| Some(line.split_once(" source ")?.1)).unwrap();
    serde_json::from_str::<serde_json::Value>(json).unwrap()["identity"].as_str().unwrap().to_owned()
}

#[test]
fn one_that_somebody_else_has_written_is_not_believed() {
    // Half a file of somebody else's, with a control file that says that it is half of the server's.
    let (served, theirs) = (Served::new(), Served::new());
    let (right, wrong) = (content(4 * MIB, 1), content(4 * MIB, 7));
    let secrets = tempfile::tempdir().unwrap();
    for (path, name, form) in [("a", "a", Form::Auto), ("d", "d.zip", Form::Zip)] {
        let file = if form == Form::Zip { "d/a" } else { "a" };
        served.write(file, &right);
        theirs.write(file, &wrong);
        let honest = Folder::new();
        honest.interrupted(served.at(), path, name, 2);
        let identity = identity(&honest.path(&format!("{name}.part.fdsp")));
        let fetch = |secret: Option<&str>| {
            let folder = Folder::new();
            folder.interrupted(theirs.at(), path, name, 2);
            claim(&folder.path(&format!("{name}.part.fdsp")), &identity);
            let trust = Trust { secret: secret.map(|name| secrets.path().join(name)), ..Trust::default() };
            let job = NewJob { form, ..folder.job(served.at(), path, Existing::Keep) };
            folder
                .fetch_with(Config { trust, ..config() }, job)
                .map(|finished| fs::read(finished.path).unwrap())
        };
        let whole = fetch(Some("secret")).unwrap();
        if form == Form::Auto {
            assert!(whole == right);
            assert!(fetch(None).unwrap() == right, "the server knows the digest of what it has sent before");
        } else {
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(whole)).unwrap();
            let mut found = Vec::new();
            std::io::copy(&mut archive.by_name("d/a").unwrap(), &mut found).unwrap();
            assert!(found == right);
        }
    }
}

#[test]
fn one_that_was_sealed_is_gone_on_with() {
    let served = Served::new();
    served.write("d/a", &content(4 * MIB, 1));
    let secrets = tempfile::tempdir().unwrap();
    let sealed = || Config {
        trust: Trust { secret: Some(secrets.path().join("secret")), ..Trust::default() },
        ..config()
    };
    for (path, name, form) in [("d/a", "a", Form::Auto), ("d", "d.zip", Form::Zip), ("d", "d", Form::Tree)] {
        let folder = Folder::new();
        let job = |at| NewJob { form, ..folder.job(at, path, Existing::Keep) };
        let gate = crate::resume::proxy::Proxy::gate(served.at(), 2 * (MIB + 1000) + 8000);
        let run = folder.begin_with(sealed(), job(gate.at()));
        let control = folder.path("d.part/fdsp-parts");
        crate::resume::support::until("something of it", || {
            let parts = fs::read_dir(&control).into_iter().flatten().flatten();
            let listed = parts
                .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".part.fdsp")?.to_owned()));
            let listed: usize = listed.map(|name| folder.listed(&format!("d.part/fdsp-parts/{name}"))).sum();
            folder.listed(name) >= 2 || listed >= 2
        });
        run.stop();
        let finished = folder.fetch_with(sealed(), job(served.at())).unwrap();
        assert!(finished.resumed >= 2 * MIB as u64, "{form:?}: {finished:?}");
    }
}
