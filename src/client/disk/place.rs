//! Where a job saves: the folder and name, decided once the server has said what it sends.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::FileType;

use crate::{
    client::{
        api::{
            command::JobId,
            config::Names,
            new_job::{Existing, Form, NewJob},
        },
        disk::{
            folder::{Folder, Folders, Found, of_another, refuse_way_of_another},
            name::SafeName,
        },
        error::Fault,
    },
    platform::reason,
    protocol::odd_name,
    text::{SafeText, ShowPath},
};
/// Names tried for [`Existing::Rename`].
const NUMBERS: u32 = 10_000;

/// A file to be.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) folder: Arc<Folder>,
    pub(crate) name: OsString,
    /// The name before it was numbered.
    wanted: OsString,
    /// Nobody but the server has chosen the name. Nothing of that name is touched, or told of, unless it came from there.
    pub(crate) by_server: bool,
}

impl Target {
    /// A name in a folder.
    pub(crate) fn new(folder: Arc<Folder>, name: OsString) -> Target {
        Target { folder, wanted: name.clone(), name, by_server: false }
    }

    /// The path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Claims its path and that of its `.part`, which another job may have for a target of its own.
    ///
    /// # Errors
    /// Another one has this path.
    fn claim(&self, claim: impl Fn(&Path) -> Result<(), JobId>) -> Result<(), PathBuf> {
        let part = self.folder.join(&self.folder.part_name(&self.name));
        [self.path(), part].into_iter().try_for_each(|path| claim(&path).map_err(|_| path))
    }

    /// Whether this is still where a content of this name goes.
    pub(crate) fn fits(&self, new: &NewJob, name: &SafeName) -> bool {
        new.save_as.is_some() || self.wanted == self.folder.within(name.as_os_str())
    }
}

/// Decides on the target of a job. `claim` takes a path for this job unless another one has it.
pub(crate) fn decide(
    folders: &Folders,
    new: &NewJob,
    (name, names): (&SafeName, Names),
    size: Option<u64>,
    claim: impl Fn(&Path) -> Result<(), JobId>,
) -> Result<Target, Fault> {
    let target = choose(folders, new, (name, names), claim)?;
    if new.existing != Existing::Rename {
        refuse_existing(&target, new.existing, size)?;
    }
    Ok(target)
}

/// The same, whatever is there. The folder is made.
pub(crate) fn choose(
    folders: &Folders,
    new: &NewJob,
    (name, names): (&SafeName, Names),
    claim: impl Fn(&Path) -> Result<(), JobId>,
) -> Result<Target, Fault> {
    if !new.folder.exists() {
        refuse_way_of_another(&new.folder)?;
        std::fs::create_dir_all(&new.folder).map_err(|error| {
            Fault::disk(format!("cannot create the folder {}: {}", new.folder.shown(), reason(&error)))
        })?;
    }
    let target = candidate(folders, new, name, &claim)?
        .ok_or_else(|| Fault::disk(format!("there is no folder {}; create it first", new.folder.shown())))?;
    if names == Names::Exact {
        refuse_cut(new, name, &target)?;
    }
    if new.existing != Existing::Rename {
        take(&target, claim)?;
    }
    Ok(target)
}

/// Fails if the name of the content is too long for the file system, and only a shortened one would fit.
fn refuse_cut(new: &NewJob, name: &SafeName, target: &Target) -> Result<(), Fault> {
    let asked = new.address.path.name().and_then(odd_name::to_bytes);
    let is_cut = asked.is_some_and(|asked| target.folder.is_too_long(OsStr::from_bytes(&asked)));
    if is_cut && matches!(split(new, name)?, (.., Whose::Content)) {
        let (folder, shown) =
            (target.folder.join(OsStr::new("")), SafeText::from_bytes(name.as_os_str().as_bytes()));
        return Err(Fault::disk(format!(
            "the name {shown} is too long for the file system of {}; use --names portable, or choose a name with --local",
            folder.shown()
        )));
    }
    Ok(())
}

/// The target that a content of this name would have; `None` if not even its folder is there. Makes nothing.
pub(crate) fn candidate(
    folders: &Folders,
    new: &NewJob,
    name: &SafeName,
    claim: impl Fn(&Path) -> Result<(), JobId>,
) -> Result<Option<Target>, Fault> {
    if !new.folder.exists() {
        return Ok(None);
    }
    let (folder, name, whose) = split(new, name)?;
    let folder = folders.open(&folder)?;
    let name = match whose {
        Whose::Content => folder.within(&name),
        Whose::User if folder.is_too_long(&name) => {
            let path = folder.join(&name);
            return Err(Fault::disk(format!("{} is too long a name for its file system", path.shown())));
        }
        Whose::User => name,
    };
    let by_server = whose == Whose::Content && new.address.path.is_root();
    let target = Target { by_server, ..Target::new(folder, name) };
    if new.existing == Existing::Rename {
        return renamed(target, claim).map(Some);
    }
    Ok(Some(target))
}

