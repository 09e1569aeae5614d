//! Several pasted lines: what each of them is, before any of them is queued.

use std::collections::HashMap;

use super::target;
use crate::{
    client::{
        CurlCommand, Locator, Server,
        glob::MAX_ADDRESSES,
        typed::{self, Request},
    },
    protocol::address::without_token,
    text::{SafeText, units},
    ui::{actions::MoveAction, components::viewport::moved, downloads::model::Defaults},
};

/// The lines, and the first one that is visible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paste {
    lines: Vec<Line>,
    top: usize,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As it was pasted.
    pub text: String,
    /// What it is.
    pub what: What,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file or a folder, to be queued.
    Content(Request),
    /// Several of them, which patterns stand for.
    Several(Vec<Request>),
    /// A server without a path, whose files are listed.
    Server(Locator),
    /// Another server without a path: one is listed.
    OtherServer,
    /// The same as the line with this number.
    Again(usize),
    /// Neither an address nor a path: why.
    Wrong(String),
}

impl Paste {
    /// Reads the lines.
    pub fn new(lines: Vec<String>, defaults: &Defaults) -> Paste {
        // A path belongs to the address above it, if there is no other server.
        let mut above: Option<Server> = None;
        let mut seen = HashMap::new();
        let mut listed = false;
        let mut room = MAX_ADDRESSES;
        let mut read = |number: usize, text: String| {
            let at_hand = defaults.server.as_ref().or(above.as_ref().filter(|_| !typed::names_server(&text)));
            let what = match target::requests(&text, at_hand, defaults) {
                _ if text.starts_with('#') => What::Wrong("a comment".to_owned()),
                Err(problem) => What::Wrong(problem),
                Ok(several) if several.len() > room => {
                    What::Wrong(format!("more than {} downloads", units::count(MAX_ADDRESSES as u64)))
                }
                Ok(several) if several.len() != 1 => {
                    room -= several.len();
                    What::Several(several)
                }
                Ok(mut one) => {
                    let Some(request) = one.pop() else { return Line { text, what: What::Several(one) } };
                    let address = request.address.clone();
                    above = Some(address.server());
                    match seen.get(&address) {
                        Some(line) => What::Again(*line),
                        None => {
                            seen.insert(address.clone(), number);
                            match address.is_root() {
                                false => What::Content(request),
                                true if listed => What::OtherServer,
                                true => {
                                    listed = true;
                                    What::Server(address)
                                }
                            }
                        }
                    }
                }
            };
            Line { text, what }
        };
        let lines = (1..).zip(lines).map(|(number, text)| read(number, text)).collect();
        Paste { lines, top: 0 }
    }

    /// What is to be queued.
    pub fn contents(&self) -> impl Iterator<Item = &Request> {
        self.lines.iter().flat_map(|line| match &line.what {
            What::Content(request) => std::slice::from_ref(request),
            What::Several(requests) => requests.as_slice(),
            _ => &[],
        })
    }

    /// The server to be listed.
    pub fn listing(&self) -> Option<&Locator> {
        self.lines.iter().find_map(|line| match &line.what {
            What::Server(address) => Some(address),
            _ => None,
        })
    }

    /// The lines with which something is done, as they are remembered.
    pub fn taken(&self) -> impl Iterator<Item = String> {
        self.lines.iter().filter(|line| line.is_taken()).map(|line| match CurlCommand::is_meant(&line.text) {
            true => line.shown().to_string(),
            false => line.text.clone(),
        })
    }

    /// The first line that is wrong, if no line is right.
    pub fn problem(&self) -> Option<String> {
        if self.contents().next().is_some() || self.listing().is_some() {
            return None;
        }
        let wrong = self.lines.iter().find_map(|line| match &line.what {
            What::Wrong(problem) => Some(format!("'{}': {problem}", line.shown())),
            _ => None,
        });
        Some(format!("nothing queued: {}", wrong.unwrap_or_default()))
    }

