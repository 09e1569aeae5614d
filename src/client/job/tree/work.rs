//! An attempt after the listing: compares the local tree, or requests the missing files.

use std::{
    cmp::Reverse,
    collections::{HashMap, VecDeque},
    ops::ControlFlow,
    sync::{Arc, Mutex},
};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::question::{Conflict, ConflictKind, Facts, Question},
        content::blocks::{Blocks, LocalBytes},
        disk::{name::folding::Folding, target::Target},
        error::{Fault, Unfinished},
        job::{
            attempt::Attempt,
            tree::{
                disk::{
                    journal::TreeLines,
                    partial_files::PartialFiles,
                    survey::{State, Survey},
                    tree_dir::{self, TreeDir},
                    work_dir::TreeWorkDir,
                    writer::Writer,
                },
                files::FileRequests,
                lanes, large,
                manifest::{self, Entry, Manifest, names, remote},
                missed::Missed,
                shared::{Lanes, Shared},
                state::TreeResume,
                whole::{ReceivedTree, SaveMode},
            },
        },
        source::{Connection, HashesAnswer, RemoteHashes},
        transfer::cancel::Cancel,
    },
    protocol::digest::{BLOCK_SIZE, Hash},
    text::{SafeText, ShowPath, units},
};

/// A larger file is compared by its block hashes: the server sends each when it is computed, so that the connection is never idle for long.
const MAX_COMPARED_WHOLE: u64 = 64 << 20;

/// A larger file is received over several connections, if the server allows them.
const MAX_STREAMED: u64 = 64 << 20;

/// See the module.
pub(super) struct Work<'a> {
    pub(super) attempt: &'a Attempt,
    pub(super) tree: &'a mut TreeResume,
    pub(super) manifest: Arc<Manifest>,
    pub(super) target: Target,
    pub(super) save_mode: SaveMode,
    pub(super) missed: Missed,
    /// How much is local of the large files that an earlier attempt began.
    pub(super) begun: HashMap<u32, LocalBytes>,
}

