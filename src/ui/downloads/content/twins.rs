//! What distinguishes rows of the same name: their host, else their folder.

use crate::client::JobView;

/// The host and the folder of an address.
fn place(address: &str) -> (&str, &str) {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let folder = path.trim_end_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
    (host, folder)
}

/// What is shown beside the name of a row, if another one of `rows` has the same.
pub fn distinction<'a>(row: &'a JobView, rows: &[JobView]) -> Option<&'a str> {
    let (host, folder) = place(row.address.as_str());
    let twins = rows.iter().filter(|other| other.id != row.id && other.name == row.name);
    let places: Vec<_> = twins.map(|other| place(other.address.as_str())).collect();
    let text = if places.iter().any(|place| place.0 != host) {
        host
    } else if places.iter().any(|place| place.1 != folder) {
        folder
    } else {
        ""
    };
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::JobState, text::SafeText, ui::downloads::testing::row};

    #[test]
    fn rows_of_one_name_show_their_host_or_their_folder() {
        let at = |id, address: &str| {
            let mut row = row(id, "disk.img", JobState::Queued);
            row.address = SafeText::new(address);
            row
        };
        let shown = |addresses: &[&str]| {
            let rows: Vec<_> = (0..).zip(addresses).map(|(id, address)| at(id, address)).collect();
            let shown = rows.iter().map(|row| distinction(row, &rows).unwrap_or("-").to_owned());
            shown.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown(&["fdsp://a/disk.img"]), "-");
        assert_eq!(shown(&["fdsp://a/vm/disk.img#sha256:00", "fdsp://b:1/disk.img"]), "a b:1");
        assert_eq!(shown(&["fdsp://a/vm/one/disk.img", "fdsp://a/vm/two/disk.img"]), "vm/one vm/two");
        assert_eq!(
            shown(&["fdsp://a/x/disk.img", "fdsp://a/x/disk.img"]),
            "- -",
            "nothing distinguishes them"
        );
        assert_eq!(shown(&["fdsp://t@a/disk.img", "fdsp://a/x/disk.img"]), "- x");
    }
}
