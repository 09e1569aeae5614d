//! Which files of a listing are local already, by name and size.

use std::path::Path;

use super::name::SafeName;
use crate::client::api::settings::config::Names;

/// For each file, its name on a server and its size: whether the folder has a file of that name and size.
pub(crate) fn are_present(folder: &Path, files: &[(String, u64)], names: Names) -> Vec<bool> {
    let is_present = |(name, size): &(String, u64)| {
        let path = folder.join(SafeName::for_content(Some(name), "", false, names).as_os_str());
        path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() == *size)
    };
    files.iter().map(is_present).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_present_with_its_name_and_its_size() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a"), "four").expect("written");
        std::fs::write(folder.path().join("_"), "four").expect("written");
        std::fs::create_dir(folder.path().join("d")).expect("made");
        let files = [("a", 4), ("a", 5), ("b", 4), ("d", 4), ("\u{7}", 4), ("../a", 4)];
        let files = files.map(|(name, size)| (name.to_owned(), size));
        assert_eq!(
            are_present(folder.path(), &files, Names::Exact),
            [true, false, false, false, true, false]
        );
    }
}
