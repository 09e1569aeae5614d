//! Finds the partial file of a job at the places where it was saved before the user changed that, and moves it.

use rustix::fs::FileType;

use crate::{
    client::{
        api::new_job::NewJob,
        disk::{name::SafeName, part::Part, target::Target},
        error::Fault,
        job::{
            placement::{Placement, destination},
            tree::TreeWorkDir,
        },
    },
    text::SafeText,
};

impl Placement {
    /// Moves what an earlier attempt has left elsewhere to where the job is saved now, if nothing is there. `name`: that of the job.
    pub(crate) fn collect(&self, name: &SafeText) -> Result<(), Fault> {
        for earlier in self.new.earlier.iter().rev() {
            let before = self.new.at(earlier);
            for is_archive in [true, false] {
                if self.collect_from(&before, is_archive, name)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Returns whether something was moved.
    fn collect_from(&self, before: &NewJob, is_archive: bool, name: &SafeText) -> Result<bool, Fault> {
        let called =
            |new: &NewJob| SafeName::for_content(new.address.name(), name.as_str(), is_archive, self.names);
        let old = destination::candidate(&self.folders, before, &called(before), |_| Ok(()))?;
        let Some(old) = old else { return Ok(false) };
        let part = old.folder.part_name(&old.name);
        let found = old.folder.look(&part).ok().flatten().map(|found| found.kind);
        let is_part = found == Some(FileType::RegularFile) && is_own_part(before, &old);
        if !is_part && found != Some(FileType::Directory) || self.claim(&old.folder.join(&part)).is_err() {
            return Ok(false);
        }
        let claim = |path: &std::path::Path| self.claim(path);
        let target = destination::choose(&self.folders, &self.new, (&called(&self.new), self.names), claim)?;
        if target.path() == old.path() || TreeWorkDir::is_there(&target.folder, &target.name) {
            return Ok(false);
        }
        if !is_part {
            return move_work_dir(before, &old, &target);
        }
        Part::open(&old.folder, &old.name)?.move_to(&target.folder, &target.name)?;
        Ok(true)
    }
}

/// Whether the partial file of a target has something of this job in it.
fn is_own_part(before: &NewJob, old: &Target) -> bool {
    let source = Part::source(&old.folder, &old.name).filter(|_| Part::is_there(&old.folder, &old.name));
    source.is_some_and(|content| content.is_from(&before.address))
}

fn move_work_dir(before: &NewJob, old: &Target, target: &Target) -> Result<bool, Fault> {
    let work_dir = TreeWorkDir::open(&old.folder, &old.name)?;
    let is_own = work_dir.holds_content() && work_dir.is_from(&before.address);
    if is_own {
        work_dir.move_to(&target.folder, &target.name)?;
    } else {
        work_dir.close();
    }
    Ok(is_own)
}
