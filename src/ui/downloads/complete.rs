//! Completing a remote path by the listing of its directory, as a shell does.

use super::{effect::Ticket, target};
use crate::{
    protocol::{
        address::{self, Address, Authority},
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
    /// What stands before the name, as it was typed: it may hold a token, which is shown nowhere else.
    stem: String,
    /// What stands behind the path: the pin of an address.
    pin: String,
    /// Whether it is an address, in which a name is percent-encoded.
    address: bool,
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
        let address = start > 0;
        let end = typed[start..].find('#').filter(|_| address).map_or(typed.len(), |pin| start + pin);
        let (path, pin) = typed.split_at(end);
        let slash = path[start..].rfind('/').map(|slash| start + slash + 1);
        if address && slash.is_none() {
            return Err("a host cannot be completed; go on with /".to_owned());
        }
        let (stem, name) = path.split_at(slash.unwrap_or(start));
        let Address { authority, path: directory } = target::read(&format!("{stem}{pin}"), server)?;
        let prefix = match address && !name.is_empty() {
            true => target::read(path, server)?.path.name().unwrap_or_default().to_owned(),
            false => name.to_owned(),
        };
        let [typed, stem, pin] = [typed, stem, pin].map(str::to_owned);
        Ok(Completion { ticket, typed, authority, directory, stem, pin, address, prefix })
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
                && target::child(&self.directory, &entry.name).is_some()
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
        let text = Some(self.text(common, directory)).filter(|text| *text != self.typed);
        let say = (!alone).then(|| told(&fitting, more));
        Completed { text, say }
    }

    fn text(&self, name: &str, directory: bool) -> String {
        let Completion { stem, pin, .. } = self;
        let name = if self.address { address::encoded(name) } else { name.to_owned() };
        let end = if directory { "/" } else { "" };
        format!("{stem}{name}{end}{pin}")
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
        assert_eq!(text.as_deref(), Some("fdsp+plain://other/films/a%20b/"));
        assert_eq!(completed("fdsp+plain://other/a%20", &["a b", "a c"]).0, None);
        assert!(Completion::begin(Ticket(1), "fdsp+plain://oth", None).is_err());
        assert!(Completion::begin(Ticket(1), "films", None).is_err());
    }

    #[test]
    fn what_was_typed_before_the_name_stays_as_it_is() {
        let (text, _) = completed("fdsp+plain://sesame-sesame-sesame@127.0.0.1:9105/bi", &["big.bin"]);
        assert_eq!(text.as_deref(), Some("fdsp+plain://sesame-sesame-sesame@127.0.0.1:9105/big.bin"));
        let (text, _) = completed("FDSP+plain://NAS//a%41/bi", &["big/"]);
        assert_eq!(text.as_deref(), Some("FDSP+plain://NAS//a%41/big/"));
    }

    #[test]
    fn the_pin_of_an_address_stays_behind_it_and_is_asked_for() {
        let pin = format!("#sha256:{}", "A5".repeat(32));
        let typed = format!("fdsp://sesame-sesame-sesame@nas/films/bi{pin}");
        let (text, _) = completed(&typed, &["big.bin"]);
        assert_eq!(text, Some(format!("fdsp://sesame-sesame-sesame@nas/films/big.bin{pin}")));
        let completion = Completion::begin(Ticket(1), &typed, None).expect("to be completed");
        assert!(matches!(completion.authority.security, Security::Tls { pin: Some(_) }));
        assert!(completion.authority.token.is_some());
    }

    #[test]
    fn names_that_no_path_can_have_complete_nothing() {
        assert_eq!(completed("/f", &["f/../../x"]).0, None);
        assert_eq!(completed("/f", &[&"f".repeat(256)]).0, None);
    }
}
