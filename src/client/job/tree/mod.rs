//! A directory that is received as itself: first its listing, then its files, many in one answer, then what only the complete tree can have.
//!
//! ```text
//! manifest           what the server has, under which names, and what of it this disk can store
//! prepare            prepares the work directory
//! work               an attempt: what is requested, in which order
//! files, large       what is missing: many small files in one answer, large files one by one
//! disk               the directories that all of this happens in: what is local, and what is written
//! finish             links, times, digest, and the commit
//! ```

mod disk;
mod files;
mod finish;
#[cfg(test)]
mod fuzzing;
mod large;
mod manifest;
mod prepare;
pub(crate) mod state;
mod whole;
mod work;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Instant,
};

use rustix::fs::FileType;
use tokio::task::block_in_place;

pub(crate) use disk::work_dir::TreeWorkDir;

use self::{
    files::Missed,
    manifest::{Gathering, Manifest},
    whole::{Way, Whole},
    work::Work,
};
use crate::{
    client::{
        api::{
            announced::Announced,
            checksum::Checksum,
            config::Names,
            new_job::Existing,
            view::{Finished, TroubleKind},
        },
        disk::{folder::of_another, name::SafeName, target::Target},
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Attempt,
            events::Outcome,
            file::resume::Memory,
            placement::{Placement, destination},
            tree::disk::{
                surplus::{self, Unsent},
                writer::Writer,
            },
        },
        transfer::cancel::Cancel,
    },
    protocol::message,
    text::{SafeText, ShowPath},
};

/// Entries that are named because they are not saved under their own names.
const MAX_RENAMED: usize = 100;

/// The job fails: what no other try can use of its work folder is deleted, and otherwise the message names the folder.
fn leave(attempt: &Attempt, memory: &mut Memory, fault: &mut Fault, go_on: impl Fn() -> bool) {
    let Some(tree) = &mut memory.tree else { return };
    let Some(work_dir) = tree.work_dir.take_if(|work_dir| work_dir.is_ours()) else { return };
    if !work_dir.holds_content() {
        finish::discard(attempt, work_dir, go_on);
        return;
    }
    fault.trouble.message = SafeText::new(&format!(
        "{}; what was received is kept in {}, and the next try resumes it",
        fault.trouble.message,
        work_dir.path().shown()
    ));
    tree.work_dir = Some(work_dir);
}

/// What came of a try.
enum Fetched {
    /// It is a file, which comes as itself.
    File,
    Whole(Box<Whole>),
}

/// Makes one attempt; `None` if the path is a file. However it ends, what is proven stays.
pub(crate) async fn run(attempt: &mut Attempt, memory: &mut Memory, cancel: &Cancel) -> Option<Outcome> {
    let started = *memory.started.get_or_insert_with(Instant::now);
    let came = |memory: &Memory| memory.tree.as_ref().map_or(0, |tree| tree.came);
    let before = came(memory);
    let go_on = || !cancel.is_set();
    let mut writer = None;
    let fetched = fetch(attempt, memory, &mut writer, cancel).await;
    attempt.permit = None;
    let written = block_in_place(|| writer.as_mut().map_or(Ok(()), Writer::finish));
    let ended = match (fetched, written) {
        (Ok(Fetched::File), _) => return None,
        (Ok(Fetched::Whole(whole)), Ok(())) => {
            attempt.events.complete(whole.manifest.totals.bytes);
            block_in_place(|| finish::finish(attempt, memory, &whole, go_on)).map(|placed| (placed, whole))
        }
        (Err(unfinished), _) => Err(unfinished),
        (_, Err(fault)) => Err(fault.into()),
    };
    Some(match ended {
        Ok((finish::Placed { path, root, deleted }, whole)) => {
            let (totals, lost) = (&whole.manifest.totals, &whole.lost);
            let missing = whole.missing();
            let bytes = totals.bytes.saturating_sub(lost.bytes);
            memory.tree = None;
            Outcome::Done(Finished {
                path,
                bytes,
                transferred: memory.transferred,
                resumed: bytes.saturating_sub(memory.received),
                blake3: root.to_string(),
                origin: whole.manifest.origin,
                seconds: started.elapsed().as_secs_f64(),
                files: Some(totals.files.saturating_sub(lost.missing.count)),
                omitted: totals.omitted,
                deleted,
                missing,
                extracted: None,
            })
        }
        Err(Unfinished::Stopped) => {
            if let Some(tree) = &mut memory.tree {
                (tree.manifest, tree.gathering) = (None, None);
            }
            Outcome::Stopped
        }
        Err(Unfinished::Fault(mut fault)) => {
            // Only a link that broke says nothing about the tree.
            if !fault.is_lost()
                && let Some(tree) = &mut memory.tree
            {
                tree.manifest = None;
            }
            if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) {
                // Each file stands for itself: nothing that is proven has to go.
                fault.verdict = Verdict::Again(std::time::Duration::ZERO);
            }
            if matches!(fault.verdict, Verdict::Never | Verdict::Unreadable) {
                block_in_place(|| leave(attempt, memory, &mut fault, go_on));
            }
            Outcome::Fault { fault, progressed: came(memory) > before }
        }
    })
}

