//! A directory that is received as itself: first its listing, then its files, many in one answer, then what only the complete tree can have.
//!
//! ```text
//! manifest           what the server has, under which names, and what of it this disk can store
//! prepare            prepares the work directory
//! work               an attempt: what is requested, in which order
//! lanes, shared      the connections that share what is missing
//! files, stream      many files on one connection, each requested before the one before it is received
//! large              one file over several connections: a very large one, or one that was interrupted
//! disk               the directories that all of this happens in: what is local, and what is written
//! finish             links, times, digest, and the commit
//! ```

mod disk;
mod files;
mod finish;
#[cfg(test)]
mod fuzzing;
mod lanes;
mod large;
mod manifest;
mod missed;
mod prepare;
mod shared;
pub(crate) mod state;
mod stream;
mod whole;
mod work;

use std::{
    collections::{HashMap, HashSet},
    mem::take,
    sync::Arc,
    time::Instant,
};

use rustix::fs::FileType;
use tokio::task::block_in_place;

pub(crate) use disk::work_dir::TreeWorkDir;

use self::{
    manifest::{Manifest, gathering::Gathering},
    missed::Missed,
    state::{Listing, TreeResume},
    whole::{ReceivedTree, SaveMode},
    work::Work,
};
use crate::{
    client::{
        api::{
            content::announced::Announced,
            content::checksum::Checksum,
            content::proof::Proof,
            new_job::Existing,
            question::{ConflictKind, Question},
            settings::config::Names,
            views::view::{Finished, TroubleKind},
        },
        disk::{folder::of_another, name::SafeName, target::Target},
        error::{Fault, Unfinished, Verdict},
        job::{
            attempt::Attempt,
            events::Outcome,
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

/// The job fails: an unused work directory is deleted. If there is received content in it, the message names it.
fn leave(attempt: &Attempt, tree: &mut TreeResume, fault: &mut Fault, should_continue: impl Fn() -> bool) {
    let Some(work_dir) = tree.work_dir.take_if(|work_dir| work_dir.is_ours()) else { return };
    if !work_dir.holds_content() {
        finish::discard(attempt, work_dir, should_continue);
        return;
    }
    fault.trouble.message = SafeText::new(&format!(
        "{}; what was received is kept in {}, and the next attempt resumes it",
        fault.trouble.message,
        work_dir.path().shown()
    ));
    tree.work_dir = Some(work_dir);
}

/// What an attempt received.
enum Fetched {
    /// The path is a file.
    File,
    Tree(Box<ReceivedTree>),
}

/// Makes one attempt; `None` if the path is a file. However it ends, verified files are kept.
pub(crate) async fn run(
    attempt: &mut Attempt,
    tree: &mut TreeResume,
    started: Instant,
    cancel: &Cancel,
) -> Option<Outcome> {
    let before = tree.advances;
    let should_continue = || !cancel.is_set();
    let mut writer = None;
    let fetched = fetch(attempt, tree, &mut writer, cancel).await;
    attempt.permit = None;
    let written = block_in_place(|| writer.as_mut().map_or(Ok(()), Writer::finish));
    let ended = match (fetched, written) {
        (Ok(Fetched::File), _) => return None,
        (Ok(Fetched::Tree(whole)), Ok(())) => {
            attempt.events.complete(whole.manifest.totals.bytes);
            block_in_place(|| finish::finish(attempt, tree, &whole, should_continue))
                .map(|placed| (placed, whole))
        }
        (Err(unfinished), _) => Err(unfinished),
        (_, Err(fault)) => Err(fault.into()),
    };
    Some(match ended {
        Ok((finish::Placed { path, root, deleted }, whole)) => {
            let (totals, lost) = (&whole.manifest.totals, &whole.lost);
            let missing = whole.missing();
            let bytes = totals.bytes.saturating_sub(lost.bytes);
            Outcome::Done(Finished {
                path,
                bytes,
                transferred: tree.totals.transferred,
                resumed: bytes.saturating_sub(tree.totals.kept),
                blake3: root.to_string(),
                origin: whole.manifest.origin,
                proof: Some(Proof::BLOCKS),
                sources: Vec::new(),
                seconds: started.elapsed().as_secs_f64(),
                files: Some(totals.files.saturating_sub(lost.missing.count)),
                omitted: totals.omitted,
                deleted,
                missing,
                extracted: None,
            })
        }
        Err(Unfinished::Stopped) => {
            tree.listing = Listing::Fresh;
            Outcome::Stopped
        }
        Err(Unfinished::Fault(mut fault)) => {
            // A lost connection says nothing about the tree; any other fault may mean that it changed.
            if !fault.is_lost() && matches!(tree.listing, Listing::Listed(_)) {
                tree.listing = Listing::Fresh;
            }
            if matches!(fault.verdict, Verdict::StartOver | Verdict::Discard) {
                // Files are independent: the verified ones are kept.
                fault.verdict = Verdict::Again(std::time::Duration::ZERO);
            }
            if fault.is_final() {
                block_in_place(|| leave(attempt, tree, &mut fault, should_continue));
            }
            Outcome::Fault { fault, progressed: tree.advances > before }
        }
    })
}

async fn fetch(
    attempt: &Attempt,
    tree: &mut TreeResume,
    writer: &mut Option<Writer>,
    cancel: &Cancel,
) -> Result<Fetched, Unfinished> {
    let (new, names) = (attempt.new_job(), attempt.placement.names);
    if let Some(checksum @ (Checksum::Sha256(_) | Checksum::Sha512(_) | Checksum::Md5(_))) = &new.checksum {
        let message =
            format!("a tree has a BLAKE3 digest and no other, so that {checksum} cannot be verified");
        return Err(Fault::never(TroubleKind::Other, message).into());
    }
    let name = match new.address.name() {
        Some(asked) => SafeName::for_content(Some(asked), "", false, names),
        None => {
            let name = cancel.unless_set(attempt.source.server_name(false)).await?;
            SafeName::for_content(None, &name.unwrap_or_default(), false, names)
        }
    };
    let listed = match &tree.listing {
        Listing::Listed(manifest) => Some(Listed::Before(Arc::clone(manifest))),
        Listing::Fresh | Listing::Partial(_) => {
            let gathered = cancel.unless_set(gather(attempt, tree)).await?;
            gathered.map(|(gathered, totals)| Listed::Now(gathered, totals))
        }
    };
    let Some(listed) = listed else {
        if new.address.is_root() {
            let message = format!("{} reports that the served folder is a file", new.address.server());
            return Err(Fault::never(TroubleKind::Other, message).into());
        }
        *tree = TreeResume::default();
        return Ok(Fetched::File);
    };
    let (target, save_mode) = block_in_place(|| choose(attempt, &name))?;
    let manifest = listed.manifest(target.folder.longest_name());
    tree.listing = Listing::Listed(Arc::clone(&manifest));
    attempt.placement.report_substitute(&attempt.events, &target);
    let should_continue = &|| !cancel.is_set();
    if save_mode == SaveMode::Replace && manifest.totals.files == 0 {
        block_in_place(|| surplus::refuse_to_empty(&target, &manifest, should_continue))?;
    }
    if save_mode == SaveMode::Replace {
        let unsent = Unsent { missing: &manifest.missing, indices: &HashSet::new() };
        block_in_place(|| surplus::refuse_to_lose(&target, &manifest, unsent, should_continue))?;
    }
    let folder = TreeWorkDir::path_of(&target.folder, &target.name);
    let free = async {
        attempt.deletions.folder_free(&folder).await;
        Ok::<_, Fault>(())
    };
    cancel.unless_set(free).await?;
    announce(attempt, &target, &manifest);
    let (missed, begun) = (Missed::default(), HashMap::new());
    let work = Work { attempt, tree, manifest, target, save_mode, missed, begun };
    let whole = if save_mode == SaveMode::Compare {
        work.compare(cancel).await
    } else {
        work.fetch(writer, cancel).await
    };
    whole.map(|whole| Fetched::Tree(Box::new(whole)))
}

/// The listing of a tree.
enum Listed {
    /// Of an earlier attempt.
    Before(Arc<Manifest>),
    /// Of this attempt.
    Now(Box<Gathering>, message::Totals),
}

impl Listed {
    /// All entries. Substitutes for names have at most `longest` bytes.
    fn manifest(self, longest: usize) -> Arc<Manifest> {
        match self {
            Listed::Before(manifest) => manifest,
            Listed::Now(gathered, totals) => Arc::new(gathered.finish(totals, longest)),
        }
    }
}

/// Requests the entries of the tree; `None` if it is not a directory. A lost connection is made again as long as each receives something.
/// The connection is not kept: to hash local files can take longer than the server lets it be idle.
async fn gather(
    attempt: &Attempt,
    tree: &mut TreeResume,
) -> Result<Option<(Box<Gathering>, message::Totals)>, Fault> {
    let mut connection = attempt.source.connect(None).await?;
    // Listing a large folder takes the server a while.
    attempt.progress.set_prepares(true);
    let begun = match take(&mut tree.listing) {
        Listing::Partial(gathering) => Some(gathering),
        Listing::Fresh | Listing::Listed(_) => None,
    };
    // Pages of two servers are not combined.
    let begun = begun.filter(|gathering| gathering.origin() == connection.origin());
    let new = |origin| {
        let path = attempt.new_job().address.path();
        Box::new(Gathering::new(attempt.placement.names, origin).of(path))
    };
    let mut gathering = begun.unwrap_or_else(|| new(connection.origin()));
    let fault = loop {
        let before = gathering.len();
        match connection.tree(gathering.continued(), |entry| gathering.add(entry)).await {
            Ok(totals) => {
                connection.put();
                return Ok(totals.map(|totals| (gathering, totals)));
            }
            Err(fault) if !fault.is_lost() => return Err(fault),
            Err(fault) if gathering.len() == before => break fault,
            Err(_) => match attempt.source.connect(None).await {
                Ok(another) => connection = another,
                Err(fault) => break fault,
            },
        }
        if gathering.origin() != connection.origin() {
            gathering = new(connection.origin());
        }
    };
    tree.listing = Listing::Partial(gathering);
    Err(fault)
}

/// Chooses where the tree is saved, and how it gets there.
fn choose(attempt: &Attempt, name: &SafeName) -> Result<(Target, SaveMode), Fault> {
    let Placement { new, names, folders, .. } = &attempt.placement;
    let claim = |path: &std::path::Path| attempt.placement.claim(path);
    let target = destination::choose(folders, new, (name, *names), claim)?;
    let save_mode = match (target.look()?, new.existing) {
        (None, _) => SaveMode::New,
        (Some(found), _) if found.kind != FileType::Directory => {
            let message = format!("{} is in the way of a directory; move it away", target.path().shown());
            let question = Question::Exists(target.conflict(ConflictKind::Fixed));
            return Err(Fault::disk(message).or_by(", or use --rename").asking(question));
        }
        (Some(found), _) if target.folder.is_of_another(found.owner) => {
            return Err(of_another(&target.path(), found.owner));
        }
        // A comparison would show the server what is in it.
        (Some(_), _) if target.by_server => return Err(target.not_by_server()),
        (Some(_), Existing::Keep | Existing::Rename) => SaveMode::Compare,
        (Some(_), Existing::Overwrite) => SaveMode::Replace,
        (Some(_), Existing::Update) => SaveMode::Update,
    };
    Ok((target, save_mode))
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
