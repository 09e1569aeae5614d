//! Chooses the target of a job, once the server has announced its content.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::fs::FileType;

use crate::{
    client::{
        api::{
            job_id::JobId,
            new_job::{Existing, Form, NewJob},
            question::{ConflictKind, Question},
            settings::config::Names,
        },
        disk::{
            folder::{Folders, refuse_way_of_another},
            name::SafeName,
            part::Part,
            target::Target,
        },
        error::Fault,
        job::placement::claimed,
    },
    protocol::{message, path::odd_name},
    text::{SafeText, ShowPath},
};

/// The forms that the content of a job may have, each with its name; empty if only the server knows the name. Archives are
/// first: the journal of an archive shows that it is one.
pub(crate) fn names(new: &NewJob, names: Names) -> Vec<(message::Form, SafeName)> {
    let asked @ Some(_) = new.address.name() else { return Vec::new() };
    let forms = match new.form {
        _ if !new.address.has_directories() => &[message::Form::File][..],
        Form::Auto => &[message::Form::Zip, message::Form::File],
        Form::Zip => &[message::Form::Zip],
        Form::File | Form::Tree => &[message::Form::File],
    };
    let name = |&form: &_| (form, SafeName::for_content(asked, "", form == message::Form::Zip, names));
    forms.iter().map(name).collect()
}

/// Chooses the target, and fails if an existing file must be kept. `claim`: claims a path for this job, unless another job has it.
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

/// Chooses the target, whether it exists or not, and creates the folder.
pub(crate) fn choose(
    folders: &Folders,
    new: &NewJob,
    (name, names): (&SafeName, Names),
    claim: impl Fn(&Path) -> Result<(), JobId>,
) -> Result<Target, Fault> {
    if !new.folder.exists() {
        refuse_way_of_another(&new.folder)?;
        std::fs::create_dir_all(&new.folder)
            .map_err(|error| Fault::io("create the folder", &new.folder, &error))?;
    }
    let target = candidate(folders, new, name, &claim)?
        .ok_or_else(|| Fault::disk(format!("there is no folder {}; create it first", new.folder.shown())))?;
    if names == Names::Exact {
        refuse_cut(new, name, &target)?;
    }
    if new.existing != Existing::Rename {
        target.claim(claim).map_err(claimed)?;
    }
    Ok(target)
}

/// Fails if the name of the content is too long for the file system, and only a shortened one would fit.
fn refuse_cut(new: &NewJob, name: &SafeName, target: &Target) -> Result<(), Fault> {
    let asked = new.address.name().and_then(odd_name::to_bytes);
    let is_cut = asked.is_some_and(|asked| target.folder.is_too_long(OsStr::from_bytes(&asked)));
    if is_cut && matches!(split(new, name)?, (.., NamedBy::Content)) {
        let (folder, shown) =
            (target.folder.join(OsStr::new("")), SafeText::from_bytes(name.as_os_str().as_bytes()));
        return Err(Fault::disk(format!(
            "the name {shown} is too long for the file system of {}; choose another name",
            folder.shown()
        ))
        .or_by(" with --local, or use --names portable"));
    }
    Ok(())
}

/// Returns the target that a content of this name would have; `None` if the folder does not exist. Creates nothing.
pub(crate) fn candidate(
    folders: &Folders,
    new: &NewJob,
    name: &SafeName,
    claim: impl Fn(&Path) -> Result<(), JobId>,
) -> Result<Option<Target>, Fault> {
    if !new.folder.exists() {
        return Ok(None);
    }
    let name_of_content = name;
    let (folder, name, named_by) = split(new, name)?;
    let folder = folders.open(&folder)?;
    let name = match named_by {
        NamedBy::Content => folder.within(&name),
        NamedBy::User if folder.is_too_long(&name) => {
            let path = folder.join(&name);
            return Err(Fault::disk(format!("{} is too long a name for its file system", path.shown())));
        }
        NamedBy::User => name,
    };
    let mut target = Target::new(folder, name);
    target.by_server = named_by == NamedBy::Content && is_named_by_server(new, name_of_content);
    match new.existing {
        Existing::Rename => target.numbered_where(claim, |target| is_free(target, new)).map(Some),
        _ => Ok(Some(target)),
    }
}

/// Whether the server has chosen the name, and not the user by the address.
fn is_named_by_server(new: &NewJob, name: &SafeName) -> bool {
    let is_asked =
        |asked| [Names::Exact, Names::Portable].map(|names| SafeName::fitting(asked, names)).contains(name);
    new.address.is_root() || !new.address.has_directories() && !new.address.name().is_some_and(is_asked)
}

