//! What the download screen prompts for and asks.

use crate::{
    client::{JobId, Server},
    ui::{
        actions::{DialogAction, hints::Hint},
        components::dialog,
        downloads::remote::paste::Paste,
    },
};

/// What has the keys before any pane.
pub type Dialog = dialog::Dialog<Purpose, Pending>;
/// A line to be typed.
pub type Prompt = dialog::Prompt<Purpose>;

/// What a prompt is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The queue's filter.
    QueueFilter,
    /// The remote files' filter.
    BrowserFilter,
    /// The log's filter.
    LogFilter,
    /// The bandwidth limit.
    Limit,
    /// That of these downloads, each by itself.
    JobLimit(Vec<JobId>),
    /// How many run at the same time.
    Jobs,
    /// How many connections one file may have.
    Segments,
    /// The token of a server, which is not shown: for its downloads and its listing.
    Token(Server),
    /// The name and folder of a download.
    SaveAs(JobId),
    /// The address of a download.
    Address(JobId),
    /// Whether a server is trusted that is not known yet: a word to be typed, which no key pressed by chance is.
    Trust,
}

impl Purpose {
    /// The prompt's words.
    pub fn words(&self) -> &'static str {
        match self {
            Purpose::QueueFilter => "Names with",
            Purpose::BrowserFilter => "Files with",
            Purpose::LogFilter => "Log with",
            Purpose::Limit => "Limit, such as 2M (0: none)",
            Purpose::JobLimit(ids) if ids.len() > 1 => "Limit for each of them, such as 2M (0: none)",
            Purpose::JobLimit(_) => "Limit for this download, such as 2M (0: none)",
            Purpose::Jobs => "Downloads at the same time",
            Purpose::Segments => "Connections for one file",
            Purpose::Token(_) => "Token",
            Purpose::SaveAs(_) => "Save as",
            Purpose::Address(_) => "Address",
            Purpose::Trust => "Type yes to trust it",
        }
    }

    /// Shorter words if those have no room; empty if none are needed.
    pub fn few_words(&self) -> &'static str {
        match self {
            Purpose::JobLimit(ids) if ids.len() > 1 => "Limit for each",
            Purpose::JobLimit(_) => "Limit for it",
            Purpose::Trust => "Type yes",
            _ => "",
        }
    }
}

impl Pending {
    /// Whether a yes deletes something: then only its own key says yes.
    pub fn deletes(&self) -> bool {
        matches!(self, Pending::Cancel(_) | Pending::Remove(_))
    }

    /// The keys of the answers, with their verbs.
    pub fn answers(&self) -> Vec<Hint> {
        let (yes, no) = match self {
            Pending::Cancel(_) => ("delete", "keep"),
            Pending::Remove(_) => ("remove", "keep"),
            Pending::Quit { background: true } => ("stop", "stay"),
            Pending::Quit { background: false } => ("quit", "stay"),
            Pending::Add(_) => ("queue", "discard"),
        };
        let background = self == &(Pending::Quit { background: true });
        let background = background.then(|| Hint::saying(DialogAction::Other, "keep downloading"));
        let others = [Hint::saying(DialogAction::Yes, yes), Hint::saying(DialogAction::No, no)];
        background.into_iter().chain(others).collect()
    }
}

/// What waits for a yes. It holds the ids, so that a change of the queue does not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Quit.
    Quit {
        /// Whether the downloads can continue in the background.
        background: bool,
    },
    /// Cancel these.
    Cancel(Vec<JobId>),
    /// Remove these.
    Remove(Vec<JobId>),
    /// Queue these lines.
    Add(Paste),
}
