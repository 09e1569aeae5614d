//! The demo: a server of this process on a loopback port, and something to fetch from it.

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
            print, say,
            signals::Signals,
            verify,
        },
    },
    client::{self, Form},
    server::{self, Server, Sink},
    text::{SafeText, units},
};

/// A server to try things on, and a folder for what is fetched from it.
#[derive(Debug)]
pub struct Stage {
    /// The server.
    pub server: Server,
    /// Where downloads may go.
    pub folder: Folder,
}

impl Stage {
    /// Starts the server, and finds a place for downloads that is not in what it serves: an archive that
    /// holds itself would never end.
    ///
    /// # Errors
    /// The server does not start, or there is no such place.
    pub fn set(config: server::Config, sink: Sink) -> Result<Stage, Problem> {
        let places = [std::env::temp_dir(), "/tmp".into(), "/var/tmp".into(), "/dev/shm".into()];
        let folder = Folder::outside(&config.root, &places).ok_or_else(|| {
            Problem::new(
                Exit::Disk,
                "there is no folder for temporary files outside of what is served: name a smaller folder \
                 after --demo, or set TMPDIR",
            )
        })?;
        Ok(Stage { server: server::start(config, sink)?, folder })
    }
}

/// A temporary folder of our own.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// In the first of these places that is not beneath `root` and can be written.
    fn outside(root: &Path, places: &[PathBuf]) -> Option<Folder> {
        let root = root.canonicalize().ok()?;
        let places = places.iter().filter_map(|place| place.canonicalize().ok());
        places.filter(|place| !place.starts_with(&root)).find_map(|place| Folder::new(&place).ok())
    }

    /// A new one: a name that is taken is passed over and never used.
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

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves it there, unless it is empty.
    #[cfg(feature = "tui")]
    pub fn keep(self) -> Option<PathBuf> {
        let path = self.path.clone();
        std::mem::forget(self);
        // Only an empty folder can be removed like this.
        std::fs::remove_dir(&path).err().map(|_| path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!("'{}' could not be removed: {error}", SafeText::from_path(&self.path));
        }
    }
}

/// The demo without a terminal: serves the folder, fetches all of it, compares every byte, and cleans up.
///
/// # Errors
/// The server does not start, the system gives no threads, or what was received is not what was served.
pub(super) fn run(demo: Demo, style: Style) -> Result<Exit, Problem> {
    let Demo { server: config, mut fetch, .. } = demo;
    let failed = |error: io::Error| Problem::new(Exit::Failed, format!("the demo failed: {error}"));
    let (root, arch) = (config.root.clone(), config.arch);
    let stage = Stage::set(config, Arc::new(|_| ()))?;
    let address = stage.server.address().clone();
    let report = Report(style.output);
    report.line(&format!("Serving {} on {address} ({arch})", SafeText::from_path(&root)));
    fetch.folder = stage.folder.path().to_owned();
    fetch.form = Form::Zip;
    // What is deleted in a moment need not survive a power cut.
    fetch.engine.sync = false;
    let job = fetch.job(address.into());
    let (engine, events) = client::resume(fetch.engine, vec![job.into()]).map_err(failed)?;
    let watched = Watched { engine, events, queued: 1, session: None };
    let (exit, tally) = watch(watched, style).map_err(failed)?;
    let [finished] = tally.done.as_slice() else { return Ok(exit) };
    report.line(&format!("Fetched {} as {}, comparing", units::bytes(finished.bytes), name(&finished.path)));
    match compare(finished.path.clone(), root, finished.blake3.clone()).map_err(failed)? {
        None => Ok(Exit::Interrupted),
        Some(Err(difference)) => Err(Problem::new(Exit::Integrity, difference)),
        Some(Ok(found)) => {
            report.line(&found.to_string());
            report.line(
                "Removed again. To share files: tui --serve DIR on one machine, tui ADDRESS on the other.",
            );
            Ok(Exit::Done)
        }
    }
}

/// Compares on a thread of its own, so that a signal can end it; `None` if one did.
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
                say(&format!("tui: stopped by {signal}"));
                Ok(None)
            }
            result = work => Ok(Some(result.map_err(io::Error::other)?)),
        }
    })
}

fn name(path: &Path) -> SafeText {
    SafeText::from_bytes(path.file_name().unwrap_or_default().as_encoded_bytes())
}

/// The few lines of the demo: on stdout, which JSON has for itself.
struct Report(Output);

impl Report {
    fn line(&self, line: &str) {
        match self.0 {
            Output::Quiet => {}
            Output::Json => say(line),
            // A reader that has closed stdout misses the line.
            Output::Plain => drop(print(format!("{line}\n").as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_temporary_folder_is_never_in_what_is_served() {
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
    fn a_folder_with_something_in_it_can_be_kept() {
        let place = tempfile::tempdir().expect("a folder");
        let empty = Folder::new(place.path()).expect("made");
        let full = Folder::new(place.path()).expect("another name");
        std::fs::write(full.path().join("x"), "x").expect("written");
        assert_eq!(empty.keep(), None);
        assert!(full.keep().expect("kept").join("x").exists());
        assert_eq!(std::fs::read_dir(place.path()).expect("listed").count(), 1);
    }
}
