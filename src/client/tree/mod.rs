//! A directory as itself: what it holds, then its files, many in one answer, then what only the whole can have.
//!
//! ```text
//! manifest, names   what the server has, and whether this disk can hold it
//! survey, record    what of it is here already: proven by an earlier run, or perhaps
//! files, large      what is missing: small files many at a time, large ones one by one as any other file
//! writer            puts small files into their places while the next ones come
//! stage, ground     where all of this happens
//! finish            links, times, digest, the disk, and the place beside which it grew
//! ```

mod files;
mod finish;
mod ground;
mod large;
mod manifest;
mod names;
mod record;
mod stage;
mod survey;
mod writer;

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc, time::Instant};

use rustix::{
    fs::{FileType, Mode},
    io::Errno,
};
use tokio::{sync::watch, task::block_in_place};

use self::{
    files::{Asking, Missed},
    ground::{Cursor, Ground},
    manifest::{Gathering, Manifest, Node},
    record::{Place, Record, Subject},
    survey::{State, Survey},
    writer::{Site, Writer},
};
use super::{
    Checksum, Existing, Finished, TroubleKind,
    finish::Unfinished,
    link::Link,
    memory::Memory,
    name::SafeName,
    part,
    place::{self, Target},
    queue::Announced,
    recall,
    retry::{Fault, Verdict},
    worker::{Context, Outcome, told_to_stop},
};
use crate::{
    platform,
    protocol::{
        address::Address,
        client::{Event, Request},
        digest::BLOCK_SIZE,
        error::Code,
        message,
    },
    text::SafeText,
    units,
};

/// A file of more bytes is compared by the hashes of its blocks: the server tells them as it goes, and is not silent for long.
const COMPARED: u64 = 64 << 20;

/// What a job remembers of a tree from one try to the next.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// The work folder, open and locked while the job works or waits to.
    stage: Option<stage::Stage>,
    /// The large file that is being fetched.
    large: Option<Box<large::Large>>,
    /// How often a file, or something of a large one, came as the tree was said to hold it. What came otherwise brings the
    /// whole no nearer to its end.
    came: u64,
}

impl Tree {
    /// Leaves everything in order, and gives it free for others.
    pub(super) fn close(&mut self) {
        if let Some(stage) = self.stage.take() {
            stage.close();
        }
    }

    /// Deletes what was fetched.
    pub(super) fn discard(mut self) {
        if let Some(stage) = self.stage.take() {
            stage.discard();
        }
    }
}

/// How a tree gets to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// There is none: it grows beside it.
    New,
    /// It grows beside it, and takes its place as a whole.
    Replace,
    /// The target is brought up to date.
    Update,
    /// The target is only compared.
    Compare,
}

impl Way {
    fn place(self) -> Place {
        match self {
            Way::New | Way::Replace => Place::New,
            Way::Update | Way::Compare => Place::Target,
        }
    }
}

/// A tree of which all files are proven.
#[derive(Debug)]
struct Whole {
    manifest: Arc<Manifest>,
    states: Vec<State>,
    ground: Arc<Ground>,
    target: Target,
    way: Way,
}

/// What came of a try.
enum Fetched {
    /// It is a file, which comes as itself.
    File,
    Whole(Box<Whole>),
}

/// The path of something in the tree from the served folder.
fn remote(address: &Address, path: &str) -> String {
    match address.path.as_str() {
        "" => path.to_owned(),
        above => format!("{above}/{path}"),
    }
}

