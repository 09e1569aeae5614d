//! Where a key is pressed.

/// Where a key is pressed: each focus of each screen is one context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Context {
    /// The address line of the download screen: keys that are characters are typed.
    Input,
    /// The queue.
    Queue,
    /// The listing of a server's directory.
    Browser,
    /// The details of a job or of a connection.
    Details,
    /// The log pane of both screens.
    Log,
    /// The table of connections of the dashboard.
    Connections,
    /// The help page of both screens.
    Page,
    /// A one-line prompt (a filter, a limit): keys that are characters are typed.
    Prompt,
    /// The palette of actions, whose filter is typed.
    Palette,
    /// A question to be answered with yes or no.
    Question,
    /// What the user has to decide about a download.
    Decision,
}

impl Context {
    /// All of them, in the order of the help page.
    pub const ALL: [Context; 11] = [
        Context::Input,
        Context::Queue,
        Context::Browser,
        Context::Details,
        Context::Log,
        Context::Connections,
        Context::Page,
        Context::Prompt,
        Context::Palette,
        Context::Question,
        Context::Decision,
    ];

    /// Whether keys that are characters are typed here instead of doing something.
    pub fn is_text(self) -> bool {
        matches!(self, Context::Input | Context::Prompt | Context::Palette)
    }

    /// Its name in messages, on the help page and in `docs/keys.md`.
    pub fn title(self) -> &'static str {
        match self {
            Context::Input => "address line",
            Context::Queue => "queue",
            Context::Browser => "remote files",
            Context::Details => "details",
            Context::Log => "log",
            Context::Connections => "connections",
            Context::Page => "help page",
            Context::Prompt => "prompt",
            Context::Palette => "palette",
            Context::Question => "question",
            Context::Decision => "decision",
        }
    }
}