async fn fetch(
    attempt: &Attempt,
    memory: &mut Memory,
    writer: &mut Option<Writer>,
    cancel: &Cancel,
) -> Result<Fetched, Unfinished> {
    let (new, names) = (attempt.new_job(), attempt.placement.names);
    if let Some(checksum @ (Checksum::Sha256(_) | Checksum::Md5(_))) = &new.checksum {
        let message =
            format!("a tree has a BLAKE3 digest and no other, so that {checksum} cannot be verified");
        return Err(Fault::never(TroubleKind::Other, message).into());
    }
    let name = match new.address.name() {
        Some(asked) => SafeName::for_content(Some(asked), "", false, names),
        None => {
            let name = cancel.unless_set(attempt.source.root_name()).await?;
            SafeName::for_content(None, &name.unwrap_or_default(), false, names)
        }
    };
    let known = memory.tree.as_ref().and_then(|tree| tree.manifest.clone());
    let listed = match known {
        Some(manifest) => Some(Listed::Before(manifest)),
        None => {
            let gathered = cancel.unless_set(gather(attempt, memory)).await?;
            gathered.map(|(gathered, totals)| Listed::Now(Box::new(gathered), totals))
        }
    };
    let Some(listed) = listed else {
        if new.address.is_root() {
            let message = format!("{} says that the served folder is a file", new.address.server());
            return Err(Fault::never(TroubleKind::Other, message).into());
        }
        memory.tree = None;
        return Ok(Fetched::File);
    };
    let (target, way) = block_in_place(|| choose(attempt, &name))?;
    let manifest = listed.manifest(target.folder.longest_name());
    memory.tree.get_or_insert_default().manifest = Some(Arc::clone(&manifest));
    attempt.placement.report_substitute(&attempt.events, &target);
    let go_on = &|| !cancel.is_set();
    if way == Way::Replace && manifest.totals.files == 0 {
        block_in_place(|| surplus::refuse_to_empty(&target, &manifest, go_on))?;
    }
    if way == Way::Replace {
        let unsent = Unsent { missing: &manifest.missing, indices: &HashSet::new() };
        block_in_place(|| surplus::refuse_to_lose(&target, &manifest, unsent, go_on))?;
    }
    let folder = TreeWorkDir::path_of(&target.folder, &target.name);
    let free = async {
        attempt.deletions.folder_free(&folder).await;
        Ok::<_, Fault>(())
    };
    cancel.unless_set(free).await?;
    announce(attempt, &target, &manifest);
    let (missed, begun) = (Missed::default(), HashMap::new());
    let work = Work { attempt, memory, manifest, target, way, missed, begun };
    let whole =
        if way == Way::Compare { work.compare(cancel).await } else { work.fetch(writer, cancel).await };
    whole.map(|whole| Fetched::Whole(Box::new(whole)))
}

