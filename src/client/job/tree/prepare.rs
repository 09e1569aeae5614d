//! Prepares the work directory of a tree. What the disk cannot store is found here, before anything is written.

use std::{collections::HashMap, sync::Arc};

use rustix::{fs::Mode, io::Errno};

use crate::{
    client::{
        api::question::{ConflictKind, Question},
        content::blocks::LocalBytes,
        disk::{part, target::of_another_download},
        error::{Fault, Unfinished},
        job::tree::{
            disk::{
                journal::{self, Place, Subject, TreeLines},
                survey::{self, State, Survey},
                tree_dir::{self, Cursor, TreeDir},
                work_dir::TreeWorkDir,
                writer::{Writer, WriterSetup},
            },
            large,
            manifest::{Node, exclude, names},
            state::TreeResume,
            work::Work,
        },
    },
    platform,
    protocol::digest::BLOCK_SIZE,
    text::{ShowPath, units},
};
impl Work<'_> {
    /// Opens the work directory, finds what is local, and creates the directories.
    pub(super) fn prepare(
        &mut self,
        should_continue: &impl Fn() -> bool,
    ) -> Result<(TreeDir, Vec<State>), Unfinished> {
        let tree = &mut *self.tree;
        if tree
            .work_dir
            .as_ref()
            .is_some_and(|work_dir| !work_dir.is_of(&self.target.folder, &self.target.name))
        {
            tree.close();
        }
        let work_dir = match &mut tree.work_dir {
            Some(work_dir) => work_dir,
            none => none.insert(TreeWorkDir::open(&self.target.folder, &self.target.name)?),
        };
        if self.target.by_server && !work_dir.is_from(&self.attempt.new_job().address) {
            return Err(of_another_download(&work_dir.path()).into());
        }
        let twins = names::twins(&self.manifest, work_dir.folding());
        exclude(&mut self.manifest, twins);
        let unstorable = work_dir.unstorable(&self.manifest);
        exclude(&mut self.manifest, unstorable);
        let place = self.save_mode.place();
        let (record, trusted) = work_dir.recorded(place, self.manifest.origin, self.manifest.len() as usize);
        let (tree_dir, fresh) = match place {
            Place::New => work_dir.tree()?,
            Place::Target => (self.tree_dir()?, false),
        };
        let states = if fresh {
            let mut states = vec![State::Absent; self.manifest.len() as usize];
            states[0] = State::Proven(survey::EMPTY);
            states
        } else {
            if place == Place::New {
                survey::sweep(&tree_dir, &self.manifest, should_continue)?;
            }
            let survey = Survey { tree_dir: &tree_dir, manifest: &self.manifest, record: &record, trusted };
            let surveyed = survey.run(&mut self.tree.hashed, should_continue);
            if matches!(surveyed, Err(Unfinished::Stopped)) {
                self.begin_record(&tree_dir, place, (&record, trusted));
            }
            let surveyed = surveyed?;
            if let Some(clash) = surveyed.clash {
                return Err(Fault::disk(format!(
                    "{} is a directory on one side only; move it away",
                    tree_dir.path.join(self.manifest.disk_path(clash)).shown()
                ))
                .or_by(", or use --overwrite or --rename")
                .asking(Question::Exists(self.target.conflict(ConflictKind::Folder)))
                .into());
            }
            surveyed.states
        };
        self.log_local(&states);
        self.check_room(&states)?;
        self.make_directories(&tree_dir, &states)?;
        self.begin_record(&tree_dir, place, (&record, trusted));
        self.begun = self.begun(&states);
        self.count(&states);
        Ok((tree_dir, states))
    }

    /// How much is local of the large files that are not verified.
    fn begun(&self, states: &[State]) -> HashMap<u32, LocalBytes> {
        let Ok(work_dir) = self.work_dir() else { return HashMap::new() };
        let begun = |(index, _, size): (u32, _, u64)| {
            if size <= BLOCK_SIZE || matches!(states[index as usize], State::Proven(_)) {
                return None;
            }
            let local = large::local(
                work_dir,
                &self.manifest.path(index),
                (self.manifest.origin, self.manifest.identity(index)),
            )?;
            Some((index, local))
        };
        self.manifest.files().filter_map(begun).collect()
    }

    /// Logs how much is local already.
    fn log_local(&self, states: &[State]) {
        let proven =
            self.manifest.files().filter(|(index, ..)| matches!(states[*index as usize], State::Proven(_)));
        let (files, bytes) =
            proven.fold((0, 0u64), |(files, bytes), (_, _, size)| (files + 1, bytes.saturating_add(size)));
        if files > 0 {
            let path = self.target.path();
            let (files, bytes) = (units::count(files), units::bytes(bytes));
            // That the download begins says how much is local.
            tracing::debug!("{}: {files} files, {bytes}, are verified", path.shown());
        }
    }

    /// Fails if what is still to be received does not fit on the disk.
    fn check_room(&self, states: &[State]) -> Result<(), Fault> {
        let Some(work_dir) = &self.tree.work_dir else { return Ok(()) };
        let missing = |(index, _, size): (u32, _, u64)| match states[index as usize] {
            State::Absent if size > BLOCK_SIZE => {
                size.saturating_sub(large::length(work_dir, &self.manifest.path(index)))
            }
            State::Absent => size,
            _ => 0,
        };
        let needed = self.manifest.files().map(missing).fold(0u64, u64::saturating_add);
        // Holes take no space.
        let needed = self.manifest.totals.data_bytes.map_or(needed, |data| needed.min(data));
        match self.target.folder.free() {
            Some(free) if needed > free => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(part::no_room(&self.target.folder, &self.target.path(), &full, Some(needed)))
            }
            _ => Ok(()),
        }
    }

    fn make_directories(&self, tree_dir: &TreeDir, states: &[State]) -> Result<(), Fault> {
        let mut cursor = Cursor::new(tree_dir, &self.manifest);
        for (index, entry) in self.manifest.entries().skip(1) {
            if entry.node != Node::Directory || states[index as usize] != State::Absent {
                continue;
            }
            // Files have to be created in it, whatever mode the server has for it.
            let mode = Mode::from_raw_mode(u32::from(entry.mode) | 0o700);
            let name = self.manifest.disk_name(index);
            let made = cursor.parent(index).and_then(|parent| Ok(rustix::fs::mkdirat(parent, name, mode)?));
            made.map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOSPC | Errno::DQUOT) => {
                    let path = tree_dir.path.join(self.manifest.disk_path(index));
                    part::no_room(&self.target.folder, &path, &error, None)
                }
                _ => cursor.fault("create the folder", index, &error),
            })?;
        }
        Ok(())
    }

    /// Writes a new journal with the local files that have not changed since. From here on the work directory counts as in use.
    ///
    /// `record`: the journal of an earlier attempt, and whether it is trusted.
    fn begin_record(&mut self, tree_dir: &TreeDir, place: Place, (record, trusted): (&TreeLines, bool)) {
        let TreeResume { work_dir, hashed, .. } = &mut *self.tree;
        let Some(work_dir) = work_dir else {
            return;
        };
        let manifest = &self.manifest;
        let address = self.attempt.new_job().address.to_string();
        let subject = Subject { address, origin: manifest.origin, place };
        work_dir.record(&subject, |out| {
            let mut cursor = Cursor::new(tree_dir, manifest);
            for (index, _, size) in manifest.files() {
                let path = manifest.path(index);
                let recorded = record.file(&path);
                let hashed = hashed.file(&path);
                if recorded.or(hashed).is_none() {
                    continue;
                }
                let Some(stat) = cursor.look(index)? else { continue };
                let stamp = tree_dir::stamp(&stat);
                let identity = manifest.identity(index);
                let mut known = recorded.filter(|_| trusted).into_iter().chain(hashed);
                if let Some(known) = known.find(|known| known.size == size && known.has_stamp(&stamp)) {
                    let proven = recorded.is_some_and(|record| record.proves(known.root, identity));
                    let identity = if proven { identity } else { journal::HASHED };
                    out.add(&journal::file(&path, size, identity, known.root, &stamp))?;
                } else if let Some(known) =
                    recorded.filter(|known| known.size == size && known.is_of(identity))
                {
                    // It was written a moment ago: another write might not change its stamp. Without a stamp it is hashed again, and
                    // what a server has proven about it stays.
                    out.add(&journal::file(&path, size, identity, known.root, ""))?;
                }
            }
            Ok(())
        });
    }

    /// Starts the thread that writes the files.
    pub(super) fn writer(&self, tree_dir: &Arc<TreeDir>) -> Result<Writer, Fault> {
        let work_dir = self.work_dir()?;
        Writer::start(WriterSetup {
            manifest: Arc::clone(&self.manifest),
            tree_dir: Arc::clone(tree_dir),
            parts: work_dir.parts()?,
            place: self.save_mode.place(),
            folder: Arc::clone(&self.target.folder),
            journal: work_dir.appender().clone(),
            progress: Arc::clone(&self.attempt.progress),
            umask: platform::umask(),
        })
    }
}