/// Whether no other content is being received for a target, according to its journal.
fn is_free(target: &Target, new: &NewJob) -> bool {
    let source = Part::source(&target.folder, &target.name);
    source.is_none_or(|content| {
        let earlier = new.earlier.iter().map(|earlier| &earlier.address);
        new.addresses().chain(earlier).any(|address| content.is_from(address))
    })
}

/// Whether a content of this name is still saved at this target.
pub(crate) fn fits(target: &Target, new: &NewJob, name: &SafeName) -> bool {
    new.save_as.is_some() || *target.wanted() == target.folder.within(name.as_os_str())
}

/// Whether a content is saved under another name than its own.
pub(crate) fn is_substitute(target: &Target, new: &NewJob) -> bool {
    let asked = new.address.name().filter(|_| new.save_as.is_none() && !target.by_server);
    let asked = asked.and_then(odd_name::to_bytes);
    asked.is_some_and(|asked| {
        let wanted = target.wanted().as_bytes();
        wanted != &*asked && wanted.strip_suffix(b".zip") != Some(&asked)
    })
}

/// Where the name of a file comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NamedBy {
    /// The user chose it.
    User,
    /// It is the name of the content.
    Content,
}

/// Returns the folder and the name. The user's path comes first; if it is an existing folder, the file is saved in it.
fn split(new: &NewJob, name: &SafeName) -> Result<(PathBuf, OsString, NamedBy), Fault> {
    let Some(save_as) = &new.save_as else {
        return Ok((new.folder.clone(), name.as_os_str().to_owned(), NamedBy::Content));
    };
    let path = new.folder.join(save_as);
    let named_as_folder = save_as.as_os_str().as_encoded_bytes().ends_with(b"/");
    // A tree is a folder itself, which may exist.
    if named_as_folder || path.is_dir() && new.form != Form::Tree {
        return Ok((path, name.as_os_str().to_owned(), NamedBy::Content));
    }
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok((folder.to_owned(), name.to_owned(), NamedBy::User)),
        _ => Err(Fault::disk(format!("{} is not a file name", path.shown()))),
    }
}

/// Fails if the existing target would prevent the commit of a content of `size` bytes.
pub(crate) fn refuse_existing(target: &Target, existing: Existing, size: Option<u64>) -> Result<(), Fault> {
    let Some(found) = target.look()? else { return Ok(()) };
    target.refuse_of_another(&found)?;
    match (found.kind, existing) {
        (FileType::Directory, _) => {
            let question = Question::Exists(target.conflict(ConflictKind::Fixed));
            Err(Fault::disk(format!("{} is a directory", target.path().shown())).asking(question))
        }
        (_, Existing::Overwrite | Existing::Update) if target.by_server => Err(target.not_by_server()),
        (_, Existing::Overwrite | Existing::Update) => Ok(()),
        (FileType::RegularFile, _) if size.is_none_or(|size| size == found.size) => Ok(()),
        _ => Err(target.differs(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::api::address::locator::Locator;
    use std::{cell::RefCell, collections::HashSet, fs};

    fn job(folder: &Path, save_as: Option<&str>, existing: Existing) -> NewJob {
        NewJob {
            address: Locator::parse("fdsp+plain://h:1/a.txt").unwrap(),
            speak: Default::default(),
            form: Default::default(),
            folder: folder.to_owned(),
            save_as: save_as.map(PathBuf::from),
            existing,
            checksum: None,
            sums: None,
            headers: Vec::new(),
            extract: false,
            mirrors: Vec::new(),
            described: None,
            listed: None,
            earlier: Vec::new(),
        }
    }

    fn decided(job: &NewJob, size: u64) -> Result<PathBuf, String> {
        decide(&Folders::default(), job, (&SafeName::new("a.txt"), Names::Exact), Some(size), |_| Ok(()))
            .map(|target| target.path())
            .map_err(|fault| fault.trouble.message.to_string())
    }

    #[test]
    fn the_path_of_the_user_is_used() {
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
    fn a_missing_folder_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap().join("new/deep");
        assert_eq!(decided(&job(&folder, None, Existing::Keep), 1), Ok(folder.join("a.txt")));
    }

    #[test]
    fn an_existing_target_fails_before_anything_is_received() {
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
