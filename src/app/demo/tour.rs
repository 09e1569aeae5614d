//! The demo with a screen: a server with made-up files and a slow line, a link to it that breaks, and a download whose target exists.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
    time::Duration,
};

use super::{
    Folder,
    link::{Break, Link},
};
use crate::{
    app::{
        cli::{Demo, Fetch},
        exit::{Exit, Problem},
    },
    client::{Form, Locator, NewJob},
    protocol::address::Address,
    server::{self, Server},
    text::SafeText,
};

/// Bytes a second for each connection, unless the user sets a limit: a large file has several.
const RATE: u64 = 400_000;
/// When the link breaks: the download has run for a few seconds, and the pause is long enough to see.
const BREAK: Break = Break { after: 6_000_000, time: Duration::from_secs(8) };

/// What is fetched over what, in the order of the queue.
const DOWNLOADS: [(&str, Over); 9] = [
    ("aurora.mkv", Over::Server),
    ("backup.tar", Over::Link),
    ("song-1.ogg", Over::Server),
    ("notes.txt", Over::Server),
    ("photos", Over::Server),
    ("song-2.ogg", Over::Server),
    ("atlas.pdf", Over::Server),
    ("letters", Over::Server),
    ("song-3.ogg", Over::Server),
];
/// The file whose target exists with another content.
const TAKEN: &str = "notes.txt";
/// The folder that is fetched as files; the other one is fetched as a zip.
const TREE: &str = "photos";

/// The route of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// The server itself.
    Server,
    /// The link that breaks.
    Link,
}

/// What runs beside the screen. All of it is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Tour {
    _link: Link,
    _server: Server,
    _folder: Folder,
}

impl Tour {
    /// Makes the files, starts the server and the link, and adds the downloads.
    ///
    /// # Errors
    /// There is no folder for the files or no room on the disk, or the server does not start.
    pub(crate) fn start(demo: Demo) -> Result<(Tour, Fetch), Problem> {
        let Demo { server: mut config, mut fetch, dir_given, .. } = demo;
        let place = std::env::temp_dir();
        let cannot = |error: io::Error| {
            let (place, error) =
                (SafeText::from_path(&place), crate::text::without_number(&error.to_string()));
            Problem::new(
                Exit::Disk,
                format!(
                    "cannot make the files of the demo in {place}: {error}; set TMPDIR to another folder"
                ),
            )
        };
        let folder = Folder::new(&place).map_err(cannot)?;
        config.root = folder.path().join("served");
        make_files(&config.root).map_err(cannot)?;
        if !dir_given {
            fetch.folder = folder.path().join("downloads");
            fs::create_dir(&fetch.folder).map_err(cannot)?;
            fs::write(fetch.folder.join(TAKEN), "An earlier version of the notes.\n").map_err(cannot)?;
        }
        config.limits.rate_each = config.limits.rate_each.or(Some(RATE));
        let root = config.root.clone();
        let server = server::start(config, Arc::new(|_| ()))?;
        let address = server.address().clone();
        let link = Link::start(address.authority.port, BREAK).map_err(cannot)?;
        // What is downloaded is deleted at the end.
        fetch.engine.sync = dir_given;
        fetch.server = Some(Locator::from(address.clone()).server());
        let jobs = DOWNLOADS.iter().map(|(name, over)| job(&fetch, &address, &link, &root, name, *over));
        fetch.jobs = jobs.collect::<Option<_>>().unwrap_or_default();
        Ok((Tour { _link: link, _server: server, _folder: folder }, fetch))
    }
}

fn job(fetch: &Fetch, address: &Address, link: &Link, root: &Path, name: &str, over: Over) -> Option<NewJob> {
    let mut address = address.clone();
    if over == Over::Link {
        address.authority.port = link.port;
    }
    let mut job = fetch.job(Locator::from(address).server().at(name).ok()?);
    let file = root.join(name).metadata().ok().filter(|metadata| metadata.is_file());
    job.listed = file.map(|metadata| metadata.len());
    if name == TREE {
        job.form = Form::Tree;
    }
    Some(job)
}

/// The files of the server.
fn make_files(root: &Path) -> io::Result<()> {
    fs::create_dir(root)?;
    let file = |name: &str, len: u64| make_file(&root.join(name), len);
    file("aurora.mkv", 36_000_000)?;
    file("backup.tar", 20_000_000)?;
    file("atlas.pdf", 6_000_000)?;
    for song in 1..=3 {
        file(&format!("song-{song}.ogg"), 1_600_000)?;
    }
    fs::write(root.join(TAKEN), "The notes as the server has them.\n".repeat(100))?;
    for (folder, count, len) in [(TREE, 40, 90_000), ("letters", 20, 60_000)] {
        fs::create_dir(root.join(folder))?;
        for number in 1..=count {
            file(&format!("{folder}/{number:03}"), len)?;
        }
    }
    Ok(())
}

/// A file of bytes that cannot be compressed and are nowhere the same.
fn make_file(path: &Path, len: u64) -> io::Result<()> {
    let mut bytes = blake3::Hasher::new().update(path.as_os_str().as_encoded_bytes()).finalize_xof();
    let mut file = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    io::copy(&mut io::Read::take(&mut bytes, len), &mut file)?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_download_has_something_to_fetch() {
        let place = tempfile::tempdir().expect("a folder");
        let root = place.path().join("served");
        make_files(&root).expect("made");
        for (name, _) in DOWNLOADS {
            assert!(root.join(name).exists(), "{name}");
        }
        assert!(DOWNLOADS.iter().any(|(name, over)| *over == Over::Link
            && root.join(name).metadata().is_ok_and(|found| found.len() > BREAK.after)));
    }
}
