//! Completing a remote path by the listing of its directory, as a shell does.

use super::target;
use crate::{
    client::{Locator, typed},
    protocol::{
        address,
        message::{Entries, Entry, Kind},
        path::{self, odd_name},
    },
    text::{SafeText, is_unsafe, units},
    ui::downloads::{effect::Ticket, model::Defaults},
};

/// Names that are shown when several fit.
const MAX_SHOWN: usize = 12;
/// Entries of a directory that are read.
const MAX_ENTRIES: usize = 200_000;

/// A completion that waits for a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Ties the answer to it.
    pub ticket: Ticket,
    /// The line: if it has changed, the answer is too late.
    pub typed: String,
    /// The directory.
    pub directory: Locator,
    /// The text before the name, as it was typed: it may hold a token, which is shown nowhere else.
    stem: String,
    /// The text after the name: the rest of the path, and the pin of an address.
    pub tail: String,
    /// Whether it is an address, in which a name is percent-encoded.
    address: bool,
    /// What was typed of the name.
    prefix: String,
    /// The next page begins after this name; empty for the first page.
    after: String,
    /// Entries that were read.
    read: usize,
    /// How many of them fit.
    fitting: usize,
    /// What the names that fit begin with.
    common: String,
    /// Whether the first one that fits is a directory.
    is_directory: bool,
    /// The first ones that fit, to be shown.
    shown: Vec<String>,
}

/// The result of a completion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The text before the cursor, if it changes; the tail follows it.
    pub text: Option<String>,
    /// What to show.
    pub say: Option<String>,
}

impl Completion {
    /// What is to be listed to complete the path before the cursor, which is at this byte of the line. The error is a
    /// sentence.
    pub fn begin(
        ticket: Ticket,
        line: &str,
        cursor: usize,
        defaults: &Defaults,
    ) -> Result<Completion, String> {
        let (host, path, _) = typed::split(line);
        let address = !host.is_empty();
        if address && (path.is_empty() || cursor <= host.len()) {
            return Err("a host cannot be completed; type / after it".to_owned());
        }
        let end = cursor.min(host.len() + path.len());
        let (before, tail) = (&line[..end], &line[end..]);
        let name = before.rfind('/').map_or(0, |slash| slash + 1);
        // The whole line names the server, wherever the cursor is: its pin is at the end.
        let pin = &line[host.len() + path.len()..];
        let directory = target::read(&format!("{}{pin}", &before[..name]), defaults)?;
        let prefix = match address && name < end {
            true => target::read(before, defaults)?.name().unwrap_or_default().to_owned(),
            false => before[name..].to_owned(),
        };
        let [typed, stem, tail] = [line, &before[..name], tail].map(str::to_owned);
        // A name that begins with the prefix is sorted after every shorter one.
        let mut after = prefix.clone();
        after.pop();
        Ok(Completion {
            ticket,
            typed,
            directory,
            stem,
            tail,
            address,
            prefix,
            after,
            read: 0,
            fitting: 0,
            common: String::new(),
            is_directory: false,
            shown: Vec::new(),
        })
    }

    /// The next page begins after this name.
    pub fn after(&self) -> Option<&str> {
        Some(self.after.as_str()).filter(|after| !after.is_empty())
    }

    /// Entries that were read so far.
    pub fn read(&self) -> usize {
        self.read
    }

    /// Takes a page of the directory. `None` if the next page is needed: what fits may continue there.
    pub fn take(&mut self, page: &Entries) -> Option<Completed> {
        self.read += page.entries.len();
        for entry in &page.entries {
            self.compare(entry);
        }
        let last = page.entries.last().map_or("", |entry| entry.name.as_str());
        // Names are sorted by their bytes.
        let is_past = path::compare(last, &self.prefix).is_gt() && !last.starts_with(&self.prefix);
        let goes_on = page.more && !is_past && path::compare(last, &self.after).is_gt();
        if goes_on && self.read < MAX_ENTRIES {
            last.clone_into(&mut self.after);
            return None;
        }
        Some(self.finish(goes_on))
    }

    fn compare(&mut self, entry: &Entry) {
        let name = &entry.name;
        let fits = name.starts_with(&self.prefix)
            && self.can_write(name)
            && entry.kind != Kind::Other
            && self.directory.child(name).is_some();
        if !fits {
            return;
        }
        let is_directory = entry.kind == Kind::Directory;
        if self.fitting == 0 {
            name.clone_into(&mut self.common);
            self.is_directory = is_directory;
        }
        let same = self.common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
        self.common.truncate(same.map(|(c, _)| c.len_utf8()).sum());
        // A part of an escape has no meaning.
        if let Some(escape) = self.common.rfind(odd_name::ESCAPE)
            && odd_name::escape(&self.common.as_bytes()[escape..]).is_none()
        {
            self.common.truncate(escape);
        }
        if self.fitting < MAX_SHOWN {
            let end = if is_directory { "/" } else { "" };
            self.shown.push(format!("{}{end}", SafeText::new(name)));
        }
        self.fitting += 1;
    }

    /// Whether a name can be written in the line: in an address, also one that is not UTF-8.
    fn can_write(&self, name: &str) -> bool {
        name.chars().all(|c| !is_unsafe(c) || c == odd_name::ESCAPE && self.address)
    }

    /// `more` if there are further entries.
    fn finish(&self, more: bool) -> Completed {
        if self.fitting == 0 {
            let start = SafeText::new(&self.prefix);
            let what = match (self.prefix.is_empty(), more) {
                (true, false) => "the folder is empty".to_owned(),
                (_, true) => format!("the first {} names have no match", units::count(self.read as u64)),
                (false, false) => format!("no name there starts with \"{start}\""),
            };
            return Completed { text: None, say: Some(what) };
        }
        let alone = self.fitting == 1 && !more;
        let text = Some(self.text(alone && self.is_directory));
        let text = text.filter(|text| format!("{text}{}", self.tail) != self.typed);
        Completed { text, say: (!alone).then(|| self.names(more)) }
    }

