//! What a job has left on the disk, found without any memory of it: a run that has only the queue of an earlier one can
//! delete it, too.

use rustix::fs::FileType;

use super::{
    NewJob,
    folder::Folders,
    name::{self, SafeName},
    part::Part,
    place::{self, Target},
    retry::Fault,
    tree::Stage,
};
use crate::text::SafeText;

/// Deletes what has come of a job, called `name` in the queue, as far as it says that it is from there.
pub(super) fn discard(folders: &Folders, new: &NewJob, name: &SafeText) {
    let names = match new.address.path.name() {
        asked @ Some(_) => [false, true].map(|archive| SafeName::for_content(asked, "", archive)).to_vec(),
        // What the server calls it was told in an earlier run.
        None => vec![SafeName::new(name.as_str())],
    };
    for name in names {
        // What cannot be reached, or is in use by somebody else, stays.
        let target = place::candidate(folders, new, &name, |_| Ok(()));
        if let Err(fault) = target.and_then(|target| target.map_or(Ok(()), |target| discard_at(new, &target)))
        {
            tracing::warn!("{}", fault.trouble.message);
        }
    }
}

fn discard_at(new: &NewJob, target: &Target) -> Result<(), Fault> {
    let Target { folder, name, .. } = target;
    let found = folder.look(&name::part_name(name)).ok().flatten();
    match found.map(|found| found.kind) {
        Some(FileType::RegularFile) => {
            let part = Part::open(folder, name)?;
            if part.recorded()?.is_some_and(|(record, _)| record.source.is_from(&new.address)) {
                part.discard();
            }
        }
        Some(FileType::Directory) => {
            let stage = Stage::open(folder, name)?;
            if stage.is_from(&new.address) {
                stage.discard();
            }
        }
        _ => {}
    }
    Ok(())
}