/// Whether a content cannot have its own name here.
pub(crate) fn is_substitute(target: &Target, new: &NewJob) -> bool {
    let asked = new.address.path.name().filter(|_| new.save_as.is_none());
    let asked = asked.and_then(odd_name::to_bytes);
    asked.is_some_and(|asked| {
        let wanted = target.wanted.as_bytes();
        wanted != &*asked && wanted.strip_suffix(b".zip") != Some(&asked)
    })
}

/// Takes a target for a job.
pub(crate) fn take(target: &Target, claim: impl Fn(&Path) -> Result<(), JobId>) -> Result<(), Fault> {
    target.claim(claim).map_err(|path| taken(&path))
}

/// Another job has a path.
pub(crate) fn taken(path: &Path) -> Fault {
    Fault::disk(format!("another job of the queue saves to {}", path.shown()))
}

/// Whose a name is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The user has named the file.
    User,
    /// It is called as what is fetched.
    Content,
}

/// Folder and name: what the user says is obeyed; naming an existing folder means into it.
fn split(new: &NewJob, name: &SafeName) -> Result<(PathBuf, OsString, Whose), Fault> {
    let Some(save_as) = &new.save_as else {
        return Ok((new.folder.clone(), name.as_os_str().to_owned(), Whose::Content));
    };
    let path = new.folder.join(save_as);
    let named_as_folder = save_as.as_os_str().as_encoded_bytes().ends_with(b"/");
    // A tree is a folder itself, and may be there.
    if named_as_folder || path.is_dir() && new.form != Form::Tree {
        return Ok((path, name.as_os_str().to_owned(), Whose::Content));
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok((folder.to_owned(), name.to_owned(), Whose::User)),
        _ => Err(Fault::disk(format!("{} is not a file name", path.shown()))),
    }
}

/// Fails before anything is fetched if the result could not be put in place.
pub(crate) fn refuse_existing(target: &Target, existing: Existing, size: Option<u64>) -> Result<(), Fault> {
    let Some(found) = look(target)? else { return Ok(()) };
    refuse_of_another(target, &found)?;
    let path = target.path();
    let path = path.shown();
    match (found.kind, existing) {
        (FileType::Directory, _) => Err(Fault::disk(format!("{path} is a directory"))),
        (_, Existing::Overwrite | Existing::Update) if target.by_server => Err(not_by_server(target)),
        (_, Existing::Overwrite | Existing::Update) => Ok(()),
        (FileType::RegularFile, _) if size.is_none_or(|size| size == found.size) => Ok(()),
        _ => Err(differs(target, None)),
    }
}

/// Fails if the target is in a shared folder and belongs to another user, who could replace it at any time.
pub(crate) fn refuse_of_another(target: &Target, found: &Found) -> Result<(), Fault> {
    match target.folder.is_of_another(found.owner) {
        true => Err(of_another(&target.path(), found.owner)),
        false => Ok(()),
    }
}

/// Something has the name that the server chose.
pub(crate) fn not_by_server(target: &Target) -> Fault {
    Fault::disk(format!(
        "{} exists, and it is the server that chose this name; if it is the one that you mean, name it with --local",
        target.path().shown()
    ))
}

/// What is unfinished under the name that the server chose is of another download.
pub(crate) fn not_ours(part: &Path) -> Fault {
    Fault::disk(format!(
        "{} is of another download, and it is the server that chose this name; move it away, or choose a name with --local",
        part.shown()
    ))
}

pub(crate) fn look(target: &Target) -> Result<Option<Found>, Fault> {
    target
        .folder
        .look(&target.name)
        .map_err(|error| Fault::disk(format!("cannot look at {}: {}", target.path().shown(), reason(&error))))
}

/// The target exists and is not what the server has. `part`: where what was fetched is.
pub(crate) fn differs(target: &Target, part: Option<&Path>) -> Fault {
    let kept = part.map(|part| format!("; what was fetched is in {}", part.shown())).unwrap_or_default();
    let advice = match target.by_server {
        // The others are refused for a name that the user has not chosen.
        true => "use --rename, or choose a name with --local",
        false => "use --update, --overwrite or --rename",
    };
    let path = target.path();
    Fault::disk(format!("{} exists and differs from the server's{kept}; {advice}", path.shown()))
}

