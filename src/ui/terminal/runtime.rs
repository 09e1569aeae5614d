//! The loop around a screen: it waits, and does nothing else unless something happened.

use std::{
    future::{Future, pending},
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use ratatui::{Frame, layout::Size};
use tokio::sync::Notify;

use super::{
    attention::Status,
    events::{self, Event, Events},
    schedule::{Cause, FrameScheduler},
    screen::{FAST_RESTORE_TIMEOUT, RESTORE_TIMEOUT, Terminal},
    signals::{self, Signal, Signals},
};
use crate::{
    logging::LogRing,
    text::SafeText,
    ui::options::{Error, Options},
};

/// The exit code of a process whose screen was ended from outside.
const INTERRUPTED: i32 = 130;

/// A screen: a model with its update and view, joined to what it shows.
pub trait Screen {
    /// Resolves when something outside has changed the screen, so that it wants a frame or
    /// more. Must lose nothing when dropped, and never resolve when nothing happened.
    fn changed(&mut self) -> impl Future<Output = Control>;

    /// A key, or a paste.
    fn event(&mut self, event: Event, now: Instant) -> Control;

    /// Reads the figures for a frame of this size.
    fn sample(&mut self, size: Size, now: Instant) -> Control;

    /// How often to read them while no key is pressed.
    fn pace(&self) -> Pace;

    /// Draws.
    fn view(&self, frame: &mut Frame<'_>);

    /// What it works on, for the title of the terminal.
    fn status(&self) -> Status {
        Status::Nothing
    }

    /// A frame was drawn, and is on its way.
    fn drawn(&mut self) {}

    /// The frame that was drawn last is on the terminal; whether keys that were typed before now are no answer to what it asks.
    fn shown(&mut self) -> bool {
        false
    }
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Nothing; the screen is as it was.
    Nothing,
    /// Draw, soon or at once, depending on the cause.
    Redraw,
    /// Put text into the terminal's clipboard, and draw.
    Copy(String),
    /// Notify the user who looks elsewhere, ring the terminal's bell if it may, and draw.
    Notify(SafeText),
    /// Draw every cell, whatever the terminal may show.
    Repaint,
    /// Back to the shell, until it continues us.
    Suspend,
    /// Leave.
    Quit,
}

/// How often figures are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Not at all: nothing moves before something happens.
    Still,
    /// Once a second: something may begin to move without a word.
    Slow,
    /// At the frame rate.
    Moving,
}

/// How a screen ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was left.
    Quit,
    /// By this signal. The process will be gone within a second.
    Signal(i32),
    /// The terminal is gone, and the process within a second.
    TerminalLost,
}

/// Wakes a screen from any thread; clones wake the same one. Cheap, and merged while the screen is busy.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes it.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    /// Resolves once after each [`wake`](Self::wake), or several.
    pub async fn woken(&self) {
        self.0.notified().await;
    }
}

/// Runs a screen on this process's terminal until it ends; the terminal is then given back. Needs a tokio
/// runtime with time and I/O.
///
/// # Errors
/// See [`Error`].
pub async fn run<S: Screen>(screen: &mut S, log: &LogRing, options: &Options) -> Result<Exit, Error> {
    // Before the terminal is set up: a signal that ended the process by itself would leave it as it is.
    let signals = Signals::start().map_err(Error::System)?;
    let mut terminal =
        Terminal::open(options.look.glyphs.ascii, options.attention).map_err(Error::Terminal)?;
    let scheduler = FrameScheduler::new(options.rate);
    let terminal = &mut terminal;
    let now = Instant::now();
    let mut runner = Runner {
        screen,
        terminal,
        scheduler,
        sampled: now,
        events: None,
        check_terminal_at: None,
        drawn: now,
        answers_from: None,
        rings: options.bell,
    };
    // Before anything else: a person has pressed Enter and looks.
    runner.scheduler.request(Cause::Key, Instant::now());
    let exit = match runner.draw_if_due(Instant::now()) {
        Ok(()) => runner.run(signals, log).await.map_err(Error::System),
        Err(exit) => Ok(exit),
    };
    let timeout = if matches!(exit, Ok(Exit::Signal(_) | Exit::TerminalLost)) {
        FAST_RESTORE_TIMEOUT
    } else {
        RESTORE_TIMEOUT
    };
    // A terminal that is gone has nothing that could be given back.
    let _ = runner.terminal.restore(timeout);
    exit
}