/// Makes one try. `None` if it is a file and no directory. Whatever happens, what came and is proven stays.
pub(super) async fn run(
    context: &mut Context,
    memory: &mut Memory,
    mut stop: watch::Receiver<bool>,
) -> Option<Outcome> {
    let started = *memory.started.get_or_insert_with(Instant::now);
    let came = |memory: &Memory| memory.tree.as_ref().map_or(0, |tree| tree.came);
    let before = came(memory);
    let asked = stop.clone();
    let go_on = move || !*asked.borrow();
    let mut writer = None;
    let fetched = tokio::select! {
        biased;
        () = told_to_stop(&mut stop) => Err(Unfinished::Stopped),
        fetched = fetch(context, memory, &mut writer, &go_on) => fetched,
    };
    // A large file that was on its way stays as far as it came.
    if let Some(mut large) = large::settle(memory).await {
        block_in_place(|| large.close());
    }
    context.slot = None;
    let written = block_in_place(|| writer.as_mut().map_or(Ok(()), Writer::finish));
    let ended = match (fetched, written) {
        (Ok(Fetched::File), _) => return None,
        (Ok(Fetched::Whole(whole)), Ok(())) => {
            context.board.with(|state| state.queue.complete(context.id, whole.manifest.totals.bytes));
            block_in_place(|| finish::finish(context, memory, &whole, &go_on)).map(|done| (done, whole))
        }
        (Err(unfinished), _) => Err(unfinished),
        (_, Err(fault)) => Err(fault.into()),
    };
    Some(match ended {
        Ok(((path, root), whole)) => {
            let totals = &whole.manifest.totals;
            memory.tree = None;
            Outcome::Done(Finished {
                path,
                bytes: totals.bytes,
                transferred: memory.transferred,
                resumed: totals.bytes.saturating_sub(memory.received),
                blake3: root.to_string(),
                seconds: started.elapsed().as_secs_f64(),
                files: Some(totals.files),
                omitted: totals.omitted,
                extracted: None,
            })
        }
        Err(Unfinished::Stopped) => Outcome::Stopped,
        Err(Unfinished::Fault(mut fault)) => {
            if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) {
                // Each file stands for itself: nothing that is proven has to go.
                fault.verdict = Verdict::Again(std::time::Duration::ZERO);
            }
            Outcome::Fault { fault, progressed: came(memory) > before }
        }
    })
}

async fn fetch(
    context: &Context,
    memory: &mut Memory,
    writer: &mut Option<Writer>,
    go_on: &impl Fn() -> bool,
) -> Result<Fetched, Unfinished> {
    if let Some(checksum @ (Checksum::Sha256(_) | Checksum::Md5(_))) = &context.new.checksum {
        let message =
            format!("a tree has a BLAKE3 digest and no other, so that {checksum} cannot be verified");
        return Err(Fault::never(TroubleKind::Other, message).into());
    }
    let authority = &context.new.address.authority;
    let name = match context.new.address.path.name() {
        Some(asked) => SafeName::for_content(Some(asked), "", false),
        None => SafeName::for_content(None, &recall::served_name(context).await?, false),
    };
    let mut link = context.pool.link(authority).await?;
    let manifest = match gather(&mut link, context).await {
        // It was closed while it rested: that is no fault of this try.
        Err(fault) if link.is_stale() && matches!(fault.verdict, Verdict::Again(_)) => {
            link = context.pool.fresh(authority).await?;
            gather(&mut link, context).await?
        }
        manifest => manifest?,
    };
    let Some(manifest) = manifest.map(Arc::new) else {
        context.pool.put(authority, link);
        return Ok(Fetched::File);
    };
    let (target, way) = block_in_place(|| choose(context, &name))?;
    announce(context, &target, &manifest);
    let work = Work { context, memory, manifest, target, way, missed: Missed::default() };
    let whole = if way == Way::Compare {
        work.compare(&mut link, go_on).await
    } else {
        work.fetch(link, writer, go_on).await
    };
    whole.map(|whole| Fetched::Whole(Box::new(whole)))
}

/// Asks what the tree holds; `None` if it is no directory.
async fn gather(link: &mut Link, context: &Context) -> Result<Option<Manifest>, Fault> {
    let request = Request::Tree(message::Tree { path: context.new.address.path.as_str().to_owned() });
    let mut gathering = Some(Gathering::default());
    let take = |event: Event<'_>| {
        match event {
            Event::Tree { page, .. } => {
                let Some(all) = &mut gathering else { return Ok(ControlFlow::Continue(())) };
                page.entries.iter().try_for_each(|entry| all.add(entry))?;
                if let (Some(totals), Some(all)) = (page.totals, gathering.take_if(|_| !page.more)) {
                    return Ok(ControlFlow::Break(Some(all.finish(totals))));
                }
            }
            Event::Failed { failure, request } if request != 0 && failure.code == Code::WrongKind => {
                return Ok(ControlFlow::Break(None));
            }
            Event::Failed { failure, .. } => return Err(files::refused(context, &failure)),
            Event::Welcome(welcome) => context.welcomed(&welcome),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    };
    link.ask(&request, &context.board.limiter, take).await
}