/// The first name that is free and not claimed.
fn renamed(mut target: Target, claim: impl Fn(&Path) -> Result<(), JobId>) -> Result<Target, Fault> {
    for number in 1..=NUMBERS {
        if look(&target)?.is_none() && target.claim(&claim).is_ok() {
            return Ok(target);
        }
        target.name = target.folder.numbered(&target.wanted, number);
    }
    let first = target.folder.join(&target.wanted);
    Err(Fault::disk(format!("{} and {NUMBERS} names like it exist", first.shown())))
}

/// The next name after `target`, which has come into being meanwhile.
pub(crate) fn next_name(
    target: &Target,
    claim: impl Fn(&Path) -> Result<(), JobId>,
) -> Result<Target, Fault> {
    renamed(Target { name: target.wanted.clone(), ..target.clone() }, claim)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{
        address::{Address, Authority, Security},
        path::RemotePath,
    };
    use std::{cell::RefCell, collections::HashSet, fs};

    fn job(folder: &Path, save_as: Option<&str>, existing: Existing) -> NewJob {
        NewJob {
            address: Address {
                authority: Authority::new("h", 1, Security::Plain),
                path: RemotePath::parse("a.txt").unwrap(),
            },
            speak: Default::default(),
            form: Default::default(),
            folder: folder.to_owned(),
            save_as: save_as.map(PathBuf::from),
            existing,
            checksum: None,
            extract: false,
        }
    }

    fn decided(job: &NewJob, size: u64) -> Result<PathBuf, String> {
        decide(&Folders::default(), job, (&SafeName::new("a.txt"), Names::Exact), Some(size), |_| Ok(()))
            .map(|target| target.path())
            .map_err(|fault| fault.trouble.message.to_string())
    }

    #[test]
    fn the_user_is_obeyed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        fs::create_dir(root.join("sub")).unwrap();
        let saved = |save_as| decided(&job(&root, save_as, Existing::Keep), 1);
        assert_eq!(saved(None), Ok(root.join("a.txt")));
        assert_eq!(saved(Some("b")), Ok(root.join("b")));
        assert_eq!(saved(Some("sub/../b")), Ok(root.join("b")));
        assert_eq!(saved(Some("sub")), Ok(root.join("sub/a.txt")));
        assert_eq!(saved(Some("sub/c")), Ok(root.join("sub/c")));
        let absolute = root.join("sub/d");
        assert_eq!(saved(absolute.to_str()), Ok(absolute.clone()));
        assert!(saved(Some("absent/c")).unwrap_err().contains("create it first"));
    }

    #[test]
    fn the_folder_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap().join("new/deep");
        assert_eq!(decided(&job(&folder, None, Existing::Keep), 1), Ok(folder.join("a.txt")));
    }

    #[test]
    fn an_existing_target_fails_before_anything_is_fetched() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a.txt"), "abc").unwrap();
        let at = |existing, size| decided(&job(dir.path(), None, existing), size);
        assert!(at(Existing::Keep, 3).is_ok(), "may be identical");
        assert!(at(Existing::Keep, 4).unwrap_err().contains("exists and differs"));
        assert!(at(Existing::Overwrite, 4).is_ok());
        assert!(at(Existing::Rename, 3).unwrap().ends_with("a (1).txt"));
        fs::remove_file(dir.path().join("a.txt")).unwrap();
        fs::create_dir(dir.path().join("a.txt")).unwrap();
        for existing in [Existing::Keep, Existing::Overwrite] {
            assert!(at(existing, 3).unwrap_err().contains("is a directory"));
        }
    }

    #[test]
    fn two_jobs_do_not_share_a_target() {
        let dir = tempfile::tempdir().unwrap();
        let claimed = RefCell::new(HashSet::new());
        let claim = |path: &Path| {
            if claimed.borrow_mut().insert(path.to_owned()) { Ok(()) } else { Err(JobId(0)) }
        };
        let (name, folders) = (SafeName::new("a.txt"), Folders::default());
        let name = (&name, Names::Exact);
        let keep = job(dir.path(), None, Existing::Keep);
        decide(&folders, &keep, name, None, claim).unwrap();
        let fault = decide(&folders, &keep, name, None, claim).unwrap_err();
        assert!(fault.trouble.message.as_str().starts_with("another job of the queue saves to "));
        let rename = job(dir.path(), None, Existing::Rename);
        assert!(decide(&folders, &rename, name, None, claim).unwrap().path().ends_with("a (1).txt"));
    }
}
