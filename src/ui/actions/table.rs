//! The table of all actions.

use super::context::Context::{
    self, Browser, Connections, Decision, Details, Input, Log, Page, Palette, Prompt, Question, Queue,
};

/// The sections of the help page and of `docs/keys.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Both screens.
    Everywhere,
    /// Moving about, both screens.
    Moving,
    /// The download screen's address line.
    Input,
    /// The download screen's queue.
    Queue,
    /// The download screen's listing of remote files.
    Browser,
    /// The dashboard.
    Dashboard,
    /// The log, both screens.
    Log,
    /// What the user has to decide about a download.
    Decisions,
    /// Prompts, questions and the help page of both screens.
    Dialogs,
}

impl Section {
    /// All of them, in order.
    pub const ALL: [Section; 9] = [
        Section::Everywhere,
        Section::Moving,
        Section::Input,
        Section::Queue,
        Section::Browser,
        Section::Dashboard,
        Section::Log,
        Section::Decisions,
        Section::Dialogs,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Section::Everywhere => "Everywhere",
            Section::Moving => "Moving",
            Section::Input => "Address line",
            Section::Queue => "Queue",
            Section::Browser => "Remote files",
            Section::Dashboard => "Server dashboard",
            Section::Log => "Log",
            Section::Decisions => "Decisions",
            Section::Dialogs => "Prompts and questions",
        }
    }

    /// The download screen's sections.
    pub const DOWNLOADS: [Section; 8] = [
        Section::Everywhere,
        Section::Moving,
        Section::Input,
        Section::Queue,
        Section::Browser,
        Section::Log,
        Section::Decisions,
        Section::Dialogs,
    ];

    /// The dashboard's sections.
    pub const DASHBOARD: [Section; 5] =
        [Section::Everywhere, Section::Moving, Section::Dashboard, Section::Log, Section::Dialogs];

    /// The section about a pane.
    pub fn of(context: Context) -> Section {
        match context {
            Input => Section::Input,
            Queue | Details => Section::Queue,
            Browser => Section::Browser,
            Log => Section::Log,
            Connections => Section::Dashboard,
            Decision => Section::Decisions,
            Page | Prompt | Palette | Question => Section::Dialogs,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// What it is.
    pub action: Action,
    /// Its name in the configuration.
    pub name: &'static str,
    /// Where it is listed.
    pub section: Section,
    /// Where its keys work. In text contexts those that are characters do not.
    pub contexts: &'static [Context],
    /// The default keys, the one to show first.
    pub keys: &'static [&'static str],
    /// A word or two for the hint bar.
    pub word: &'static str,
    /// A sentence for the help page and `docs/keys.md`.
    pub help: &'static str,
}

/// Panes of rows or lines, one of which has the focus.
const PANES: &[Context] = &[Queue, Browser, Details, Log, Connections];
/// The panes and the address line.
const SCREEN: &[Context] = &[Input, Queue, Browser, Details, Log, Connections];
/// What scrolls.
const SCROLLING: &[Context] = &[Queue, Browser, Details, Log, Connections, Page];
/// What scrolls, and the list below a line that is typed.
const LISTS: &[Context] = &[Queue, Browser, Details, Log, Connections, Page, Palette];
/// What goes back by a step.
const LEAVING: &[Context] = &[Input, Queue, Browser, Details, Log, Connections, Page];
/// Where marked rows make sense.
const MARKING: &[Context] = &[Queue, Browser];

macro_rules! actions {
    ($($section:ident $kind:ident {
        $($action:ident $name:literal $contexts:expr, $keys:expr, $word:literal, $help:literal;)*
    })*) => {
        $(
            #[doc = concat!("The actions of the section `", stringify!($section), "`.")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $kind { $(#[doc = $help] $action,)* }

            impl From<$kind> for Action {
                fn from(action: $kind) -> Action {
                    Action::$section(action)
                }
            }
        )*

        /// Something that the user can do, by section.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Action { $(#[doc = concat!("One of the section `", stringify!($section), "`.")] $section($kind),)* }

        /// The table.
        pub const TABLE: &[Spec] = &[$($(Spec {
            action: Action::$section($kind::$action),
            name: $name,
            section: Section::$section,
            contexts: $contexts,
            keys: &$keys,
            word: $word,
            help: $help,
        },)*)*];
    };
}

