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

/// What became of what an earlier attempt has left.
#[derive(PartialEq, Eq)]
enum Moved {
    /// It is where the job is saved now.
    Away,
    /// The job is still saved there.
    Stays,
    /// It is left.
    Nothing,
}

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
        let part = old.folder.join(&part);
        if !is_part && found != Some(FileType::Directory) || self.claim(&part).is_err() {
            return Ok(false);
        }
        let moved = self.move_from(before, &old, is_part, &called(&self.new));
        // Another job may save there now, unless this one still does.
        if !matches!(moved, Ok(Moved::Stays)) {
            self.claims.release_path(&part, self.id);
        }
        Ok(moved? == Moved::Away)
    }

    /// Moves what an earlier attempt has left at `old`. `name`: that of the target.
    fn move_from(
        &self,
        before: &NewJob,
        old: &Target,
        is_part: bool,
        name: &SafeName,
    ) -> Result<Moved, Fault> {
        let claim = |path: &std::path::Path| self.claim(path);
        let target = destination::choose(&self.folders, &self.new, (name, self.names), claim)?;
        if target.path() == old.path() {
            return Ok(Moved::Stays);
        }
        if TreeWorkDir::is_there(&target.folder, &target.name) {
            return Ok(Moved::Nothing);
        }
        if !is_part {
            let moved = move_work_dir(before, old, &target)?;
            return Ok(if moved { Moved::Away } else { Moved::Nothing });
        }
        Part::open(&old.folder, &old.name)?.move_to(&target.folder, &target.name)?;
        Ok(Moved::Away)
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
