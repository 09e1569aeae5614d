//! An attempt, once it is known what to do: compares, or requests what is missing.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use tokio::task::block_in_place;

use crate::{
    client::{
        disk::{name::folding::Folding, target::Target},
        error::{Fault, Unfinished},
        job::{
            attempt::Attempt,
            file::resume::Memory,
            tree::{
                disk::{
                    journal::TreeLines,
                    partial_files::PartialFiles,
                    survey::{State, Survey},
                    tree_dir::{self, TreeDir},
                    work_dir::TreeWorkDir,
                    writer::Writer,
                },
                files::{self, Asking, Missed},
                manifest::{self, Manifest, names},
                whole::{Way, Whole},
            },
        },
        source::{Connection, RemoteHashes},
        transfer::{cancel::Cancel, progress::Here},
    },
    protocol::digest::BLOCK_SIZE,
    text::{SafeText, ShowPath, units},
};

/// A file of more bytes is compared by the hashes of its blocks: the server sends them as it hashes, and is not silent for long.
const COMPARED: u64 = 64 << 20;

/// See the module.
pub(super) struct Work<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) memory: &'a mut Memory,
    pub(super) manifest: Arc<Manifest>,
    pub(super) target: Target,
    pub(super) way: Way,
    pub(super) missed: Missed,
    /// How much is there of the large files that an earlier attempt has begun.
    pub(super) begun: HashMap<u32, Here>,
}