actions! {
    Everywhere GlobalAction {
        Help "help" SCREEN, ["?", "f1"], "help", "Show this help (in the address line: F1, or ? while it is empty)";
        Quit "quit" SCREEN, ["q", "ctrl-c"], "quit", "Quit; asks first when something runs";
        FocusNext "focus-next" PANES, ["tab"], "next pane", "Go to the next pane";
        FocusPrevious "focus-previous" SCREEN, ["shift-tab"], "previous pane", "Go to the previous pane";
        Palette "palette" PANES, [":"], "actions", "Find any action by a part of its name, and run it";
        Back "back" LEAVING, ["esc"], "back", "Dismiss the warning, clear what is typed, close the panel, clear marks or filter";
        Filter "filter" &[Queue, Browser, Log, Connections, Page], ["/"], "filter", "Show only rows that contain a text; on this page, search it";
        Copy "copy" &[Queue, Details, Connections], ["c", "y"], "copy", "Send the address to the terminal's clipboard";
        Suspend "suspend" ALL, ["ctrl-z"], "suspend", "Go to the shell; fg returns. Transfers are stopped until then";
        Redraw "redraw" ALL, ["ctrl-l"], "redraw", "Redraw the screen";
    }
    Moving MoveAction {
        Up "up" LISTS, ["up", "k"], "one up", "One row up";
        Down "down" LISTS, ["down", "j"], "one down", "One row down";
        PageUp "page-up" LISTS, ["pageup", "ctrl-u"], "page up", "One page up";
        PageDown "page-down" LISTS, ["pagedown", "ctrl-d"], "page down", "One page down";
        First "first" SCROLLING, ["home", "g"], "first", "To the first row";
        Last "last" SCROLLING, ["end", "G"], "last", "To the last row; the log follows again";
    }
    Input InputAction {
        Submit "submit" &[Input], ["enter"], "add", "Queue the address or path that was typed";
        Complete "complete" &[Input], ["tab"], "complete", "Complete the remote path; with nothing to complete, go to the next pane";
        HistoryPrevious "history-previous" &[Input], ["up"], "history", "Recall an earlier entry; with text typed, one that begins with it";
        HistoryNext "history-next" &[Input], ["down"], "later entry", "Go back towards what was being typed; from there, to the queue";
        Browse "browse" &[Input, Queue, Details, Log], ["ctrl-o", "o"], "browse", "List the server's files";
    }
    Queue QueueAction {
        Open "details" &[Queue], ["enter"], "details", "Show or hide all about the selected download, or all that is done";
        FocusInput "address" &[Queue, Browser, Details, Log], ["i"], "address", "Go to the address line";
        Mark "mark" MARKING, ["space"], "mark", "Mark or unmark the row";
        MarkAll "mark-all" MARKING, ["a"], "mark all", "Mark all rows that the filter shows, and no others; once more: clear all marks";
        Pause "pause" &[Queue, Details], ["p"], "pause", "Pause the marked downloads, or the selected one; if paused, resume";
        PauseAll "pause-all" &[Queue, Details], ["P"], "pause all", "Pause everything that runs or waits; if nothing does, resume everything";
        Cancel "cancel" &[Queue, Details], ["x"], "cancel", "Cancel and delete the partial file; asks first";
        Undo "undo" &[Queue, Details], ["u"], "undo", "Undo the last cancelling or removing, until the partial files are deleted (10 s)";
        Retry "retry" &[Queue, Details], ["r"], "retry", "Try failed or cancelled downloads again, and waiting ones and lost servers now";
        RetryFailed "retry-failed" &[Queue, Details], ["R"], "retry failed", "Try all failed downloads again";
        Remove "remove" &[Queue, Details], ["d", "delete"], "remove", "Remove from the queue; finished files stay, and the partial files of failed ones";
        Decide "decide" &[Input, Queue, Browser, Details], ["D", "f2"], "decide", "Answer the question of the selected download, or the next one that needs a decision";
        Edit "edit" &[Queue, Details], ["e"], "save as", "Change name and folder of a download that is not done; its partial file moves there";
        EditAddress "edit-address" &[Queue, Details], ["E"], "edit address", "Change the address of a download that is not done; what was received stays";
        Sort "sort" &[Queue, Details], ["S"], "sort", "Sort by the next column: queue, name, size, progress, speed, left, added";
        MoveUp "move-up" &[Queue], ["K", "shift-up"], "move up", "Move towards the front of the queue";
        MoveDown "move-down" &[Queue], ["J", "shift-down"], "move down", "Move towards the end of the queue";
        MoveTop "move-top" &[Queue], ["t"], "to the front", "Move to the front of the queue";
        ClearFinished "clear-finished" &[Queue, Details], ["C"], "clear finished", "Clear finished downloads from the queue";
        CopyHash "copy-hash" &[Queue, Details], ["Y"], "copy BLAKE3", "Send the BLAKE3 of a finished download to the terminal's clipboard";
        Limit "limit" &[Queue, Details], ["b"], "limit", "Change the bandwidth limit of all downloads together";
        JobLimit "job-limit" &[Queue, Details], ["B"], "limit it", "Limit the bandwidth of the marked downloads, or of the selected one";
        Jobs "jobs" &[Queue, Details], ["n"], "jobs", "Change how many downloads run at the same time";
        Segments "segments" &[Queue, Details], ["s"], "segments", "Change how many connections one file may have";
    }
    Browser BrowserAction {
        Enter "enter" &[Browser], ["enter", "right", "l"], "fetch or open", "Queue the file or what is marked; go into the directory";
        Zip "zip" &[Browser], ["z"], "fetch as zip", "Queue the directory as a zip archive";
        Tree "tree" &[Browser], ["t"], "fetch as tree", "Queue the directory as the files themselves";
        Parent "parent" &[Browser], ["backspace", "left", "h"], "parent", "Go to the parent directory";
        SortFiles "sort-files" &[Browser], ["S"], "sort", "Sort by the next column: name, size, date";
        Reload "reload" &[Browser], ["r"], "reload", "Reload the listing";
    }
    Dashboard DashboardAction {
        ConnectionDetails "connection-details" &[Connections], ["enter"], "details", "Open or close a client, or the details of one connection";
        OpenClient "open-client" &[Connections], ["right"], "open", "Show the connections of a client";
        CloseClient "close-client" &[Connections], ["left"], "close", "Hide the connections of a client";
        SortClients "sort-clients" &[Connections], ["S"], "sort", "Sort by the next column";
        ReverseClients "reverse-clients" &[Connections], ["R"], "reverse", "Reverse the order of the rows";
        Disconnect "disconnect" &[Connections], ["d"], "disconnect", "Disconnect the client; asks first, and offers to block it";
        Unblock "unblock" &[Connections], ["u"], "unblock", "Lift the block of the selected address";
        QrCode "qr-code" &[Connections, Log, Page], ["Q"], "QR code", "Show the address as a QR code";
        Freeze "freeze" &[Connections, Log], ["f"], "freeze", "Freeze or resume the display";
        Drain "drain" &[Connections, Log], ["D"], "drain", "Take no more clients, finish what runs, then stop; asks first";
    }
    Log LogAction {
        Level "log-level" PANES_BUT_BROWSER, ["l"], "log level", "Show more or less of the log: error, warn, info, debug";
        Size "log-size" PANES, ["+"], "enlarge", "Enlarge the log, or give the room back";
        CopyLine "copy-line" &[Log], ["Y", "y"], "copy line", "Send the marked line of the log to the terminal's clipboard";
    }
    Decisions DecisionAction {
        Update "decide-update" &[Decision], ["u"], "update", "Update the file or folder that exists: only what differs is received";
        UpdateAll "decide-update-all" &[Decision], ["U"], "update all", "The same for all that ask this";
        Replace "decide-replace" &[Decision], ["o"], "overwrite", "Overwrite what exists; cancel the other download; begin again with what changed";
        ReplaceAll "decide-replace-all" &[Decision], ["O"], "overwrite all", "The same for all that ask this";
        Keep "decide-keep" &[Decision], ["k"], "keep both", "Save under a free name; of what changed, keep the partial file and stop";
        KeepAll "decide-keep-all" &[Decision], ["K"], "keep all", "The same for all that ask this";
        Skip "decide-skip" &[Decision], ["s"], "skip", "Cancel the download, or leave the archive packed";
        SkipAll "decide-skip-all" &[Decision], ["S"], "skip all", "The same for all that ask this";
        Change "decide-change" &[Decision], ["e"], "edit", "Type another name and folder, or another address";
        Next "decide-next" &[Decision], ["tab", "n"], "next", "Show the next question; this one stays open";
        Later "decide-later" &[Decision], ["esc", "q", "ctrl-c"], "later", "Close the question; the download waits";
    }
    Dialogs DialogAction {
        Accept "accept" &[Prompt, Palette, Question], ["enter"], "accept", "Accept what was typed, run the action; yes to a question that deletes nothing";
        Dismiss "dismiss" &[Prompt, Palette], ["esc", "ctrl-c"], "dismiss", "Close the prompt and change nothing";
        Yes "yes" &[Question], ["y"], "yes", "Do it";
        Other "other-yes" &[Question], ["b"], "other", "The other yes: keep downloading in the background; block the address for ten minutes";
        No "no" &[Question], ["n", "esc", "q", "ctrl-c"], "no", "Do not";
        Close "close" &[Page], ["q", "?", "f1", "enter", "ctrl-c"], "close", "Close the help page";
    }
}

/// Every context.
const ALL: &[Context] = &Context::ALL;
/// `l` goes into a directory in the listing.
const PANES_BUT_BROWSER: &[Context] = &[Queue, Details, Log, Connections];

impl Action {
    /// Its row of the table, which the macro makes with the actions.
    pub fn spec(self) -> Option<&'static Spec> {
        TABLE.iter().find(|spec| spec.action == self)
    }

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        self.spec().map_or("", |spec| spec.name)
    }

    /// A word or two for the hint bar.
    pub fn word(self) -> &'static str {
        self.spec().map_or("", |spec| spec.word)
    }

    /// The action of a name in the configuration.
    pub fn named(name: &str) -> Option<Action> {
        TABLE.iter().find(|spec| spec.name == name).map(|spec| spec.action)
    }
}
