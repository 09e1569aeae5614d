//! Completing a remote path by the listing of its directory, as a shell does.

use super::{effect::Ticket, target};
use crate::{
    protocol::{
        address::{Address, Authority},
        message::{Entry, Kind},
        path::RemotePath,
    },
    text::{SafeText, is_unsafe},
};

/// Names that are told when several fit.
const TOLD: usize = 12;

/// A completion that waits for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Ties the answer to it.
    pub ticket: Ticket,
    /// What stood before the cursor: if that has changed, the answer comes too late.
    pub typed: String,
    /// The server.
    pub authority: Authority,
    /// The directory.
    pub directory: RemotePath,
    /// What was typed of it; `None` if it was an address, which is written anew.
    stem: Option<String>,
    /// What was typed of the name.
    prefix: String,
}

/// What comes of a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// What is to stand before the cursor, if that changes.
    pub text: Option<String>,
    /// What to say.
    pub say: Option<String>,
}

impl Completion {
    /// What is to be listed to complete `typed`. The error is a sentence.
    pub fn begin(ticket: Ticket, typed: &str, server: Option<&Authority>) -> Result<Completion, String> {
        let start = typed.find("://").map_or(0, |scheme| scheme + 3);
        let slash = typed[start..].rfind('/').map(|slash| start + slash + 1);
        let stem = &typed[..slash.unwrap_or(start)];
        if start > 0 {
            if slash.is_none() {
                return Err("a host cannot be completed; go on with /".to_owned());
            }
            let directory = target::read(stem, server)?;
            let prefix = match typed.len() == stem.len() {
                true => String::new(),
                false => target::read(typed, server)?.path.name().unwrap_or_default().to_owned(),
            };
            let Address { authority, path: directory } = directory;
            return Ok(Completion {
                ticket,
                typed: typed.to_owned(),
                authority,
                directory,
                stem: None,
                prefix,
            });
        }
        let Address { authority, path: directory } = target::read(stem, server)?;
        let (stem, prefix) = (Some(stem.to_owned()), typed[stem.len()..].to_owned());
        Ok(Completion { ticket, typed: typed.to_owned(), authority, directory, stem, prefix })
    }

    /// Where the page that holds the fitting names begins: after all that come before them.
    pub fn after(&self) -> Option<String> {
        let mut shorter = self.prefix.clone();
        shorter.pop();
        (!shorter.is_empty()).then_some(shorter)
    }

    /// Completes with the entries of the directory; `more` if there are further ones.
    pub fn finish(&self, entries: &[Entry], more: bool) -> Completed {
        let fits = |entry: &&Entry| {
            entry.name.starts_with(&self.prefix)
                && !entry.name.contains(is_unsafe)
                && entry.kind != Kind::Other
        };
        let fitting: Vec<&Entry> = entries.iter().filter(fits).collect();
        let Some(first) = fitting.first() else {
            let what = if self.prefix.is_empty() { "nothing is there" } else { "nothing there begins so" };
            return Completed { text: None, say: Some(what.to_owned()) };
        };
        let mut common = first.name.as_str();
        for entry in &fitting {
            let same = common.chars().zip(entry.name.chars()).take_while(|(a, b)| a == b);
            common = &common[..same.map(|(c, _)| c.len_utf8()).sum()];
        }
        let alone = fitting.len() == 1 && !more;
        let directory = alone && first.kind == Kind::Directory;
        let text = self.text(common, directory).filter(|text| *text != self.typed);
        let say = (!alone).then(|| told(&fitting, more));
        Completed { text, say }
    }

    fn text(&self, name: &str, directory: bool) -> Option<String> {
        let end = if directory { "/" } else { "" };
        match &self.stem {
            Some(stem) => Some(format!("{stem}{name}{end}")),
            None if name.is_empty() => None,
            None => {
                let path = target::child(&self.directory, name)?;
                Some(format!("{}{end}", Address { authority: self.authority.clone(), path }))
            }
        }
    }
}

fn told(entries: &[&Entry], more: bool) -> String {
    let names = entries.iter().take(TOLD).map(|entry| {
        let end = if entry.kind == Kind::Directory { "/" } else { "" };
        format!("{}{end}", SafeText::new(&entry.name))
    });
    let mut text = names.collect::<Vec<_>>().join("  ");
    match entries.len().saturating_sub(TOLD) {
        0 if more => text.push_str("  and more"),
        0 => {}
        left if more => text.push_str(&format!("  and over {left} more")),
        left => text.push_str(&format!("  and {left} more")),
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::address::Security;
    use crate::protocol::message::Timestamp;

    fn entry(name: &str) -> Entry {
        let (name, kind) = match name.strip_suffix('/') {
            Some(directory) => (directory, Kind::Directory),
            None => (name, Kind::File),
        };
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        Entry { name: name.to_owned(), kind, size: None, modified }
    }

    fn completed(typed: &str, names: &[&str]) -> (Option<String>, Option<String>) {
        let server = Authority::new("nas", 7878, Security::Plain);
        let completion = Completion::begin(Ticket(1), typed, Some(&server)).expect("to be completed");
        let entries: Vec<_> = names.iter().copied().map(entry).collect();
        let Completed { text, say } = completion.finish(&entries, false);
        (text, say)
    }

    #[test]
    fn a_single_name_is_written_out() {
        assert_eq!(completed("/fi", &["films/", "notes"]), (Some("/films/".into()), None));
        assert_eq!(completed("films/a", &["a b.iso"]), (Some("films/a b.iso".into()), None));
        assert_eq!(completed("no", &["notes"]), (Some("notes".into()), None));
        assert_eq!(completed("notes", &["notes"]), (None, None));
    }

    #[test]
    fn of_several_names_what_they_share_is_written() {
        let (text, say) = completed("/u", &["ubuntu-22.iso", "ubuntu-24.iso", "x"]);
        assert_eq!(text.as_deref(), Some("/ubuntu-2"));
        assert_eq!(say.as_deref(), Some("ubuntu-22.iso  ubuntu-24.iso"));
        assert_eq!(completed("/é", &["éa", "éb"]).0, None);
    }

    #[test]
    fn nothing_fitting_is_said() {
        assert_eq!(completed("/q", &["a"]), (None, Some("nothing there begins so".into())));
        assert_eq!(completed("/", &[]), (None, Some("nothing is there".into())));
        assert_eq!(completed("/e", &["e\u{1b}[2J"]).0, None);
    }

    #[test]
    fn addresses_stay_addresses() {
        let (text, _) = completed("fdsp+plain://other/films/a", &["a b/"]);
        assert_eq!(text.as_deref(), Some("fdsp+plain://other:7878/films/a%20b/"));
        assert!(Completion::begin(Ticket(1), "fdsp+plain://oth", None).is_err());
        assert!(Completion::begin(Ticket(1), "films", None).is_err());
    }
}
