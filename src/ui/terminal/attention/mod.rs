//! What a terminal shows outside of the screen: its title, the progress in its taskbar or tab, notifications. No I/O: bytes come out.

mod terminals;

use std::time::Duration;

use crate::text::{SafeText, units};

pub use terminals::known;

/// Saves the title (XTWINOPS), and sets it back.
const SAVE_TITLE: &str = "\x1b[22;2t";
const RESTORE_TITLE: &str = "\x1b[23;2t";
/// Removes the progress.
const NO_PROGRESS: &str = "\x1b]9;4;0\x1b\\";
/// Characters of a notification.
const MAX_NOTICE_LEN: usize = 120;

/// What a terminal is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    /// A title (OSC 2), saved before and restored after.
    pub title: bool,
    /// Progress (OSC 9;4).
    pub progress: bool,
    /// Notifications.
    pub notify: Option<Notification>,
    /// The title in ASCII.
    pub ascii: bool,
}

/// The sequence for notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notification {
    /// OSC 9.
    Osc9,
    /// OSC 777.
    Osc777,
}

/// What a screen works on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Nothing.
    #[default]
    Nothing,
    /// All is done.
    Done,
    /// Nothing runs or waits, and this many have failed.
    Failed(usize),
    /// Something runs, with the percentage and the time that is left, where known.
    Running(Option<u8>, Option<Duration>),
    /// Everything waits.
    Waiting(Option<u8>),
}

impl Status {
    /// Without what changes more often than the percentage.
    fn coarse(self) -> Status {
        match self {
            Status::Running(percent, _) => Status::Running(percent, None),
            other => other,
        }
    }

    fn title(self, ascii: bool) -> String {
        let percent = |percent: Option<u8>| percent.map(|percent| format!("{percent} %"));
        let what = match self {
            Status::Nothing => return "tui".to_owned(),
            Status::Done => "done".to_owned(),
            Status::Failed(count) => format!("{} failed", units::count(count as u64)),
            Status::Running(None, _) => "fetching".to_owned(),
            Status::Running(done, left) => {
                let words = percent(done).into_iter().chain(left.map(largest_unit));
                words.collect::<Vec<_>>().join(" ")
            }
            Status::Waiting(done) => {
                let words = percent(done).into_iter().chain(["waiting".to_owned()]);
                words.collect::<Vec<_>>().join(" ")
            }
        };
        format!("{what} {} tui", if ascii { '-' } else { '–' })
    }

    fn progress(self) -> String {
        match self {
            Status::Nothing | Status::Done | Status::Failed(_) => NO_PROGRESS.to_owned(),
            Status::Running(Some(percent), _) => format!("\x1b]9;4;1;{percent}\x1b\\"),
            Status::Running(None, _) => "\x1b]9;4;3\x1b\\".to_owned(),
            Status::Waiting(percent) => format!("\x1b]9;4;4;{}\x1b\\", percent.unwrap_or(0)),
        }
    }
}

/// A duration in its largest unit: `3 m`.
fn largest_unit(left: Duration) -> String {
    units::duration(left).split(' ').take(2).collect::<Vec<_>>().join(" ")
}

impl Attention {
    /// What has to be sent before anything else.
    pub(super) fn set_up(self) -> &'static str {
        if self.title { SAVE_TITLE } else { "" }
    }

    /// Undoes everything.
    pub(super) fn restore(self) -> String {
        let progress = if self.progress { NO_PROGRESS } else { "" };
        let title = if self.title { RESTORE_TITLE } else { "" };
        format!("{progress}{title}")
    }

    /// A notification; empty if the terminal shows none.
    pub(super) fn notification(self, text: &SafeText) -> String {
        // A semicolon would begin another field.
        let text: String = text.as_str().replace(';', ",").chars().take(MAX_NOTICE_LEN).collect();
        match self.notify {
            // Without a word before it, a name could begin with the number of another sequence.
            Some(Notification::Osc9) => format!("\x1b]9;tui: {text}\x1b\\"),
            Some(Notification::Osc777) => format!("\x1b]777;notify;tui;{text}\x1b\\"),
            None => String::new(),
        }
    }
}

/// What a terminal shows at present.
#[derive(Debug, Default)]
pub(super) struct Shown {
    title: Option<Status>,
    wanted: Status,
}

