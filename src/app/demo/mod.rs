//! The demo: a server in this process on a loopback port, and a client of it.

#[cfg(feature = "tui")]
mod link;
#[cfg(feature = "tui")]
mod tour;

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    app::{
        cli::Demo,
        exit::{Exit, Problem},
        headless::{
            Output, Style,
            client::{Watched, watch},
            eprint_line, print,
            signals::Signals,
            verify,
        },
    },
    client::{self, Form},
    server::{self, Server, Sink},
    text::{SafeText, units},
};

#[cfg(feature = "tui")]
pub(crate) use tour::Tour;

/// The server of the demo, and a folder for the downloads.
#[derive(Debug)]
pub struct DemoServer {
    /// The server.
    pub server: Server,
    /// The download folder.
    pub folder: Folder,
}

impl DemoServer {
    /// Starts the server, and creates a download folder outside of the served folder: an archive that
    /// contains itself would be endless.
    ///
    /// # Errors
    /// The server does not start, or no such folder can be created.
    pub fn start(config: server::Config, sink: Sink) -> Result<DemoServer, Problem> {
        let places = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
        let folder = Folder::outside(&config.root, &places).ok_or_else(|| {
            Problem::new(
                Exit::Disk,
                "there is no folder for temporary files outside of the served folder: give a smaller folder \
                 after --demo, or set TMPDIR",
            )
        })?;
        Ok(DemoServer { server: server::start(config, sink)?, folder })
    }
}

/// A temporary folder, deleted on drop.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Creates it in the first of these places that is not beneath `root` and can be written.
    fn outside(root: &Path, places: &[PathBuf]) -> Option<Folder> {
        let root = root.canonicalize().ok()?;
        let places = places.iter().filter_map(|place| place.canonicalize().ok());
        places.filter(|place| !place.starts_with(&root)).find_map(|place| Folder::new(&place).ok())
    }

    /// Creates it under a new name.
    fn new(place: &Path) -> io::Result<Folder> {
        let mut number = 0;
        loop {
            let path = place.join(format!("fdsp-demo-{}-{number}", std::process::id()));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the folder unless it is empty. Returns its path if it is kept.
    #[cfg(feature = "tui")]
    pub fn keep(self) -> Option<PathBuf> {
        let path = self.path.clone();
        std::mem::forget(self);
        // Fails unless the folder is empty.
        std::fs::remove_dir(&path).err().map(|_| path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!("cannot delete '{}': {error}", SafeText::from_path(&self.path));
        }
    }
}

/// Runs the demo without a terminal: serves the folder, fetches all of it, compares every byte, and cleans up.
///
/// # Errors
/// The server does not start, the system has no threads, or the archive differs from the folder.
pub(super) fn run(demo: Demo, style: Style) -> Result<Exit, Problem> {
    let Demo { server: config, mut fetch, .. } = demo;
    let failed = |error: io::Error| Problem::new(Exit::Failed, format!("the demo failed: {error}"));
    let (root, arch) = (config.root.clone(), config.arch);
    let stage = DemoServer::start(config, Arc::new(|_| ()))?;
    let address = stage.server.address().clone();
    let report = Report(style.output);
    report.line(&format!("Serving {} on {address} ({arch})", SafeText::from_path(&root)));
    fetch.folder = stage.folder.path().to_owned();
    fetch.form = Form::Zip;
    // The download is deleted soon, so it need not survive a power failure.
    fetch.engine.sync = false;
    let job = fetch.job(address.into());
    let (engine, events) = client::resume(fetch.engine, vec![job.into()]).map_err(failed)?;
    let watched = Watched { engine, events, queued: 1, session: None };
    let (exit, results) = watch(watched, style).map_err(failed)?;
    let [finished] = results.done.as_slice() else { return Ok(exit) };
    report.line(&format!("Fetched {} as {}, comparing", units::bytes(finished.bytes), name(&finished.path)));
    match compare(finished.path.clone(), root, finished.blake3.clone()).map_err(failed)? {
        None => Ok(Exit::Interrupted),
        Some(Err(difference)) => Err(Problem::new(Exit::Integrity, difference)),
        Some(Ok(found)) => {
            report.line(&found.to_string());
            report.line(
                "Deleted the download. To share files: tui --serve DIR on one machine, tui ADDRESS on the other.",
            );
            Ok(Exit::Done)
        }
    }
}

/// Compares on a separate thread, so that a signal can stop it; `None` if one did.
fn compare(
    archive: PathBuf,
    root: PathBuf,
    blake3: String,
) -> io::Result<Option<Result<verify::Found, String>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    runtime.block_on(async {
        let mut signals = Signals::new()?;
        let work = tokio::task::spawn_blocking(move || verify::archive(&archive, &root, &blake3, &stopped));
        tokio::select! {
            signal = signals.next() => {
                stop.store(true, Ordering::Relaxed);
                eprint_line(&format!("tui: stopped by {signal}"));
                Ok(None)
            }
            result = work => Ok(Some(result.map_err(io::Error::other)?)),
        }
    })
}

fn name(path: &Path) -> SafeText {
    SafeText::from_bytes(path.file_name().unwrap_or_default().as_encoded_bytes())
}

/// Prints the lines of the demo: to stdout, or to stderr with `--json`.
struct Report(Output);

impl Report {
    fn line(&self, line: &str) {
        match self.0 {
            Output::Quiet => {}
            Output::Json => eprint_line(line),
            // A closed stdout is no error.
            Output::Plain => drop(print(format!("{line}\n").as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temporary_folder_is_outside_of_the_served_folder() {
        let place = tempfile::tempdir().expect("a folder");
        let (inside, outside) = (place.path().join("served/tmp"), place.path().join("other"));
        std::fs::create_dir_all(&inside).expect("made");
        std::fs::create_dir(&outside).expect("made");
        let served = place.path().join("served");
        assert!(Folder::outside(&served, std::slice::from_ref(&inside)).is_none());
        assert!(Folder::outside(&served, std::slice::from_ref(&served)).is_none());
        let folder = Folder::outside(&served, &[inside, outside.clone()]).expect("the second one");
        assert!(folder.path().starts_with(outside.canonicalize().expect("there")));
        std::fs::write(folder.path().join("x"), "x").expect("written");
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    #[cfg(feature = "tui")]
    fn only_a_folder_with_files_is_kept() {
        let place = tempfile::tempdir().expect("a folder");
        let empty = Folder::new(place.path()).expect("made");
        let full = Folder::new(place.path()).expect("another name");
        std::fs::write(full.path().join("x"), "x").expect("written");
        assert_eq!(empty.keep(), None);
        assert!(full.keep().expect("kept").join("x").exists());
        assert_eq!(std::fs::read_dir(place.path()).expect("listed").count(), 1);
    }
}