    /// What is asked about it.
    pub fn question(&self) -> String {
        let queued = self.lines.iter().filter(|line| line.is_queued()).count();
        let (all, files) = (self.lines.len(), self.contents().count());
        let lines = match queued {
            1 if all == 1 && files == 1 => "it".to_owned(),
            _ if queued == all => units::counted(all as u64, "line"),
            _ => format!("{} of {} lines", units::count(queued as u64), units::count(all as u64)),
        };
        let lines = match files {
            _ if files == queued => lines,
            _ => format!("{lines} ({} downloads)", units::count(files as u64)),
        };
        match self.listing() {
            Some(server) if queued == 0 => format!("List {}?", server.host()),
            Some(server) => format!("Queue {lines} and list {}?", server.host()),
            None => format!("Queue {lines}?"),
        }
    }

    /// The lines from the first visible one on.
    pub fn visible(&self) -> &[Line] {
        self.lines.get(self.top..).unwrap_or_default()
    }

    /// Which of this many rows are visible, if that are not all.
    pub fn note(&self, rows: usize) -> String {
        let [all, first, last] = [self.lines.len(), self.top + 1, (self.top + rows).min(self.lines.len())]
            .map(|line| units::count(line as u64));
        if self.lines.len() <= rows {
            units::counted(self.lines.len() as u64, "line")
        } else {
            format!("lines {first} to {last} of {all}")
        }
    }

    /// Scrolls in this many rows.
    pub fn scroll(&mut self, action: MoveAction, rows: usize) {
        self.top = moved(self.top, action, rows, self.lines.len().saturating_sub(rows));
    }
}

impl Line {
    /// The line without a token. Of a command of curl only the address is shown.
    pub fn shown(&self) -> SafeText {
        if CurlCommand::is_meant(&self.text) {
            return SafeText::new(&typed::without_secrets(&self.text).unwrap_or_else(|| "curl …".to_owned()));
        }
        typed::without_secrets(&self.text)
            .map_or_else(|| without_token(&self.text), |text| SafeText::new(&text))
    }

    /// What it is, in words.
    pub fn words(&self) -> String {
        match &self.what {
            What::Content(Request { address, headers }) if !headers.is_empty() => {
                let fields = units::counted(headers.len() as u64, "header field");
                format!("file of {}, with {fields}", address.host())
            }
            What::Content(Request { address, .. }) if self.ends_with_slash() => {
                format!("folder of {}", address.host())
            }
            What::Content(Request { address, .. }) => format!("file or folder of {}", address.host()),
            What::Several(requests) => format!("{} downloads", units::count(requests.len() as u64)),
            What::Server(_) => "server: its files are listed".to_owned(),
            What::OtherServer => "skipped: one server is listed at a time".to_owned(),
            What::Again(line) => format!("skipped: the same as line {}", units::count(*line as u64)),
            What::Wrong(problem) => format!("skipped: {problem}"),
        }
    }

    fn ends_with_slash(&self) -> bool {
        self.text.split('#').next().is_some_and(|text| text.ends_with('/'))
    }

    /// Whether it is queued.
    fn is_queued(&self) -> bool {
        matches!(self.what, What::Content(_) | What::Several(_))
    }