impl Shown {
    /// The screen works on this.
    pub(super) fn set(&mut self, status: Status) {
        self.wanted = status;
    }

    /// Forgets what the terminal shows.
    pub(super) fn forget(&mut self) {
        self.title = None;
    }

    /// The bytes that show a change; none as long as the percentage is the same.
    pub(super) fn changes(&mut self, attention: Attention) -> String {
        let coarse = self.wanted.coarse();
        let mut bytes = String::new();
        if self.title == Some(coarse) || !(attention.title || attention.progress) {
            return bytes;
        }
        let first = self.title.is_none();
        if attention.title {
            bytes += &format!("\x1b]2;{}\x1b\\", self.wanted.title(attention.ascii));
        }
        // Nothing to be removed at first.
        if attention.progress && !(first && self.wanted.progress() == NO_PROGRESS) {
            bytes += &self.wanted.progress();
        }
        self.title = Some(coarse);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Attention =
        Attention { title: true, progress: true, notify: Some(Notification::Osc9), ascii: false };

    fn left(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    #[test]
    fn a_title_has_percentage_and_time() {
        let titles = [
            (Status::Nothing, "tui"),
            (Status::Done, "done – tui"),
            (Status::Failed(2), "2 failed – tui"),
            (Status::Running(Some(42), left(190)), "42 % 3 m – tui"),
            (Status::Running(Some(0), None), "0 % – tui"),
            (Status::Running(None, left(5)), "fetching – tui"),
            (Status::Waiting(Some(7)), "7 % waiting – tui"),
            (Status::Waiting(None), "waiting – tui"),
        ];
        for (status, title) in titles {
            assert_eq!(status.title(false), title);
            assert!(status.title(true).is_ascii());
        }
    }

    #[test]
    fn a_change_of_the_percentage_is_one_update() {
        let mut shown = Shown::default();
        let mut at = |status| {
            shown.set(status);
            shown.changes(ALL)
        };
        assert_eq!(at(Status::Nothing), "\x1b]2;tui\x1b\\");
        assert_eq!(at(Status::Running(Some(1), left(60))), "\x1b]2;1 % 1 m – tui\x1b\\\x1b]9;4;1;1\x1b\\");
        for seconds in (0..60).rev() {
            assert_eq!(at(Status::Running(Some(1), left(seconds))), "");
        }
        assert_eq!(at(Status::Running(Some(2), left(9))), "\x1b]2;2 % 9 s – tui\x1b\\\x1b]9;4;1;2\x1b\\");
        assert_eq!(at(Status::Done), "\x1b]2;done – tui\x1b\\\x1b]9;4;0\x1b\\");
        assert_eq!(at(Status::Done), "");
        shown.forget();
        assert_eq!(shown.changes(ALL), "\x1b]2;done – tui\x1b\\");
        assert_eq!(Shown::default().changes(Attention::default()), "");
    }

    #[test]
    fn what_is_set_is_undone() {
        assert_eq!((ALL.set_up(), ALL.restore().as_str()), ("\x1b[22;2t", "\x1b]9;4;0\x1b\\\x1b[23;2t"));
        assert_eq!((Attention::default().set_up(), Attention::default().restore().as_str()), ("", ""));
    }

    #[test]
    fn no_name_leaves_its_notification() {
        for hostile in ["a\x1b\\\x1b]0;x\x07", "4;1;50", "\u{9c}\u{9b}31m", "\u{202e}x"] {
            for notify in [Notification::Osc9, Notification::Osc777] {
                let attention = Attention { notify: Some(notify), ..ALL };
                let sent = attention.notification(&SafeText::new(hostile));
                let body = sent.strip_suffix("\x1b\\").expect("its end");
                let body = body.strip_prefix("\x1b]9;tui: ").or(body.strip_prefix("\x1b]777;notify;tui;"));
                assert!(
                    !body.expect("its start").contains(|c| c == ';' || crate::text::is_unsafe(c)),
                    "{sent:?}"
                );
            }
        }
        let long = ALL.notification(&SafeText::new(&"x".repeat(10_000)));
        assert!(long.len() < 2 * MAX_NOTICE_LEN);
        assert_eq!(Attention::default().notification(&SafeText::new("x")), "");
    }
}
