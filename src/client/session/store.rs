//! The files of a session: `NAME.json`, replaced as a whole, and beside it `NAME.lock`, held as long as the session
//! is open. Addresses may carry secrets, so no other user may read either.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, Write},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};

use super::{SessionName, format::MAX_LEN};
use crate::{
    client::disk::lock,
    platform,
    platform::state::{self, private_folder},
    text::SafeText,
};

/// Bytes that are read of a lock file, at most.
const MAX_HOLDER_LEN: u64 = 200;
/// Files of one session that are kept aside, at most.
const MAX_ASIDE: u32 = 1000;

/// The files of an open session.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    folder: OwnedFd,
    name: String,
    lock: File,
}

/// What keeps a session from being opened.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another process has it open.
    Held(Option<SafeText>),
    /// The files cannot be used.
    Files(io::Error),
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Files(error)
    }
}

impl Store {
    /// Opens the files of a session, for this process alone.
    pub(super) fn open(path: &Path, name: &SessionName) -> Result<Store, Refused> {
        private_folder(path)?;
        let folder = platform::open_directory(path)?;
        let name = name.as_str().to_owned();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let mut lock = open_at(&folder, &format!("{name}.lock"), flags)?;
        match lock::lock(&lock, lock::MOMENT) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refused::Held(holder(&mut lock))),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut store = Store { path: path.to_owned(), folder, name, lock };
        store.write_holder()?;
        Ok(store)
    }

    /// Writes this process into the lock file.
    fn write_holder(&mut self) -> io::Result<()> {
        let pid = std::process::id();
        let terminal = rustix::termios::ttyname(io::stdin(), Vec::new()).ok();
        let terminal = terminal.and_then(|name| name.into_string().ok());
        let terminal = terminal.map(|name| format!(" on {name}")).unwrap_or_default();
        self.lock.set_len(0)?;
        writeln!(self.lock, "process {pid}{terminal}")
    }

    /// Where the session is.
    pub(super) fn shown(&self) -> SafeText {
        SafeText::from_path(&self.path.join(self.file()))
    }

    fn file(&self) -> String {
        format!("{}.json", self.name)
    }

    /// The bytes of the file: `None` if the file does not exist, [`io::ErrorKind::InvalidData`] if it cannot be a session.
    pub(super) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        read(&self.folder, &self.file())
    }

    /// The same for the session of a name, which may be open elsewhere.
    pub(super) fn read_file(path: &Path, name: &SessionName) -> io::Result<Option<Vec<u8>>> {
        match platform::open_directory(path) {
            Ok(folder) => read(&folder, &format!("{name}.json")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renames the file, and returns its new name.
    pub(super) fn set_aside(&self) -> io::Result<String> {
        let from = self.file();
        for number in 1..=MAX_ASIDE {
            let to = format!("{from}.aside-{number}");
            match platform::rename_new(&self.folder, &from, &to) {
                Ok(()) => return Ok(to),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("{MAX_ASIDE} files are kept beside it already; delete some")))
    }

    /// Replaces the file, and waits until the disk has it. After a crash it is the old or the new one.
    pub(super) fn write(&self, text: &str) -> io::Result<()> {
        state::replace(&self.path.join(self.file()), text.as_bytes())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The lock ends with its handle.
        let _ = self.lock.set_len(0);
    }
}

fn read(folder: impl AsFd, name: &str) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open_at(&folder, name, flags) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a file"));
    }
    let mut bytes = Vec::new();
    // One more than there may be shows that there is more.
    file.take(MAX_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

fn open_at(folder: impl AsFd, name: &str, flags: OFlags) -> io::Result<File> {
    let open = || rustix::fs::openat(&folder, name, flags, Mode::RUSR | Mode::WUSR);
    Ok(rustix::io::retry_on_intr(open)?.into())
}

/// The process that is named in a lock file; `None` if it has not written its name yet.
fn holder(lock: &mut File) -> Option<SafeText> {
    let mut bytes = Vec::new();
    lock.rewind().ok()?;
    lock.take(MAX_HOLDER_LEN).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let text = text.trim();
    (!text.is_empty()).then(|| SafeText::new(text))
}
