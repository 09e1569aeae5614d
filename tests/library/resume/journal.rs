//! Journals that are damaged, missing or of another download: the result never depends on them.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use fdsp::client::{Config, Existing, Form, NewJob, Trust};

use tempfile::TempDir;

use crate::resume::{
    proxy::Proxy,
    support::{Folder, MIB, Served, config, content, until},
};

/// Interrupts a download of 4 MiB after 2 MiB, damages the journal, and resumes.
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
fn a_journal_of_random_bytes_is_ignored() {
    let folder = spoilt(|_, control| fs::write(control, content(5000, 1)).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_missing_journal_is_no_error() {
    let folder = spoilt(|_, control| fs::remove_file(control).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_journal_of_another_version_is_ignored() {
    let folder = spoilt(|_, control| {
        let text = fs::read_to_string(control).unwrap();
        assert!(text.contains(" fdsp-control 2 ") && text.contains("fdsp+plain://127.0.0.1:"), "{text}");
        fs::write(control, text.replace("fdsp-control 2", "fdsp-control 3")).unwrap();
    });
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_link_at_the_journal_path_is_not_followed() {
    let folder = spoilt(|folder, control| {
        fs::rename(control, folder.path("victim")).unwrap();
        symlink(folder.path("victim"), control).unwrap();
    });
    let victim = fs::read_to_string(folder.path("victim")).unwrap();
    assert!(victim.contains(" clean "), "it is as it was: {victim}");
    assert_eq!(folder.names(), ["a", "victim"]);
}

#[test]
fn a_directory_at_the_journal_path_is_no_error() {
    let folder = spoilt(|_, control| {
        fs::remove_file(control).unwrap();
        fs::create_dir(control).unwrap();
    });
    assert_eq!(folder.names(), ["a", "a.part.fdsp"]);
}

#[test]
fn a_read_only_journal_is_replaced() {
    let folder =
        spoilt(|_, control| fs::set_permissions(control, fs::Permissions::from_mode(0o444)).unwrap());
    assert_eq!(folder.names(), ["a"]);
}

#[test]
fn a_journal_that_does_not_match_its_part_is_ignored() {
    // The `.part` is replaced by that of another download.
    let folder = spoilt(|folder, _| {
        fs::write(folder.path("other"), content(2 * MIB, 7)).unwrap();
        fs::rename(folder.path("other"), folder.path("a.part")).unwrap();
    });
    assert_eq!(folder.names(), ["a"]);
}

/// An engine with this secret.
fn sealed_with(secret: Option<&Path>) -> Config {
    Config { trust: Trust { secret: secret.map(Path::to_owned), ..Trust::default() }, ..config() }
}

/// A zip of which two blocks were received, with a journal authenticated by a secret.
struct Archive {
    served: Served,
    secrets: TempDir,
}

const ARCHIVE: &str = "d.zip";
const CONTROL: &str = "d.zip.part.fdsp";

impl Archive {
    fn new(seed: u64) -> Archive {
        let served = Served::new();
        served.write("d/a", &content(4 * MIB, seed));
        Archive { served, secrets: tempfile::tempdir().unwrap() }
    }

    fn sealed(&self, secret: &str) -> Config {
        sealed_with(Some(&self.secrets.path().join(secret)))
    }

    fn job(&self, folder: &Folder, at: SocketAddr) -> NewJob {
        NewJob { form: Form::Zip, ..folder.job(at, "d", Existing::Keep) }
    }

    fn begin(&self, folder: &Folder, secret: &str) {
        let gate = Proxy::gate(self.served.at(), 2 * (MIB + 1000) + 8000);
        let run = folder.begin_with(self.sealed(secret), self.job(folder, gate.at()));
        folder.wait_for(ARCHIVE, 2);
        run.stop();
    }

    /// Finishes the download and checks its content. Returns the number of resumed bytes.
    fn finish(&self, folder: &Folder, config: Config, save_as: Option<&str>) -> u64 {
        let save_as = save_as.map(Into::into);
        let finished =
            folder.fetch_with(config, NewJob { save_as, ..self.job(folder, self.served.at()) }).unwrap();
        let mut archive = zip::ZipArchive::new(fs::File::open(finished.path).unwrap()).unwrap();
        let mut found = Vec::new();
        std::io::copy(&mut archive.by_name("d/a").unwrap(), &mut found).unwrap();
        let right = fs::read(self.served.folder.path().join("d/a")).unwrap();
        assert!(found == right, "what is in it is not what the server has");
        finished.resumed
    }
}

#[test]
fn a_journal_is_ignored_without_the_secret_that_authenticates_it() {
    let archive = Archive::new(1);
    for (secret, believed) in [(None, false), (Some("other"), false), (Some("own"), true)] {
        let folder = Folder::new();
        archive.begin(&folder, "own");
        let config = secret.map_or_else(|| sealed_with(None), |secret| archive.sealed(secret));
        let resumed = archive.finish(&folder, config, None);
        assert_eq!(resumed >= 2 * MIB as u64, believed, "{secret:?}: {resumed}");
        assert!(believed || resumed == 0, "{secret:?}: {resumed}");
    }
}

#[test]
fn a_missing_secret_is_reported_once_for_all_jobs() {
    let served = Served::new();
    for path in ["a", "b", "zip/x", "tree/x", "tree/y"] {
        served.write(path, &content(3 * MIB, 1));
    }
    served.write("c", b"it has nothing to do with earlier runs");
    let secrets = tempfile::tempdir().unwrap();
    let own = || sealed_with(Some(&secrets.path().join("secret")));
    let damaged = secrets.path().join("damaged");
    fs::write(&damaged, "short").unwrap();
    fs::set_permissions(&damaged, fs::Permissions::from_mode(0o600)).unwrap();
    for (secret, reason) in [
        (
            None,
            "there is no folder for the secret that unfinished downloads are sealed with; set HOME"
                .to_owned(),
        ),
        (Some(&damaged), format!("{}, cannot be used: it does not have 64", damaged.display())),
    ] {
        let folder = Folder::new();
        let jobs = |at: SocketAddr| {
            [
                ("a", Form::Auto),
                ("b", Form::Auto),
                ("zip", Form::Zip),
                ("tree", Form::Tree),
                ("c", Form::Auto),
            ]
            .map(|(path, form)| NewJob { form, ..folder.job(at, path, Existing::Keep) })
        };
        let journals = ["a.part.fdsp", "b.part.fdsp", "zip.zip.part.fdsp", "tree.part/fdsp-control"];
        for (number, journal) in journals.into_iter().enumerate() {
            let gate = Proxy::gate(served.at(), MIB + 9000);
            let run = folder.begin_with(own(), jobs(gate.at())[number].clone());
            until("a journal", || folder.path(journal).exists());
            run.stop();
        }
        let config = Config { jobs: 2, ..sealed_with(secret.map(PathBuf::as_path)) };
        let said = folder.warnings_of(config, jobs(served.at()).into());
        assert_eq!(said.len(), 1, "{said:?}");
        let parts = [&reason, " is not believed: ", "is compared with the server's, and archives start over"];
        assert!(parts.iter().all(|part| said[0].contains(part)), "{said:?}");
    }
    // With the secret, or without a journal, there is no warning.
    let folder = Folder::new();
    let job = |path: &str| folder.job(served.at(), path, Existing::Keep);
    assert_eq!(folder.warnings_of(own(), vec![job("a"), job("b")]), [""; 0]);
    assert_eq!(Folder::new().warnings_of(sealed_with(None), vec![job("c")]), [""; 0]);
}

#[test]
fn a_valid_header_does_not_authenticate_block_lines_of_another_user() {
    let (own, theirs) = (Archive::new(1), Archive::new(7));
    let (victim, attacker) = (Folder::new(), Folder::new());
    own.begin(&victim, "own");
    theirs.begin(&attacker, "theirs");
    let text = |folder: &Folder| fs::read_to_string(folder.path(CONTROL)).unwrap();
    let is_about_blocks =
        |line: &&str| [" block ", " begun ", " clean "].iter().any(|word| line.contains(word));
    let (header, blocks) = (text(&victim), text(&attacker));
    let header = header.lines().filter(|line| !is_about_blocks(line));
    let forged: Vec<_> =
        header.chain(blocks.lines().filter(is_about_blocks)).map(|line| format!("{line}\n")).collect();
    // In the folder of the user, and in another one.
    for folder in [victim, Folder::new()] {
        fs::copy(attacker.path("d.zip.part"), folder.path("d.zip.part")).unwrap();
        fs::write(folder.path(CONTROL), forged.concat()).unwrap();
        assert_eq!(own.finish(&folder, own.sealed("own"), None), 0);
    }
}

#[test]
fn a_journal_is_valid_only_for_its_target_name() {
    let archive = Archive::new(1);
    for (name, believed) in [("other.zip", false), (ARCHIVE, true)] {
        let (folder, moved) = (Folder::new(), Folder::new());
        archive.begin(&folder, "own");
        assert_eq!(fs::metadata(folder.path(CONTROL)).unwrap().permissions().mode() & 0o777, 0o600);
        fs::rename(folder.path("d.zip.part"), moved.path(&format!("{name}.part"))).unwrap();
        fs::rename(folder.path(CONTROL), moved.path(&format!("{name}.part.fdsp"))).unwrap();
        let resumed = archive.finish(&moved, archive.sealed("own"), Some(name));
        assert_eq!(resumed > 0, believed, "{name}: {resumed}");
    }
}

#[test]
fn files_of_an_earlier_version_are_compared_or_moved_aside() {
    let archive = Archive::new(1);
    let bytes = content(4 * MIB, 1);
    let control = "3e64b138 fdsp-control 1\n";
    let folder = Folder::new();
    fs::write(folder.path("a.part"), &bytes[..3 * MIB]).unwrap();
    fs::write(folder.path("a.part.fdsp"), control).unwrap();
    let finished = folder.fetch(archive.served.at(), "d/a").unwrap();
    assert!(fs::read(finished.path).unwrap() == bytes && finished.resumed == 3 * MIB as u64);
    fs::write(folder.path("d.zip.part"), "precious").unwrap();
    fs::write(folder.path(CONTROL), control).unwrap();
    assert_eq!(archive.finish(&folder, archive.sealed("own"), None), 0);
    assert_eq!(fs::read(folder.path("d.zip (1).part")).unwrap(), b"precious");
    assert!(folder.path("d.zip (1).part.fdsp").exists());
}

#[test]
fn an_authenticated_journal_resumes_its_download() {
    let served = Served::new();
    served.write("d/a", &content(4 * MIB, 1));
    let secrets = tempfile::tempdir().unwrap();
    let sealed = || sealed_with(Some(&secrets.path().join("secret")));
    for (path, name, form) in [("d/a", "a", Form::Auto), ("d", "d.zip", Form::Zip), ("d", "d", Form::Tree)] {
        let folder = Folder::new();
        let job = |at| NewJob { form, ..folder.job(at, path, Existing::Keep) };
        let gate = Proxy::gate(served.at(), 2 * (MIB + 1000) + 8000);
        let run = folder.begin_with(sealed(), job(gate.at()));
        let control = folder.path("d.part/fdsp-parts");
        until("something of it", || {
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
