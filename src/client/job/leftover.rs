//! What a job has left on the disk, found without any memory of it: a run that has only the queue of an earlier one can
//! delete it, too.

use std::{collections::HashSet, path::PathBuf};

use rustix::fs::FileType;

use crate::{
    client::{
        api::{config::Names, new_job::NewJob},
        disk::{folder::Folders, name::SafeName, part::Part, target::Target},
        error::Fault,
        job::{deletions::Deletions, extract::UnpackDir, placement::destination, tree::TreeWorkDir},
    },
    text::SafeText,
};
/// A job, and what it is called in the queue.
type Called = (NewJob, SafeText);

/// Deletes what has come of a job, as far as it says that it is from there. What one of `others`, which are not finished,
/// would go on with stays.
pub(crate) fn discard(
    deletions: &Deletions,
    folders: &Folders,
    names: Names,
    job: &Called,
    others: &[Called],
) {
    let taken: HashSet<PathBuf> =
        others.iter().flat_map(|other| targets(folders, names, other)).map(|target| target.path()).collect();
    for target in targets(folders, names, job).filter(|target| !taken.contains(&target.path())) {
        discard_at(deletions, &job.0, &target).unwrap_or_else(|fault| stays(&fault));
    }
}

/// Where its content may have been going.
fn targets(folders: &Folders, names: Names, (new, name): &Called) -> impl Iterator<Item = Target> {
    let mut called: Vec<_> = destination::names(new, names).into_iter().map(|(_, name)| name).collect();
    if new.address.is_root() {
        // What the server calls it was told in an earlier run.
        called.push(SafeName::fitting(name.as_str(), names));
    }
    called.into_iter().filter_map(|name| {
        let target = destination::candidate(folders, new, &name, |_| Ok(()));
        target.map_err(|fault| stays(&fault)).ok().flatten()
    })
}

/// What cannot be reached, or is in use by another process.
fn stays(fault: &Fault) {
    tracing::warn!("{}", fault.trouble.message);
}

fn discard_at(deletions: &Deletions, new: &NewJob, target: &Target) -> Result<(), Fault> {
    let Target { folder, name, .. } = target;
    if new.extract {
        UnpackDir::clear(folder, name);
    }
    let found = folder.look(&folder.part_name(name)).ok().flatten();
    match found.map(|found| found.kind) {
        Some(FileType::RegularFile) => {
            let part = Part::open(folder, name)?;
            if part.recorded()?.is_some_and(|(record, _)| record.content.is_from(&new.address)) {
                part.discard();
            }
        }
        Some(FileType::Directory) => {
            let work_dir = TreeWorkDir::open(folder, name)?;
            if work_dir.is_from(&new.address) {
                work_dir.discard(deletions, || deletions.may_delete());
            }
        }
        _ => {}
    }
    Ok(())
}