/// What the server has listed of a tree.
enum Listed {
    /// In an earlier try.
    Before(Arc<Manifest>),
    /// In this one.
    Now(Box<Gathering>, message::Totals),
}

impl Listed {
    /// The whole. Substitutes of this try's names have at most `longest` bytes.
    fn manifest(self, longest: usize) -> Arc<Manifest> {
        match self {
            Listed::Before(manifest) => manifest,
            Listed::Now(gathered, totals) => Arc::new(gathered.finish(totals, longest)),
        }
    }
}

/// Requests what the tree holds; `None` if it is not a directory. A lost connection is made again as long as each receives something.
/// The connection is not kept: to hash local files can take longer than the server lets it be idle.
async fn gather(
    attempt: &Attempt,
    memory: &mut Memory,
) -> Result<Option<(Gathering, message::Totals)>, Fault> {
    let mut connection = attempt.source.connect(None).await?;
    // A large folder is read and listed for a while, and prepared here until something of it is received.
    attempt.progress.set_prepares(true);
    let gathering = &mut memory.tree.get_or_insert_default().gathering;
    loop {
        // Pages of two servers make no tree.
        gathering.take_if(|gathered| gathered.origin() != connection.origin());
        let begin = || {
            Gathering::new(attempt.placement.names, connection.origin()).of(attempt.new_job().address.path())
        };
        let gathered = gathering.get_or_insert_with(begin);
        let before = gathered.len();
        match connection.tree(gathered.continued(), |entry| gathered.add(entry)).await {
            Ok(totals) => {
                connection.put();
                let gathered = gathering.take();
                return Ok(totals.and_then(|totals| Some((gathered?, totals))));
            }
            Err(fault) if fault.is_lost() && gathered.len() > before => {
                connection = attempt.source.connect(None).await?;
            }
            Err(fault) => {
                if !fault.is_lost() {
                    *gathering = None;
                }
                return Err(fault);
            }
        }
    }
}

/// Where the tree goes, and how.
fn choose(attempt: &Attempt, name: &SafeName) -> Result<(Target, Way), Fault> {
    let Placement { new, names, folders, .. } = &attempt.placement;
    let claim = |path: &std::path::Path| attempt.placement.claim(path);
    let target = destination::choose(folders, new, (name, *names), claim)?;
    let way = match (target.look()?, new.existing) {
        (None, _) => Way::New,
        (Some(found), _) if found.kind != FileType::Directory => {
            return Err(Fault::disk(format!(
                "{} is in the way of a directory; move it away, or use --rename",
                target.path().shown()
            )));
        }
        (Some(found), _) if target.folder.is_of_another(found.owner) => {
            return Err(of_another(&target.path(), found.owner));
        }
        // To compare it would tell the server what is in it.
        (Some(_), _) if target.by_server => return Err(target.not_by_server()),
        (Some(_), Existing::Keep | Existing::Rename) => Way::Compare,
        (Some(_), Existing::Overwrite) => Way::Replace,
        (Some(_), Existing::Update) => Way::Update,
    };
    Ok((target, way))
}

fn announce(attempt: &Attempt, target: &Target, manifest: &Manifest) {
    let totals = &manifest.totals;
    if totals.omitted > 0 {
        tracing::warn!(
            "{}: the tree skips {} of the folder's entries, which are not served: links, devices or sockets",
            attempt.new_job().address,
            totals.omitted
        );
    }
    if attempt.placement.names == Names::Portable {
        let renamed = manifest.renamed().into_iter().take(MAX_RENAMED);
        let names = |index| (SafeText::new(&manifest.path(index)), manifest.disk_path(index).shown());
        attempt.placement.report_renamed(&attempt.events, renamed.map(names));
    }
    attempt.events.answered(Announced {
        name: SafeText::from_bytes(target.name.as_encoded_bytes()),
        target: SafeText::from_path(&target.path()),
        size: Some(totals.bytes),
        total: Some(totals.bytes),
        here: attempt.progress.received(),
        files: Some(totals.files),
    });
}