/// Where the tree goes, and how.
fn choose(context: &Context, name: &SafeName) -> Result<(Target, Way), Fault> {
    let claim = |path: &std::path::Path| context.board.claim(path, context.id);
    let target = place::choose(&context.board.folders, &context.new, name, claim)?;
    let way = match (place::look(&target)?, context.new.existing) {
        (None, _) => Way::New,
        (Some(found), _) if found.kind != FileType::Directory => {
            return Err(Fault::disk(format!(
                "{} is in the way of a directory; move it away, or use --rename",
                target.path().display()
            )));
        }
        (Some(_), Existing::Keep | Existing::Rename) => Way::Compare,
        (Some(_), Existing::Overwrite) => Way::Replace,
        (Some(_), Existing::Update) => Way::Update,
    };
    Ok((target, way))
}

fn announce(context: &Context, target: &Target, manifest: &Manifest) {
    let totals = &manifest.totals;
    if totals.omitted > 0 {
        tracing::warn!(
            "{}: the tree leaves out {} entries: devices, links that lead out of it, or names that are no UTF-8",
            context.new.address,
            totals.omitted
        );
    }
    context.board.answered(
        context.id,
        Announced {
            name: SafeText::from_bytes(target.name.as_encoded_bytes()),
            target: SafeText::from_path(&target.path()),
            size: Some(totals.bytes),
            total: Some(totals.bytes),
            files: Some(totals.files),
        },
    );
}

/// A try, once it is known what to do.
struct Work<'a> {
    context: &'a Context,
    memory: &'a mut Memory,
    manifest: Arc<Manifest>,
    target: Target,
    way: Way,
    missed: Missed,
}

