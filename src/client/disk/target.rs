//! The target of a download: the folder and the name that it is saved under.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FileType;

use crate::{
    client::{
        api::question::{Conflict, ConflictKind, Facts, Question},
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
    /// This other job has claimed this one of them.
    pub(crate) fn claim<E>(&self, claim: impl Fn(&Path) -> Result<(), E>) -> Result<(), (PathBuf, E)> {
        let part = self.folder.join(&self.folder.part_name(&self.name));
        [self.path(), part].into_iter().try_for_each(|path| claim(&path).map_err(|other| (path, other)))
    }

    /// Claims the first of the wanted name, `name (1).ext`, `name (2).ext` and so on that no file has.
    ///
    /// # Errors
    /// 10,000 of these names exist or are claimed.
    pub(crate) fn numbered<E>(&self, claim: impl Fn(&Path) -> Result<(), E>) -> Result<Target, Fault> {
        self.numbered_where(claim, |_| true)
    }

    /// The same with only the names that are free for this.
    pub(crate) fn numbered_where<E>(
        &self,
        claim: impl Fn(&Path) -> Result<(), E>,
        is_free: impl Fn(&Target) -> bool,
    ) -> Result<Target, Fault> {
        let mut target = Target { name: self.wanted.clone(), ..self.clone() };
        for number in 1..=MAX_NUMBER {
            if target.look()?.is_none() && is_free(&target) && target.claim(&claim).is_ok() {
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
            "{} exists, and it is the server that chose this name; if you mean this file, name it",
            self.path().shown()
        ))
        .or_by(" with --local")
        .asking(Question::Exists(self.conflict(ConflictKind::Fixed)))
    }

    /// The error for an existing target that differs from the server's content. `part`: where the received content is.
    pub(crate) fn differs(&self, part: Option<&Path>) -> Fault {
        let kept = part.map(|part| format!("; what was fetched is in {}", part.shown())).unwrap_or_default();
        let (kind, options) = match self.by_server {
            // The other options are refused for a name that the user did not choose.
            true => (ConflictKind::Fixed, "; use --rename, or choose a name with --local"),
            false => (ConflictKind::File, "; use --update, --overwrite or --rename"),
        };
        let path = self.path();
        Fault::disk(format!("{} exists and differs from the server's{kept}", path.shown()))
            .or_by(options)
            .asking(Question::Exists(self.conflict(kind)))
    }

    /// What the user can decide about this target, which exists.
    pub(crate) fn conflict(&self, kind: ConflictKind) -> Conflict {
        let local = self.look().ok().flatten().map(|found| Facts {
            size: (found.kind == FileType::RegularFile).then_some(found.size),
            modified: Some(found.modified),
        });
        Conflict { path: self.path(), kind, local: local.unwrap_or_default(), remote: Facts::default() }
    }
}

/// The error for unfinished content of another download under a name that only the server chose.
pub(crate) fn of_another_download(part: &Path) -> Fault {
    Fault::disk(format!(
        "{} is of another download, and it is the server that chose this name; move it away, or choose a name",
        part.shown()
    ))
    .or_by(" with --local")
}
