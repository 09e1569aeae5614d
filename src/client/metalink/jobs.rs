//! Makes downloads of the files of a metalink.

use std::path::Path;

use super::MetalinkFile;
use crate::client::{
    api::{
        new_job::{Form, NewJob},
        settings::config::Names,
    },
    disk::name::SafeName,
};

/// The downloads of the files of a metalink, otherwise as the download of the metalink itself. A name in it leads to no other folder than one
/// below that of the download.
pub fn jobs(metalink: &NewJob, files: Vec<MetalinkFile>, names: Names) -> Vec<NewJob> {
    let is_one = files.len() == 1;
    let job = |file: MetalinkFile| {
        let MetalinkFile { name, addresses, described } = file;
        let mut addresses = addresses.into_iter();
        let address = addresses.next()?;
        let mut safe: Vec<_> = name
            .split('/')
            .filter(|part| !part.is_empty())
            .map(|part| SafeName::fitting(part, names))
            .collect();
        let last = safe.pop().unwrap_or_else(|| SafeName::fitting("", names));
        let below = safe.iter().fold(metalink.folder.clone(), |folder, part| folder.join(part.as_os_str()));
        let (folder, save_as) = match metalink.save_as.clone().filter(|_| is_one) {
            Some(own) => (metalink.folder.clone(), own),
            None => (below, Path::new(last.as_os_str()).to_owned()),
        };
        Some(NewJob {
            address,
            form: Form::File,
            folder,
            save_as: Some(save_as),
            checksum: metalink.checksum.clone().filter(|_| is_one),
            mirrors: addresses.collect(),
            described: Some(Box::new(described)),
            // They are for the server of the metalink.
            headers: Vec::new(),
            sums: None,
            listed: None,
            earlier: Vec::new(),
            ..metalink.clone()
        })
    };
    files.into_iter().filter_map(job).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::api::{address::locator::Locator, content::described::Described};

    fn of(name: &str) -> NewJob {
        let address = Locator::parse("https://a/x").unwrap();
        let file = MetalinkFile {
            name: name.to_owned(),
            addresses: vec![address.clone()],
            described: Described::default(),
        };
        jobs(&NewJob::new(address, "/down"), vec![file], Names::Portable).remove(0)
    }

    #[test]
    fn no_name_leads_out_of_the_folder_of_the_download() {
        for (name, folder, save_as) in [
            ("x.iso", "/down", "x.iso"),
            ("dir/x.iso", "/down/dir", "x.iso"),
            ("/etc/passwd", "/down/etc", "passwd"),
            ("../../x", "/down/__/__", "x"),
            ("a/..", "/down/a", "__"),
            ("", "/down", "download"),
            ("\u{1b}[2Jx", "/down", "_[2Jx"),
        ] {
            let job = of(name);
            assert_eq!(
                (job.folder.to_str(), job.save_as.as_deref().and_then(Path::to_str)),
                (Some(folder), Some(save_as)),
                "{name}"
            );
        }
    }
}