    fn text(&self, directory: bool) -> String {
        let Completion { stem, common, .. } = self;
        let name = if self.address { address::encoded(common) } else { common.clone() };
        let end = if directory { "/" } else { "" };
        format!("{stem}{name}{end}")
    }

    fn names(&self, more: bool) -> String {
        let mut text = self.shown.join("  ");
        match units::count(self.fitting.saturating_sub(MAX_SHOWN) as u64).as_str() {
            "0" if more => text.push_str("  and more"),
            "0" => {}
            left if more => text.push_str(&format!("  and over {left} more")),
            left => text.push_str(&format!("  and {left} more")),
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{protocol::message::Timestamp, ui::downloads::testing::model};

    fn defaults() -> Defaults {
        model().defaults
    }

    fn without_server() -> Defaults {
        Defaults { server: None, ..defaults() }
    }

    fn entry(name: &str) -> Entry {
        let (name, kind) = match name.strip_suffix('/') {
            Some(directory) => (directory, Kind::Directory),
            None => (name, Kind::File),
        };
        let modified = Timestamp { seconds: 0, nanoseconds: 0 };
        Entry { name: name.to_owned(), kind, size: None, modified }
    }

    /// The whole line after a completion at its end, if it changes, and what is shown.
    fn completed(typed: &str, names: &[&str]) -> (Option<String>, Option<String>) {
        let mut completion =
            Completion::begin(Ticket(1), typed, typed.len(), &defaults()).expect("to be completed");
        let entries: Vec<_> = names.iter().copied().map(entry).collect();
        let Completed { text, say } = completion.take(&Entries { entries, more: false }).expect("the end");
        (text.map(|text| text + &completion.tail), say)
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
        assert_eq!(completed("/q", &["a"]), (None, Some("no name there starts with \"q\"".into())));
        assert_eq!(completed("/", &[]), (None, Some("the folder is empty".into())));
        assert_eq!(completed("/e", &["e\u{1b}[2J"]).0, None);
    }

    #[test]
    fn addresses_stay_addresses() {
        let (text, _) = completed("fdsp+plain://other/films/a", &["a b/"]);
        assert_eq!(text.as_deref(), Some("fdsp+plain://other/films/a%20b/"));
        assert_eq!(completed("fdsp+plain://other/a%20", &["a b", "a c"]).0, None);
        let (text, _) = completed("fdsp+plain://other/caf", &["caf\0E9.txt"]);
        assert_eq!(text.as_deref(), Some("fdsp+plain://other/caf%E9.txt"));
        let (text, say) = completed("fdsp+plain://other/c", &["caf\0E8", "caf\0E9"]);
        assert_eq!(text.as_deref(), Some("fdsp+plain://other/caf"), "no part of a byte is written");
        assert_eq!(say.as_deref(), Some("caf‹xE8›  caf‹xE9›"));
        assert_eq!(completed("/c", &["caf\0E9"]).0, None, "a path has no way to write it");
        let (text, _) = completed("other:9000/films/a", &["a b/"]);
        assert_eq!(text.as_deref(), Some("other:9000/films/a%20b/"));
        assert!(Completion::begin(Ticket(1), "other:90", 8, &defaults()).is_err());
        assert!(Completion::begin(Ticket(1), "fdsp+plain://oth", 16, &without_server()).is_err());
        assert!(Completion::begin(Ticket(1), "films", 5, &without_server()).is_err());
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
        for cursor in typed.find("bi#").into_iter().flat_map(|at| [at + 1, at + 2, at + 9, typed.len()]) {
            let completion =
                Completion::begin(Ticket(1), &typed, cursor, &without_server()).expect("to be completed");
            let server = completion.directory.server();
            assert!(server.pin().is_some() && server.has_token(), "{cursor}");
        }
        for cursor in [0, 5, 8, 20] {
            assert!(
                Completion::begin(Ticket(1), &typed, cursor, &without_server()).is_err(),
                "no host is completed"
            );
        }
    }

    #[test]
    fn all_pages_with_fitting_names_are_read() {
        let begin = || Completion::begin(Ticket(1), "/ab", 3, &defaults()).expect("to be completed");
        let page =
            |names: &[&str], more| Entries { entries: names.iter().copied().map(entry).collect(), more };
        let mut completion = begin();
        assert_eq!(completion.after(), Some("a"));
        assert_eq!(completion.take(&page(&["aa1", "aa2"], true)), None, "nothing fits yet");
        assert_eq!((completion.after(), completion.read()), (Some("aa2"), 2));
        assert_eq!(completion.take(&page(&["abc1", "abc2"], true)), None, "more may fit");
        let Completed { text, say } =
            completion.take(&page(&["abd", "ac"], true)).expect("past all that fit");
        assert_eq!((text, say.as_deref()), (None, Some("abc1  abc2  abd")));
        let mut completion = begin();
        assert!(completion.take(&page(&["aa"], true)).is_none());
        assert!(
            completion.take(&page(&["aa"], true)).is_some(),
            "the same page is not asked for without end"
        );
        let mut completion = begin();
        assert!(completion.take(&page(&[], true)).is_some());
    }

    #[test]
    fn names_that_no_path_can_have_complete_nothing() {
        assert_eq!(completed("/f", &["f/../../x"]).0, None);
        assert_eq!(completed("/f", &[&"f".repeat(256)]).0, None);
    }
}
