//! The target of a download: the folder and the name that it is saved under.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    client::{
        disk::folder::{Folder, Found, of_another},
        error::Fault,
    },
    text::ShowPath,
};

/// At most this many numbered names are tried for one target.
const MAX_NUMBER: u32 = 10_000;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) folder: Arc<Folder>,
    pub(crate) name: OsString,
    wanted: OsString,
    /// Only the server chose the name. An existing file of this name is neither replaced nor described, unless it came from this server.
    pub(crate) by_server: bool,
}

impl Target {
    /// A name in a folder, chosen by the user.
    pub(crate) fn new(folder: Arc<Folder>, name: OsString) -> Target {
        Target { folder, wanted: name.clone(), name, by_server: false }
    }

    /// The path of the target.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// The name before it was numbered.
    pub(crate) fn wanted(&self) -> &OsString {
        &self.wanted
    }

    /// The existing file of this name, if there is one.
    pub(crate) fn look(&self) -> Result<Option<Found>, Fault> {
        let found = self.folder.look(&self.name);
        found.map_err(|error| Fault::io("look at", &self.path(), &error))
    }

    /// Claims the path of the target and that of its `.part`, which may be the target of another job.
    ///
    /// # Errors
    /// Another job has claimed one of them.
    pub(crate) fn claim<E>(&self, claim: impl Fn(&Path) -> Result<(), E>) -> Result<(), Fault> {
        self.try_claim(claim).map_err(|path| claimed_by_another(&path))
    }

    fn try_claim<E>(&self, claim: impl Fn(&Path) -> Result<(), E>) -> Result<(), PathBuf> {
        let part = self.folder.join(&self.folder.part_name(&self.name));
        [self.path(), part].into_iter().try_for_each(|path| claim(&path).map_err(|_| path))
    }

    /// Claims the first of the wanted name, `name (1).ext`, `name (2).ext` and so on that no file has.
    ///
    /// # Errors
    /// 10,000 of these names exist or are claimed.
    pub(crate) fn numbered<E>(&self, claim: impl Fn(&Path) -> Result<(), E>) -> Result<Target, Fault> {
        let mut target = Target { name: self.wanted.clone(), ..self.clone() };
        for number in 1..=MAX_NUMBER {
            if target.look()?.is_none() && target.try_claim(&claim).is_ok() {
                return Ok(target);
            }
            target.name = target.folder.numbered(&target.wanted, number);
        }
        let first = self.folder.join(&self.wanted);
        Err(Fault::disk(format!("{} and {MAX_NUMBER} names like it exist", first.shown())))
    }

    /// Fails if the existing file belongs to another user, who could replace it at any time.
    pub(crate) fn refuse_of_another(&self, found: &Found) -> Result<(), Fault> {
        match self.folder.is_of_another(found.owner) {
            true => Err(of_another(&self.path(), found.owner)),
            false => Ok(()),
        }
    }

    /// The error for an existing target whose name only the server chose.
    pub(crate) fn not_by_server(&self) -> Fault {
        Fault::disk(format!(
            "{} exists, and it is the server that chose this name; if you mean this file, name it with --local",
            self.path().shown()
        ))
    }

    /// The error for an existing target that differs from the server's content. `part`: where the received content is.
    pub(crate) fn differs(&self, part: Option<&Path>) -> Fault {
        let kept = part.map(|part| format!("; what was fetched is in {}", part.shown())).unwrap_or_default();
        let advice = match self.by_server {
            // The other options are refused for a name that the user did not choose.
            true => "use --rename, or choose a name with --local",
            false => "use --update, --overwrite or --rename",
        };
        let path = self.path();
        Fault::disk(format!("{} exists and differs from the server's{kept}; {advice}", path.shown()))
    }
}

/// The error for a path that another job of the queue saves to.
pub(crate) fn claimed_by_another(path: &Path) -> Fault {
    Fault::disk(format!("another job of the queue saves to {}", path.shown()))
}

/// The error for unfinished content of another download under a name that only the server chose.
pub(crate) fn of_another_download(part: &Path) -> Fault {
    Fault::disk(format!(
        "{} is of another download, and it is the server that chose this name; move it away, or choose a name with --local",
        part.shown()
    ))
}