    /// Whether something is done with it.
    pub fn is_taken(&self) -> bool {
        self.is_queued() || matches!(self.what, What::Server(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::downloads::testing::model;

    fn words(lines: &[&str], defaults: &Defaults) -> Vec<String> {
        let paste = Paste::new(lines.iter().map(|line| (*line).to_owned()).collect(), defaults);
        paste.visible().iter().map(Line::words).collect()
    }

    #[test]
    fn each_line_says_what_it_is() {
        let lines = [
            "films/a.iso",
            "photos/",
            "other:9000/b",
            "other:9000",
            "fdsp://third/",
            "/films/a.iso",
            "me@nas:films",
            "ftp://nas/a",
            "# films",
        ];
        assert_eq!(
            words(&lines, &model().defaults),
            [
                "file or folder of nas.local:7878",
                "folder of nas.local:7878",
                "file or folder of other:9000",
                "server: its files are listed",
                "skipped: one server is listed at a time",
                "skipped: the same as line 1",
                "skipped: that is the form of scp: write fdsp://nas/films, or with a token fdsp://TOKEN@nas/films",
                "skipped: ftp:// is not supported: write fdsp://HOST[:PORT]/PATH",
                "skipped: a comment",
            ]
        );
    }

    #[test]
    fn a_path_belongs_to_the_address_above_it_if_there_is_no_server() {
        let defaults = Defaults { server: None, ..model().defaults };
        assert_eq!(
            words(&["b", "other:9000", "a", "[::1]/c", "d"], &defaults)[1..],
            [
                "server: its files are listed",
                "file or folder of other:9000",
                "file or folder of [::1]:7878",
                "file or folder of [::1]:7878"
            ]
        );
    }

    #[test]
    fn the_question_counts_what_is_done() {
        let paste = |lines: &[&str]| {
            Paste::new(lines.iter().map(|line| (*line).to_owned()).collect(), &model().defaults)
        };
        assert_eq!(paste(&["a", "b"]).question(), "Queue 2 lines?");
        assert_eq!(paste(&["a", "../b", "other:1"]).question(), "Queue 1 of 3 lines and list other:1?");
        assert_eq!(paste(&["other:1", "other:1"]).question(), "List other:1?");
        assert_eq!(paste(&["a", "b"]).problem(), None);
        let none = paste(&["fdsp://sesame-sesame@/x", "../b"]).problem();
        assert_eq!(
            none.as_deref(),
            Some("nothing queued: 'fdsp:///x': the address names no host: write fdsp://HOST[:PORT]/PATH")
        );
    }

    #[test]
    fn a_command_of_curl_shows_its_address_and_no_secret() {
        let defaults = Defaults { globs: true, ..model().defaults };
        let paste = Paste::new(
            vec![
                "curl -u me:s3cret -b 'sid=s3cret' -H 'a: s3cret' 'https://h/a?token=s3cret'".to_owned(),
                "curl -b s3cret https://h/a".to_owned(),
                "https://h/[1-20]{a,b}".to_owned(),
                "https://h/[1-".to_owned(),
            ],
            &defaults,
        );
        let words: Vec<_> =
            paste.visible().iter().map(|line| format!("{}: {}", line.shown(), line.words())).collect();
        assert_eq!(words[0], "https://h/a?token=REDACTED: file of h:443, with 2 header fields");
        assert_eq!(words[2], "https://h/[1-20]%7Ba,b%7D: 40 downloads");
        assert!(words[1].starts_with("curl …: skipped: curl's option -b names a file"), "{}", words[1]);
        assert!(words[3].contains("skipped: the '[' has no end"), "{}", words[3]);
        assert_eq!(paste.question(), "Queue 2 of 4 lines (41 downloads)?");
        assert!(!paste.taken().any(|line| line.contains("s3cret")));
        let requests: Vec<_> = paste.contents().collect();
        assert_eq!(requests[0].address.revealed(), "https://me:s3cret@h/a?token=s3cret");
        assert_eq!(requests[1].address.revealed(), "https://h/1a");
    }

    #[test]
    fn it_scrolls_to_its_last_line_and_no_further() {
        let lines = (0..20).map(|line| line.to_string()).collect();
        let mut paste = Paste::new(lines, &model().defaults);
        assert_eq!(paste.note(8), "lines 1 to 8 of 20");
        paste.scroll(MoveAction::PageDown, 8);
        assert_eq!(paste.note(8), "lines 8 to 15 of 20");
        paste.scroll(MoveAction::Last, 8);
        paste.scroll(MoveAction::Down, 8);
        assert_eq!((paste.note(8).as_str(), paste.visible().len()), ("lines 13 to 20 of 20", 8));
        assert_eq!(paste.note(20), "20 lines");
    }
}