impl Work<'_> {
    pub(super) fn tree_dir(&self) -> Result<TreeDir, Fault> {
        let (folder, path) = (&self.target.folder, self.target.path());
        TreeDir::open(&folder.handle, &self.target.name, path.clone()).map_err(|error| {
            Fault::disk(format!("cannot use {}: {}", path.shown(), tree_dir::explained(&error)))
        })
    }

    /// Tells the readers of the progress what is proven, and what is there of large files that are not complete.
    pub(super) fn count(&self, states: &[State]) {
        let proven = |(index, _, size): (u32, _, u64)| {
            matches!(states[index as usize], State::Proven(_)).then_some(size)
        };
        let sizes: Vec<u64> = self.manifest.files().filter_map(proven).collect();
        let proven = sizes.iter().copied().fold(0, u64::saturating_add);
        let begun =
            |bytes: fn(&Here) -> u64| self.begun.values().map(bytes).fold(proven, u64::saturating_add);
        let here = Here { received: begun(|here| here.received), verified: begun(|here| here.verified) };
        self.attempt.progress.set(here, sizes.len() as u64);
    }

    /// A connection to the server that has said what the tree holds.
    async fn connect(&self) -> Result<Connection, Fault> {
        self.attempt.source.connect(Some(self.manifest.origin)).await
    }

    /// Compares the target with what the server has.
    pub(super) async fn compare(mut self, cancel: &Cancel) -> Result<Whole, Unfinished> {
        let go_on = &|| !cancel.is_set();
        let tree_dir = self.tree_dir()?;
        let record = TreeLines::default();
        let survey =
            Survey { tree_dir: &tree_dir, manifest: &self.manifest, record: &record, trusted: false };
        let hashed = &mut self.memory.tree.get_or_insert_default().hashed;
        let mut states = block_in_place(|| survey.run(hashed, go_on))?.states;
        block_in_place(|| self.leave_out(&mut states));
        self.count(&states);
        cancel
            .unless_set(async {
                let mut connection = self.connect().await?;
                self.prove(&mut connection, &mut states, None, true).await?;
                connection.put();
                Ok::<_, Fault>(())
            })
            .await?;
        let lost = std::mem::take(&mut self.missed).none()?;
        let is_other = |index: &u32| {
            !matches!(states[*index as usize], State::Proven(_)) && !lost.indices.contains(index)
        };
        if let Some(first) = (0..self.manifest.len()).find(is_other) {
            let others = match (first + 1..self.manifest.len()).filter(is_other).count() {
                0 => String::new(),
                1 => " and 1 more".to_owned(),
                others => format!(" and {} more", units::count(others as u64)),
            };
            let path = self.target.path();
            return Err(Fault::disk(format!(
                "{} exists and differs from the server's in {}{others}; use --update, --overwrite or --rename",
                path.shown(),
                SafeText::new(&self.manifest.path(first)),
            ))
            .into());
        }
        tracing::info!("{} was there already, byte for byte", self.target.path().shown());
        let Work { manifest, target, way, .. } = self;
        Ok(Whole { manifest, states, tree_dir: Arc::new(tree_dir), target, way, lost })
    }

    /// Takes out what is not there because the file system cannot hold it.
    fn leave_out(&mut self, states: &mut Vec<State>) {
        let differs = |state: &State| matches!(state, State::Absent | State::Other);
        let everywhere = Folding { case: true, normal: true };
        let has_twins = !names::twins(&self.manifest, everywhere).is_empty();
        let is_doubtful = || names::is_any_doubtful(&self.manifest, &self.target.folder);
        if !has_twins && (!states.iter().any(differs) || !is_doubtful()) {
            return;
        }
        // Where no work folder can be made nothing was left out by an earlier run either.
        let Ok(work_dir) = TreeWorkDir::open(&self.target.folder, &self.target.name) else { return };
        let mut lost = work_dir.unstorable(&self.manifest);
        lost.retain(|index, _| differs(&states[*index as usize]));
        // Of two that are one here only the first was ever stored, and is found by both names.
        lost.extend(names::twins(&self.manifest, work_dir.folding()));
        work_dir.close();
        let kept = self.manifest.kept_without(&lost);
        *states = kept.into_iter().map(|index| states[index as usize]).collect();
        manifest::leave_out(&mut self.manifest, lost);
    }

    /// Asks which of the files that were found are what the server has.
    async fn prove(
        &mut self,
        connection: &mut Connection,
        states: &mut [State],
        mut writer: Option<&mut Writer>,
        small: bool,
    ) -> Result<(), Fault> {
        let manifest = Arc::clone(&self.manifest);
        let found = |index: u32| matches!(states[index as usize], State::Found(_));
        let in_question =
            manifest.files().filter(|(index, _, size)| found(*index) && (small || *size > BLOCK_SIZE));
        let (whole, by_blocks): (Vec<_>, Vec<_>) = in_question.partition(|(_, _, size)| *size <= COMPARED);
        let todo: VecDeque<u32> = whole.into_iter().map(|(index, ..)| index).collect();
        let mut by_blocks: VecDeque<u32> = by_blocks.into_iter().map(|(index, ..)| index).collect();
        self.converse(connection, states, writer.as_deref_mut(), (todo, false), None).await?;
        while let Some(index) = by_blocks.pop_front() {
            let State::Found(root) = states[index as usize] else { continue };
            let (path, size) = (manifest.path(index), manifest.size(index));
            let tree = self.memory.tree.get_or_insert_default();
            let mut remote = match tree.remote.take() {
                Some((of, remote)) if of == path => remote,
                _ => RemoteHashes::default(),
            };
            let before = remote.furthest();
            let there = loop {
                match files::root(connection, self.attempt, &mut remote, (&path, size)).await {
                    Err(fault) if remote.should_reconnect(&fault) => {
                        tracing::debug!("{}; reconnecting", fault.trouble.message);
                    }
                    there => break there,
                }
                match self.connect().await {
                    Ok(new) => *connection = new,
                    Err(fault) => break Err(fault),
                }
            };
            let tree = self.memory.tree.get_or_insert_default();
            let there = match there {
                Ok(there) => there,
                Err(fault) => {
                    remote.gets_further();
                    tree.came += u64::from(remote.furthest() > before);
                    tree.remote = Some((path, remote));
                    return Err(fault);
                }
            };
            let same = there == Some(root);
            let mut asking = Asking::new(
                self.attempt,
                self.memory,
                (&manifest, states),
                writer.as_deref_mut(),
                &mut self.missed,
                (VecDeque::new(), false),
                None,
            );
            block_in_place(|| asking.compared(index, same))?;
        }
        Ok(())
    }

    /// Asks until all is answered. A link that breaks is made again as long as each brings something.
    async fn converse(
        &mut self,
        connection: &mut Connection,
        states: &mut [State],
        mut writer: Option<&mut Writer>,
        (mut todo, content): (VecDeque<u32>, bool),
        mut begun: Option<&mut PartialFiles>,
    ) -> Result<(), Fault> {
        let manifest = Arc::clone(&self.manifest);
        let mut most = u64::MAX;
        loop {
            let before = self.memory.transferred;
            let mut asking = Asking::new(
                self.attempt,
                self.memory,
                (&manifest, states),
                writer.as_deref_mut(),
                &mut self.missed,
                (todo, content),
                begun.as_deref_mut(),
            );
            asking.ask_at_most(most);
            let answered = connection.files(&mut asking).await;
            // Also what came before a fault is kept.
            todo = block_in_place(|| asking.unanswered());
            let flushed = block_in_place(|| asking.flush());
            let progressed = asking.has_progressed();
            drop(asking);
            match answered {
                Err(fault) if fault.is_lost() && progressed => {
                    flushed?;
                    tracing::debug!("{}; reconnecting", fault.trouble.message);
                    if let Some(tree) = &mut self.memory.tree {
                        tree.came += 1;
                    }
                    // What is asked for and does not come is asked for again.
                    most = (self.memory.transferred - before) / 2;
                    *connection = self.connect().await?;
                }
                answered => return answered.and(flushed),
            }
        }
    }

    /// Fetches what is missing.
    pub(super) async fn fetch(
        mut self,
        running: &mut Option<Writer>,
        cancel: &Cancel,
    ) -> Result<Whole, Unfinished> {
        let go_on = &|| !cancel.is_set();
        let (tree_dir, mut states) = block_in_place(|| self.prepare(go_on))?;
        let tree_dir = Arc::new(tree_dir);
        let writer = running.insert(block_in_place(|| self.writer(&tree_dir))?);
        let manifest = Arc::clone(&self.manifest);
        let small = self.small(&states);
        let mut begun = block_in_place(|| Ok::<_, Fault>(PartialFiles::open(self.work_dir()?.parts()?)))?;
        // What was received is kept when this is dropped.
        cancel
            .unless_set(async {
                let mut connection = self.connect().await?;
                let (todo, begun) = ((small, true), Some(&mut begun));
                self.converse(&mut connection, &mut states, Some(writer), todo, begun).await?;
                self.prove(&mut connection, &mut states, Some(writer), false).await?;
                connection.put();
                Ok::<_, Fault>(())
            })
            .await?;
        for (index, _, size) in manifest.files() {
            if size > BLOCK_SIZE && !matches!(states[index as usize], State::Proven(_)) {
                self.large(&tree_dir, &mut states, index, cancel).await?;
            }
        }
        let lost = std::mem::take(&mut self.missed).none()?;
        let Work { manifest, target, way, .. } = self;
        Ok(Whole { manifest, states, tree_dir, target, way, lost })
    }

    /// The files of one block that have to be asked for.
    fn small(&self, states: &[State]) -> VecDeque<u32> {
        let wanted = |(index, _, size): (u32, _, u64)| {
            let proven = matches!(states[index as usize], State::Proven(_));
            (!proven && size <= BLOCK_SIZE).then_some(index)
        };
        self.manifest.files().filter_map(wanted).collect()
    }

    /// The work folder.
    pub(super) fn work_dir(&self) -> Result<&TreeWorkDir, Fault> {
        let work_dir = self.memory.tree.as_ref().and_then(|tree| tree.work_dir.as_ref());
        work_dir.ok_or_else(|| Fault::disk(format!("{} is not open", self.target.path().shown())))
    }
}
