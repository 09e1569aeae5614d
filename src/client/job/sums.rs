//! Finds the checksum of a file in a list: in one of the user, or in one that the server has beside the file.

use std::{fs::File, io::Read, path::Path};

use tokio::task::block_in_place;

use crate::{
    client::{
        api::{
            content::{
                checksum::Checksum,
                proof::DigestBy,
                sums::{MAX_SUMS_LEN, Sums, SumsAt, names_beside},
            },
            views::view::{Trouble, TroubleKind},
        },
        error::Fault,
        job::{attempt::Attempt, resume::JobResume},
        source::Source,
    },
    text::SafeText,
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
                (_, Some(source)) => of_list(source, at.shown().as_str()).await?.ok_or_else(|| {
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

/// The names of the file: that of the address, which comes first, and that of the server, which must not choose the line of a list.
async fn names(attempt: &Attempt, worked: bool) -> Result<Vec<String>, Fault> {
    let mut names: Vec<String> = attempt.new_job().address.name().map(str::to_owned).into_iter().collect();
    names.extend(attempt.source.server_name(worked).await?);
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

/// Receives a list; `None` if the server does not have it. That it cannot be had now is a failed attempt of the job, whose own server may be
/// well.
async fn of_list(source: &Source, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    source.small(MAX_SUMS_LEN).await.map_err(|fault| {
        let message = SafeText::new(&format!("the list of checksums {name}: {}", fault.trouble.message));
        let trouble = Trouble { message, ..fault.trouble.clone() };
        Fault { trouble, ..fault }.of_another_server()
    })
}

/// The checksum of the first list beside the file that has it.
async fn beside(source: &Source, names: &[String]) -> Result<Option<Checksum>, Fault> {
    for name in names {
        for list in names_beside(name) {
            let Some(at) = source.beside(&list) else { continue };
            let content = match of_list(&at, &list).await {
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