impl Work<'_> {
    pub(super) fn tree_dir(&self) -> Result<TreeDir, Fault> {
        let (folder, path) = (&self.target.folder, self.target.path());
        TreeDir::open(&folder.handle, &self.target.name, path.clone()).map_err(|error| {
            Fault::disk(format!("cannot use {}: {}", path.shown(), tree_dir::explained(&error)))
        })
    }

    /// Sets the progress: verified files, and the local bytes of incomplete large files.
    pub(super) fn count(&self, states: &[State]) {
        let proven = |(index, _, size): (u32, _, u64)| {
            matches!(states[index as usize], State::Proven(_)).then_some(size)
        };
        let sizes: Vec<u64> = self.manifest.files().filter_map(proven).collect();
        let proven = sizes.iter().copied().fold(0, u64::saturating_add);
        let begun =
            |bytes: fn(&LocalBytes) -> u64| self.begun.values().map(bytes).fold(proven, u64::saturating_add);
        let local =
            LocalBytes { received: begun(|local| local.received), verified: begun(|local| local.verified) };
        self.attempt.progress.set(local, sizes.len() as u64);
    }

    /// Connects to the server that has listed the tree.
    async fn connect(&self) -> Result<Connection, Fault> {
        self.attempt.source.connect(Some(self.manifest.origin)).await
    }

    /// Compares the target with what the server has.
    pub(super) async fn compare(mut self, cancel: &Cancel) -> Result<ReceivedTree, Unfinished> {
        let should_continue = &|| !cancel.is_set();
        let tree_dir = self.tree_dir()?;
        let record = TreeLines::default();
        let survey =
            Survey { tree_dir: &tree_dir, manifest: &self.manifest, record: &record, trusted: false };
        let hashed = &mut self.tree.hashed;
        let mut states = block_in_place(|| survey.run(hashed, should_continue))?.states;
        block_in_place(|| self.exclude_unstorable(&mut states));
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
                "{} exists and differs from the server's in {}{others}",
                path.shown(),
                SafeText::new(&self.manifest.path(first)),
            ))
            .or_by("; use --update, --overwrite or --rename")
            .asking(self.exists())
            .into());
        }
        tracing::info!("{} was there already, byte for byte", self.target.path().shown());
        let Work { manifest, target, save_mode, .. } = self;
        Ok(ReceivedTree { manifest, states, tree_dir: Arc::new(tree_dir), target, save_mode, lost })
    }

    /// The question about a target that differs.
    fn exists(&self) -> Question {
        let size = Some(self.manifest.totals.bytes);
        let remote = Facts { size, modified: None };
        Question::Exists(Conflict { remote, ..self.target.conflict(ConflictKind::Folder) })
    }

    /// Excludes absent entries that the file system cannot store.
    fn exclude_unstorable(&mut self, states: &mut Vec<State>) {
        let differs = |state: &State| matches!(state, State::Absent | State::Other);
        let everywhere = Folding { case: true, normal: true };
        let has_twins = !names::twins(&self.manifest, everywhere).is_empty();
        let is_doubtful = || names::is_any_doubtful(&self.manifest, &self.target.folder);
        if !has_twins && (!states.iter().any(differs) || !is_doubtful()) {
            return;
        }
        // Where no work directory can be created, no earlier run excluded anything either.
        let Ok(work_dir) = TreeWorkDir::open(&self.target.folder, &self.target.name) else { return };
        let mut lost = work_dir.unstorable(&self.manifest);
        lost.retain(|index, _| differs(&states[*index as usize]));
        // Of two names that are one for the file system only the first was stored, and both find it.
        lost.extend(names::twins(&self.manifest, work_dir.folding()));
        work_dir.close();
        let kept = self.manifest.kept_without(&lost);
        *states = kept.into_iter().map(|index| states[index as usize]).collect();
        manifest::exclude(&mut self.manifest, lost);
    }

    /// Requests which of the local files are the same as the server's.
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
        let (whole, by_blocks): (Vec<_>, Vec<_>) =
            in_question.partition(|(_, _, size)| *size <= MAX_COMPARED_WHOLE);
        let todo: VecDeque<u32> = whole.into_iter().map(|(index, ..)| index).collect();
        let mut by_blocks: VecDeque<u32> = by_blocks.into_iter().map(|(index, ..)| index).collect();
        self.request(connection, states, writer.as_deref_mut(), (todo, false), (None, None)).await?;
        while let Some(index) = by_blocks.pop_front() {
            let State::Found(root) = states[index as usize] else { continue };
            let (path, size) = (manifest.path(index), manifest.size(index));
            let mut remote = match self.tree.remote.take() {
                Some((of, remote)) if of == path => remote,
                _ => RemoteHashes::default(),
            };
            let before = remote.furthest();
            let there = loop {
                match root_of_hashes(connection, self.attempt, &mut remote, (&path, size)).await {
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
            let there = match there {
                Ok(there) => there,
                Err(fault) => {
                    remote.gets_further();
                    self.tree.advances += u64::from(remote.furthest() > before);
                    self.tree.remote = Some((path, remote));
                    return Err(fault);
                }
            };
            let same = there == Some(root);
            let todo = (VecDeque::new(), false);
            let (lanes, shared) = self.lanes(states, writer.as_deref_mut(), todo, (None, None));
            let shared = Mutex::new(shared);
            block_in_place(|| FileRequests::new(lanes, &shared, None).compared(index, same))?;
        }
        Ok(())
    }

    /// What the connections work with, and what they share.
    fn lanes<'a>(
        &'a mut self,
        states: &'a mut [State],
        writer: Option<&'a mut Writer>,
        (todo, content): (VecDeque<u32>, bool),
        (tree_dir, begun): (Option<&'a TreeDir>, Option<&'a mut PartialFiles>),
    ) -> (Lanes<'a>, Shared<'a>) {
        let Work { attempt, tree, manifest, save_mode, missed, begun: local, .. } = self;
        let lanes = Lanes { attempt, manifest, tree_dir, save_mode: *save_mode, content };
        (lanes, Shared { tree, states, writer, missed, begun, local, todo })
    }

    /// Requests files until all are answered.
    async fn request(
        &mut self,
        connection: &mut Connection,
        states: &mut [State],
        writer: Option<&mut Writer>,
        todo: (VecDeque<u32>, bool),
        local: (Option<&TreeDir>, Option<&mut PartialFiles>),
    ) -> Result<(), Fault> {
        let (lanes, shared) = self.lanes(states, writer, todo, local);
        lanes::run(lanes, &Mutex::new(shared), connection).await
    }

    /// Receives the missing files.
    pub(super) async fn fetch(
        mut self,
        running: &mut Option<Writer>,
        cancel: &Cancel,
    ) -> Result<ReceivedTree, Unfinished> {
        let should_continue = &|| !cancel.is_set();
        let (tree_dir, mut states) = block_in_place(|| self.prepare(should_continue))?;
        let tree_dir = Arc::new(tree_dir);
        let writer = running.insert(block_in_place(|| self.writer(&tree_dir))?);
        let manifest = Arc::clone(&self.manifest);
        let todo = block_in_place(|| self.to_request(&states))?;
        let mut begun = block_in_place(|| Ok::<_, Fault>(PartialFiles::open(self.work_dir()?.parts()?)))?;
        // What was received is kept when this is dropped.
        cancel
            .unless_set(async {
                let mut connection = self.connect().await?;
                let (todo, local) = ((todo, true), (Some(&*tree_dir), Some(&mut begun)));
                self.request(&mut connection, &mut states, Some(writer), todo, local).await?;
                self.prove(&mut connection, &mut states, Some(writer), false).await?;
                connection.put();
                Ok::<_, Fault>(())
            })
            .await?;
        for (index, _, size) in manifest.files() {
            let is_proven = matches!(states[index as usize], State::Proven(_));
            if size > BLOCK_SIZE && !is_proven && !self.missed.is_refused(index) {
                self.large(&tree_dir, &mut states, index, cancel).await?;
            }
        }
        let lost = std::mem::take(&mut self.missed).none()?;
        let Work { manifest, target, save_mode, .. } = self;
        Ok(ReceivedTree { manifest, states, tree_dir, target, save_mode, lost })
    }

    /// The files that are requested together: those of at most one block, and then the larger ones of which nothing is local. The largest
    /// of them are first, so that connections which share them end at about the same time.
    fn to_request(&self, states: &[State]) -> Result<VecDeque<u32>, Fault> {
        let work_dir = self.work_dir()?;
        let is_wanted = |(index, _, size): &(u32, &Entry, u64)| match states[*index as usize] {
            State::Proven(_) => false,
            _ if *size <= BLOCK_SIZE => true,
            State::Absent => {
                let path = self.manifest.path(*index);
                *size <= MAX_STREAMED
                    && large::length(work_dir, &path) == 0
                    && self.attempt.source.join(&path).is_ok()
            }
            _ => false,
        };
        let wanted = self.manifest.files().filter(is_wanted);
        let (small, mut streamed): (VecDeque<_>, Vec<_>) = {
            let (small, streamed): (Vec<_>, Vec<_>) = wanted.partition(|(_, _, size)| *size <= BLOCK_SIZE);
            (small.into_iter().map(|(index, ..)| index).collect(), streamed)
        };
        streamed.sort_by_key(|(index, _, size)| (Reverse(*size), *index));
        Ok(small.into_iter().chain(streamed.into_iter().map(|(index, ..)| index)).collect())
    }

    /// The work directory.
    pub(super) fn work_dir(&self) -> Result<&TreeWorkDir, Fault> {
        let work_dir = self.tree.work_dir.as_ref();
        work_dir.ok_or_else(|| Fault::disk(format!("{} is not open", self.target.path().shown())))
    }
}

/// Returns the root digest of the server's file, from its block hashes; `None` if its size is not `size`, or the server rejects the request.
/// After an error the received hashes are kept.
async fn root_of_hashes(
    connection: &mut Connection,
    attempt: &Attempt,
    remote_hashes: &mut RemoteHashes,
    (path, size): (&str, u64),
) -> Result<Option<Hash>, Fault> {
    let path = remote(&attempt.new_job().address, path);
    let blocks = Blocks::in_all(size);
    let answer = connection.hashes(remote_hashes, (&path, blocks), |content, _, _| {
        Ok(if content.size == Some(size) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    Ok(match answer.await? {
        HashesAnswer::All => remote_hashes.root(),
        // The file is not the version in the manifest.
        _ => None,
    })
}