impl Work<'_> {
    fn ground(&self) -> Result<Ground, Fault> {
        let (folder, path) = (&self.target.folder, self.target.path());
        Ground::open(&folder.handle, &self.target.name, path.clone()).map_err(|error| {
            Fault::disk(format!("cannot use {}: {}", path.display(), ground::explained(&error)))
        })
    }

    /// Tells the readers of the progress what is proven.
    fn count(&self, states: &[State]) {
        let proven = |(index, _, size): (u32, _, u64)| {
            matches!(states[index as usize], State::Proven(_)).then_some(size)
        };
        let sizes: Vec<u64> = self.manifest.files().filter_map(proven).collect();
        self.context.progress.set(sizes.iter().sum(), sizes.len() as u64);
    }

    /// Compares the target with what the server has.
    async fn compare(mut self, link: &mut Link, go_on: &impl Fn() -> bool) -> Result<Whole, Unfinished> {
        let ground = self.ground()?;
        let record = Record::default();
        let survey = Survey { ground: &ground, manifest: &self.manifest, record: &record, trusted: false };
        let mut states = block_in_place(|| survey.run(go_on))?.states;
        self.count(&states);
        self.prove(link, &mut states, None, true).await?;
        std::mem::take(&mut self.missed).none()?;
        let is_other = |index: &u32| !matches!(states[*index as usize], State::Proven(_));
        if let Some(first) = (0..self.manifest.len()).find(is_other) {
            let others = match (first + 1..self.manifest.len()).filter(is_other).count() {
                0 => String::new(),
                1 => " and 1 more".to_owned(),
                others => format!(" and {} more", units::count(others as u64)),
            };
            let path = self.target.path();
            return Err(Fault::disk(format!(
                "{} exists and differs from the server's in {}{others}; use --update, --overwrite or --rename",
                path.display(),
                SafeText::new(&self.manifest.path(first)),
            ))
            .into());
        }
        tracing::info!("{} was there already, byte for byte", self.target.path().display());
        let Work { manifest, target, way, .. } = self;
        Ok(Whole { manifest, states, ground: Arc::new(ground), target, way })
    }

    /// Asks which of the files that were found are what the server has.
    async fn prove(
        &mut self,
        link: &mut Link,
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
        self.converse(link, states, writer.as_deref_mut(), (todo, false)).await?;
        while let Some(index) = by_blocks.pop_front() {
            let State::Found(root) = states[index as usize] else { continue };
            let path = manifest.path(index);
            let same = files::root(link, self.context, &path).await? == Some(root);
            let mut asking = Asking::new(
                self.context,
                self.memory,
                (&manifest, states),
                writer.as_deref_mut(),
                &mut self.missed,
                (VecDeque::new(), false),
            );
            block_in_place(|| asking.compared(index, same))?;
        }
        Ok(())
    }

    async fn converse(
        &mut self,
        link: &mut Link,
        states: &mut [State],
        writer: Option<&mut Writer>,
        todo: (VecDeque<u32>, bool),
    ) -> Result<(), Fault> {
        let manifest = Arc::clone(&self.manifest);
        let mut asking =
            Asking::new(self.context, self.memory, (&manifest, states), writer, &mut self.missed, todo);
        let answered = link.converse(&self.context.board.limiter, &mut asking).await;
        // Also what came before a fault is kept.
        let flushed = block_in_place(|| asking.flush());
        answered.and(flushed)
    }

    /// Fetches what is missing.
    async fn fetch(
        mut self,
        mut link: Link,
        running: &mut Option<Writer>,
        go_on: &impl Fn() -> bool,
    ) -> Result<Whole, Unfinished> {
        let (ground, mut states) = block_in_place(|| self.prepare(go_on))?;
        let ground = Arc::new(ground);
        let writer = running.insert(block_in_place(|| self.writer(&ground))?);
        let manifest = Arc::clone(&self.manifest);
        let small = self.small(&states);
        self.converse(&mut link, &mut states, Some(writer), (small, true)).await?;
        self.prove(&mut link, &mut states, Some(writer), false).await?;
        self.context.pool.put(&self.context.new.address.authority, link);
        for (index, _, size) in manifest.files() {
            if size > BLOCK_SIZE && !matches!(states[index as usize], State::Proven(_)) {
                self.large(&ground, &mut states, index).await?;
            }
        }
        std::mem::take(&mut self.missed).none()?;
        let Work { manifest, target, way, .. } = self;
        Ok(Whole { manifest, states, ground, target, way })
    }

    /// The files of one block that have to be asked for.
    fn small(&self, states: &[State]) -> VecDeque<u32> {
        let wanted = |(index, _, size): (u32, _, u64)| {
            let proven = matches!(states[index as usize], State::Proven(_));
            (!proven && size <= BLOCK_SIZE).then_some(index)
        };
        self.manifest.files().filter_map(wanted).collect()
    }

    /// Opens the work folder, finds what is there, and makes the directories. What the disk cannot hold is found here, before anything is
    /// written.
    fn prepare(&mut self, go_on: &impl Fn() -> bool) -> Result<(Ground, Vec<State>), Unfinished> {
        let tree = self.memory.tree.get_or_insert_default();
        if tree.stage.as_ref().is_some_and(|stage| !stage.is_of(&self.target.folder, &self.target.name)) {
            tree.close();
        }
        let stage = match &mut tree.stage {
            Some(stage) => stage,
            none => none.insert(stage::Stage::open(&self.target.folder, &self.target.name)?),
        };
        if let Some((one, other)) = names::twins(&self.manifest, stage.folding()) {
            let path = |index| SafeText::new(&self.manifest.path(index));
            return Err(Fault::disk(format!(
                "{} and {} of the tree are the same name for the file system of {}",
                path(one),
                path(other),
                self.target.path().display()
            ))
            .into());
        }
        let place = self.way.place();
        let (record, trusted) = stage.recorded(place, self.manifest.len() as usize);
        let (ground, fresh) = match place {
            Place::New => stage.tree()?,
            Place::Target => (self.ground()?, false),
        };
        let states = if fresh {
            let mut states = vec![State::Absent; self.manifest.len() as usize];
            states[0] = State::Proven(survey::EMPTY);
            states
        } else {
            if place == Place::New {
                survey::sweep(&ground, &self.manifest, go_on)?;
            }
            let survey = Survey { ground: &ground, manifest: &self.manifest, record: &record, trusted };
            let surveyed = survey.run(go_on)?;
            if let Some(clash) = surveyed.clash {
                return Err(Fault::disk(format!(
                    "{} is a directory on one side only; move it away, or use --overwrite or --rename",
                    ground.path.join(self.manifest.path(clash)).display()
                ))
                .into());
            }
            surveyed.states
        };
        drop(record);
        self.check_room(&states)?;
        self.make_directories(&ground, &states)?;
        self.begin_record(&ground, &states, place);
        self.count(&states);
        Ok((ground, states))
    }

    /// Whether what has to come fits on the disk.
    fn check_room(&self, states: &[State]) -> Result<(), Fault> {
        let Some(stage) = self.memory.tree.as_ref().and_then(|tree| tree.stage.as_ref()) else {
            return Ok(());
        };
        let missing = |(index, _, size): (u32, _, u64)| match states[index as usize] {
            State::Absent if size > BLOCK_SIZE => {
                size.saturating_sub(large::length(stage, &self.manifest.path(index)))
            }
            State::Absent => size,
            _ => 0,
        };
        let needed = self.manifest.files().map(missing).fold(0u64, u64::saturating_add);
        match self.target.folder.free() {
            Some(free) if needed > free => {
                let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
                Err(part::no_room(&self.target.folder, &self.target.path(), &full, Some(needed)))
            }
            _ => Ok(()),
        }
    }

    fn make_directories(&self, ground: &Ground, states: &[State]) -> Result<(), Fault> {
        let mut cursor = Cursor::new(ground, &self.manifest);
        for (index, entry) in self.manifest.entries().skip(1) {
            if entry.node != Node::Directory || states[index as usize] != State::Absent {
                continue;
            }
            // Whatever the server's mode, what is in it has to be written.
            let mode = Mode::from_raw_mode(u32::from(entry.mode) | 0o700);
            let name = self.manifest.name(index);
            let made = cursor.parent(index).and_then(|parent| Ok(rustix::fs::mkdirat(parent, name, mode)?));
            made.map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NOSPC | Errno::DQUOT) => {
                    let path = ground.path.join(self.manifest.path(index));
                    part::no_room(&self.target.folder, &path, &error, None)
                }
                _ => cursor.fault("make the folder", index, &error),
            })?;
        }
        Ok(())
    }

    /// Writes down what is proven; from here on the work folder counts as in use.
    fn begin_record(&mut self, ground: &Ground, states: &[State], place: Place) {
        let Some(stage) = self.memory.tree.as_mut().and_then(|tree| tree.stage.as_mut()) else { return };
        let manifest = &self.manifest;
        let subject = Subject { address: self.context.new.address.to_string(), ground: place };
        stage.record(&subject, |out| {
            let mut cursor = Cursor::new(ground, manifest);
            for (index, _, size) in manifest.files() {
                if let State::Proven(root) = states[index as usize]
                    && let Some(stat) = cursor.look(index)?
                {
                    let (path, identity) = (manifest.path(index), manifest.identity(index));
                    let line = record::file(&path, size, identity, root, &ground::stamp(&stat));
                    out.write_all(line.as_bytes())?;
                }
            }
            Ok(())
        });
    }

    fn writer(&self, ground: &Arc<Ground>) -> Result<Writer, Fault> {
        let stage = self.stage()?;
        Writer::start(Site {
            manifest: Arc::clone(&self.manifest),
            ground: Arc::clone(ground),
            parts: stage.parts()?,
            place: self.way.place(),
            folder: Arc::clone(&self.target.folder),
            control: stage.adder(),
            progress: Arc::clone(&self.context.progress),
            umask: platform::umask(),
        })
    }

    fn stage(&self) -> Result<&stage::Stage, Fault> {
        let stage = self.memory.tree.as_ref().and_then(|tree| tree.stage.as_ref());
        stage.ok_or_else(|| Fault::disk(format!("{} is not open", self.target.path().display())))
    }
}
