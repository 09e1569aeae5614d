//! Deletes the partial files of a job of an earlier run. They are found by the job's entry in the queue alone.

use std::{collections::HashSet, path::PathBuf};

use rustix::fs::FileType;

use crate::client::{
    api::{new_job::NewJob, settings::config::Names},
    content::Content,
    disk::{
        folder::Folders,
        name::SafeName,
        part::{Part, aside::Aside},
        target::Target,
    },
    error::Fault,
    job::{
        deletions::{Deletions, NamedJob},
        extract::UnpackDir,
        placement::destination,
        tree::TreeWorkDir,
    },
};

/// Deletes the partial files of a job, if their journals name its address. Those that one of the unfinished `others` can resume are kept.
pub(crate) fn discard(
    deletions: &Deletions,
    folders: &Folders,
    names: Names,
    job: &NamedJob,
    others: &[NamedJob],
) {
    let everywhere = |(new, name): &NamedJob| {
        let before = new.earlier.iter().map(|earlier| (new.at(earlier), name.clone()));
        before.chain([(new.clone(), name.clone())]).collect::<Vec<_>>()
    };
    let taken: HashSet<PathBuf> = others
        .iter()
        .flat_map(everywhere)
        .flat_map(|other| targets(folders, names, &other).collect::<Vec<_>>())
        .map(|target| target.path())
        .collect();
    for job in everywhere(job) {
        for target in targets(folders, names, &job).filter(|target| !taken.contains(&target.path())) {
            discard_at(deletions, &job.0, &target).unwrap_or_else(|fault| log_kept(&fault));
        }
    }
}

/// The targets that its content may have had.
fn targets(folders: &Folders, names: Names, (new, name): &NamedJob) -> impl Iterator<Item = Target> {
    let mut called: Vec<_> = destination::names(new, names).into_iter().map(|(_, name)| name).collect();
    if new.address.is_root() || !new.address.has_directories() {
        // In an earlier run the server has sent this name.
        called.push(SafeName::fitting(name.as_str(), names));
    }
    called.into_iter().filter_map(|name| {
        let target = destination::candidate(folders, new, &name, |_| Ok(()));
        target.map_err(|fault| log_kept(&fault)).ok().flatten()
    })
}

/// Partial files that cannot be reached, or are in use by another process, are kept.
fn log_kept(fault: &Fault) {
    tracing::warn!("{}", fault.trouble.message);
}

fn discard_at(deletions: &Deletions, new: &NewJob, target: &Target) -> Result<(), Fault> {
    let Target { folder, name, .. } = target;
    if new.extract {
        UnpackDir::clear(folder, name);
    }
    let is_of = |content: &Content| new.addresses().any(|address| content.is_from(address));
    Aside::of(target).discard(is_of);
    let found = folder.look(&folder.part_name(name)).ok().flatten();
    match found.map(|found| found.kind) {
        Some(FileType::RegularFile) => {
            let part = Part::open(folder, name)?;
            if part.recorded()?.is_some_and(|(record, _)| is_of(&record.content)) {
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
