//! Finds the checksum of a file in a list: in one of the user, or in one that the server has beside the file.

use std::{fs::File, io::Read, path::Path};

use tokio::task::block_in_place;

use crate::client::{
    api::{
        content::{
            checksum::Checksum,
            proof::DigestBy,
            sums::{MAX_SUMS_LEN, Sums, SumsAt, names_beside},
        },
        views::view::TroubleKind,
    },
    error::Fault,
    job::{attempt::Attempt, resume::JobResume},
    source::Source,
};

/// Finds the checksum, once for each job. A list of the user must have it; one beside the file is used only if it has it.
pub(super) async fn find(attempt: &Attempt, resume: &mut JobResume) -> Result<(), Fault> {
    let job = attempt.new_job();
    let Some(at) = job.sums.as_ref().filter(|_| job.checksum.is_none() && resume.listed.is_none()) else {
        return Ok(());
    };
    let names = names(attempt, resume.file.has_received).await?;
    resume.listed = match at {
        SumsAt::Beside => beside(&attempt.source, &names).await?.map(|found| (found, DigestBy::Server)),
        at => {
            let content = match (at, &attempt.sums) {
                (SumsAt::File(path), _) => block_in_place(|| read(path))?,
                (_, Some(source)) => source.small(MAX_SUMS_LEN).await?.ok_or_else(|| {
                    Fault::never(
                        TroubleKind::NotFound,
                        format!("{}: the server does not have it", at.shown()),
                    )
                })?,
                (_, None) => Vec::new(),
            };
            Some((listed(at, &content, &names)?, DigestBy::User))
        }
    };
    Ok(())
}

/// The names of the file: that of the server, which comes first, and that of the address.
async fn names(attempt: &Attempt, worked: bool) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = attempt.source.server_name(worked).await?.into_iter().collect();
    names.extend(attempt.new_job().address.name().map(str::to_owned));
    names.dedup();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|error| Fault::io("read", path, &error))?;
    let limit = MAX_SUMS_LEN as u64 + 1;
    file.take(limit).read_to_end(&mut content).map_err(|error| Fault::io("read", path, &error))?;
    Ok(content)
}

/// The checksum that a list of the user has.
fn listed(at: &SumsAt, content: &[u8], names: &[String]) -> Result<Checksum, Fault> {
    let fault = |error| Fault::never(TroubleKind::Integrity, format!("{} {error}", at.shown()));
    let sums = Sums::parse(content, &at.file_name()).map_err(fault)?;
    let mut first = None;
    for name in names {
        match sums.find(name) {
            Ok(checksum) => return Ok(checksum),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or_else(
        || Fault::never(TroubleKind::Integrity, "the file has no name to look for in the list"),
        fault,
    ))
}

/// The checksum of the first list beside the file that has it.
async fn beside(source: &Source, names: &[String]) -> Result<Option<Checksum>, Fault> {
    for name in names {
        for list in names_beside(name) {
            let Some(at) = source.beside(&list) else { continue };
            let content = match at.small(MAX_SUMS_LEN).await {
                Ok(Some(content)) => content,
                // The next attempt may find it.
                Err(fault) if fault.trouble.kind == TroubleKind::Connection => return Err(fault),
                Ok(None) | Err(_) => continue,
            };
            // A digest alone is of the file that the list is named after.
            let sums = Sums::parse(&content, &list).ok();
            let sums = sums.filter(|sums| sums.has_names() || list.starts_with(name.as_str()));
            if let Some(found) = sums.and_then(|sums| sums.find(name).ok()) {
                tracing::info!("{name}: its checksum is listed in {list}: {found}");
                return Ok(Some(found));
            }
        }
    }
    tracing::info!("{}: no list of checksums is beside it", names.first().map_or("", String::as_str));
    Ok(None)
}