struct Runner<'a, S> {
    screen: &'a mut S,
    terminal: &'a mut Terminal,
    scheduler: FrameScheduler,
    /// When figures were last read.
    sampled: Instant,
    /// `None` while another process has the terminal.
    events: Option<Events>,
    /// When to check for the terminal, while this process runs without it.
    check_terminal_at: Option<Instant>,
    /// When the last frame was drawn.
    drawn: Instant,
    /// Keys and pastes that were read before this time are ignored: they were typed before the question that they would answer was drawn.
    answers_from: Option<Instant>,
    /// Whether the bell may ring.
    rings: bool,
}

/// How often a process in the background checks whether it is in the foreground again: a shell
/// sends a signal only to processes that it had stopped.
const FOREGROUND_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why [`Runner::run`] woke up.
enum Woken {
    Signal(Signal),
    HungUp,
    Written(io::Result<()>),
    Event(Instant, Event),
    Changed(Control),
    LogGrew,
    Time,
}

impl<S: Screen> Runner<'_, S> {
    async fn run(&mut self, mut signals: Signals, log: &LogRing) -> io::Result<Exit> {
        let mut hang_up = events::hang_up()?;
        self.events = Some(Events::start()?);
        let log_grew = Wake::default();
        let wake = log_grew.clone();
        log.set_waker(Arc::new(move || wake.wake()));
        loop {
            let next = self.next_time();
            let woken = tokio::select! {
                biased;
                signal = signals.next() => Woken::Signal(signal),
                _ = &mut hang_up => Woken::HungUp,
                result = self.terminal.written() => Woken::Written(result),
                (read, event) = next_event(&mut self.events) => Woken::Event(read, event),
                control = self.screen.changed() => Woken::Changed(control),
                () = log_grew.woken() => Woken::LogGrew,
                () = until(next) => Woken::Time,
            };
            let now = Instant::now();
            let step = match woken {
                Woken::Signal(Signal::End(number)) => Err(Exit::Signal(number)),
                Woken::Signal(Signal::Stop) => self.control(Control::Suspend, Cause::Key, now),
                Woken::Signal(Signal::Continue) => self.resume(now),
                Woken::Signal(Signal::Resize) => {
                    self.resize(now);
                    Ok(())
                }
                Woken::HungUp | Woken::Written(Err(_)) | Woken::Event(_, Event::Gone) => {
                    Err(Exit::TerminalLost)
                }
                Woken::Written(Ok(())) => {
                    self.scheduler.flushed(now);
                    self.shown();
                    Ok(())
                }
                Woken::Event(read, _) if self.answers_from.is_some_and(|from| read < from) => Ok(()),
                Woken::Event(_, event) => {
                    let control = self.screen.event(event, now);
                    self.control(control, Cause::Key, now)
                }
                Woken::Changed(control) => self.control(control, Cause::Change, now),
                Woken::LogGrew => self.control(Control::Redraw, Cause::Change, now),
                Woken::Time if self.check_terminal_at.is_some_and(|time| time <= now) => self.resume(now),
                Woken::Time => Ok(()),
            };
            if let Err(exit) = step {
                if exit != Exit::Quit {
                    signals::end_soon(INTERRUPTED);
                }
                return Ok(exit);
            }
            if self.events.is_some()
                && let Err(exit) = self.sample_if_due(now).and_then(|()| self.draw_if_due(now))
            {
                return Ok(exit);
            }
        }
    }

    /// The next time at which there is something to do without anything having happened.
    fn next_time(&self) -> Option<Instant> {
        if self.events.is_none() {
            return self.check_terminal_at;
        }
        let sample = self.sample_interval().map(|interval| self.sampled + interval);
        self.scheduler.due().into_iter().chain(sample).min()
    }

    fn sample_interval(&self) -> Option<Duration> {
        match self.screen.pace() {
            Pace::Still => None,
            Pace::Slow => Some(Duration::from_secs(1)),
            Pace::Moving => Some(self.scheduler.interval()),
        }
    }

    fn sample_if_due(&mut self, now: Instant) -> Result<(), Exit> {
        let due = self.sample_interval().is_some_and(|interval| now >= self.sampled + interval);
        // A frame that is due anyway brings a sample with it.
        if due && !self.scheduler.is_due(now) {
            self.sample(now)?;
        }
        Ok(())
    }

    fn sample(&mut self, now: Instant) -> Result<(), Exit> {
        self.sampled = now;
        let control = self.screen.sample(self.terminal.size(), now);
        self.control(control, Cause::Change, now)
    }

    fn draw_if_due(&mut self, now: Instant) -> Result<(), Exit> {
        if !self.scheduler.is_due(now) {
            return Ok(());
        }
        self.sample(now)?;
        let screen = &*self.screen;
        self.drawn = Instant::now();
        self.terminal.set_status(screen.status());
        let bytes = self.terminal.draw(|frame| screen.view(frame));
        self.scheduler.drawn(now, bytes);
        self.screen.drawn();
        if bytes == 0 {
            // It looks as the one before, which is there.
            self.shown();
        }
        Ok(())
    }

    fn shown(&mut self) {
        if self.screen.shown() {
            self.answers_from = Some(self.drawn);
        }
    }

    fn control(&mut self, control: Control, cause: Cause, now: Instant) -> Result<(), Exit> {
        match control {
            Control::Nothing => return Ok(()),
            Control::Redraw => {}
            Control::Copy(text) => self.terminal.copy(&text),
            Control::Notify(text) => {
                self.terminal.notify(&text);
                if self.rings {
                    self.terminal.bell();
                }
            }
            Control::Repaint => self.terminal.redraw(),
            Control::Suspend => return self.suspend(),
            Control::Quit => return Err(Exit::Quit),
        }
        self.scheduler.request(cause, now);
        Ok(())
    }

    fn resize(&mut self, now: Instant) {
        if self.terminal.resize() {
            self.scheduler.request(Cause::Key, now);
        }
    }

    fn suspend(&mut self) -> Result<(), Exit> {
        if self.events.is_none() {
            return Ok(());
        }
        if !signals::can_stop() {
            tracing::info!("not stopped: there is no shell here that could continue this program");
            return Ok(());
        }
        self.events = None;
        self.terminal.restore(RESTORE_TIMEOUT).map_err(|_| Exit::TerminalLost)?;
        signals::stop();
        Ok(())
    }

    /// Continues after a stop. Without the terminal (`bg`) the work continues and the screen waits
    /// until the terminal is back (`fg`).
    fn resume(&mut self, now: Instant) -> Result<(), Exit> {
        if !signals::in_foreground() {
            self.events = None;
            self.check_terminal_at = Some(now + FOREGROUND_CHECK_INTERVAL);
            return Ok(());
        }
        self.check_terminal_at = None;
        self.terminal.set_up_again().map_err(|_| Exit::TerminalLost)?;
        self.terminal.resize();
        signals::drop_input();
        if self.events.is_none() {
            self.events = Some(Events::start().map_err(|_| Exit::TerminalLost)?);
        }
        self.scheduler.request(Cause::Key, now);
        Ok(())
    }
}

async fn next_event(events: &mut Option<Events>) -> (Instant, Event) {
    match events {
        Some(events) => events.next().await,
        None => pending().await,
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => pending().await,
    }
}
