//! The model joined to its engine and to the runtime of the screens.

use std::time::{Duration, Instant};

use ratatui::{Frame, layout::Size};
use tokio::sync::mpsc;

use super::{
    bell::Bell,
    effect::Effect,
    model::{Defaults, Model},
    status,
    update::{Message, start, update},
    view::view,
};
use crate::{
    client::{self, Engine, Session, Trouble, TroubleKind},
    logging::LogRing,
    text::SafeText,
    ui::{Control, Error, Event, Exit, Options, Pace, Screen, Status, terminal::runtime},
};

/// How long after a command its effect is looked for: not every change of the queue is an event.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Shows the download screen of an engine until it is left or a signal ends the process. The engine still runs after that, and the
/// session is still open.
///
/// # Errors
/// The system has no resources for it.
pub fn run(
    engine: Engine,
    events: mpsc::UnboundedReceiver<client::Event>,
    session: Option<Session>,
    defaults: Defaults,
    log: LogRing,
    options: &Options,
) -> Result<Left, Error> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Error::System)?;
    let model = Model::new(defaults, options.keys.clone(), options.look, log.clone());
    let (answers, answered) = mpsc::unbounded_channel();
    let mut downloads = Downloads {
        model,
        engine,
        events,
        session,
        answers,
        answered,
        unsettled: Instant::now(),
        bell: Bell::default(),
        background: false,
    };
    let exit = runtime.block_on(async {
        let effects = start(&mut downloads.model);
        downloads.perform(effects);
        runtime::run(&mut downloads, &log, options).await
    });
    let Downloads { engine, session, background, .. } = downloads;
    Ok(Left { exit, background, engine, session })
}

/// A screen that was left.
#[derive(Debug)]
pub struct Left {
    /// How it ended.
    pub exit: Result<Exit, Error>,
    /// Whether the user wants the downloads to continue in the background.
    pub background: bool,
    /// The engine.
    pub engine: Engine,
    /// The session.
    pub session: Option<Session>,
}

struct Downloads {
    model: Model,
    engine: Engine,
    events: mpsc::UnboundedReceiver<client::Event>,
    session: Option<Session>,
    answers: mpsc::UnboundedSender<Message>,
    answered: mpsc::UnboundedReceiver<Message>,
    /// Until when the effect of a command is looked for.
    unsettled: Instant,
    bell: Bell,
    /// Whether the downloads are to continue in the background.
    background: bool,
}

impl Downloads {
    /// What to notify the user of, if the last download of longer work has ended.
    fn ended(&mut self) -> Option<SafeText> {
        let totals = self.engine.snapshot(0..0).totals;
        let unfinished = totals.running + totals.waiting;
        self.bell.watch(unfinished, Instant::now()).then(|| status::ended(&totals))
    }

    fn update(&mut self, message: Message) -> Control {
        let effects = update(&mut self.model, &self.engine, message);
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Control {
        let mut control = Control::Redraw;
        for effect in effects {
            match effect {
                Effect::Engine(command) => {
                    self.engine.command(command);
                    self.unsettled = Instant::now() + SETTLE_TIME;
                }
                Effect::List { ticket, directory, after } => {
                    let answered = self.engine.list(directory, after);
                    let answers = self.answers.clone();
                    tokio::spawn(async move {
                        let answer = answered.await.unwrap_or_else(|_| Err(stopped()));
                        // The receiver is gone once the screen was left.
                        let _ = answers.send(Message::Listed { ticket, answer });
                    });
                }
                Effect::Present { ticket, folder, first, files } => {
                    let answered = self.engine.present(folder, files);
                    let answers = self.answers.clone();
                    tokio::spawn(async move {
                        if let Ok(present) = answered.await {
                            // The receiver is gone once the screen was left.
                            let _ = answers.send(Message::Present { ticket, first, present });
                        }
                    });
                }
                Effect::Remember => {
                    if let Some(session) = &self.session {
                        session.set_history(self.model.input.history());
                    }
                }
                Effect::Copy(text) => control = Control::Copy(text),
                Effect::Suspend => control = Control::Suspend,
                Effect::Redraw => control = Control::Repaint,
                Effect::Quit => control = Control::Quit,
                Effect::LeaveRunning => {
                    self.background = true;
                    control = Control::Quit;
                }
            }
        }
        control
    }
}

fn stopped() -> Trouble {
    Trouble::new(TroubleKind::Other, SafeText::new("the engine has stopped"))
}

/// What woke [`Downloads::changed`].
enum Woken {
    Event(client::Event),
    Answer(Message),
}

impl Screen for Downloads {
    async fn changed(&mut self) -> Control {
        // Both ends that are waited for keep what is in them when this is dropped.
        let woken = tokio::select! {
            Some(event) = self.events.recv() => Woken::Event(event),
            Some(answer) = self.answered.recv() => Woken::Answer(answer),
        };
        match woken {
            Woken::Event(event) => {
                self.model.engine(&event);
                let warned = self.model.alarms.len();
                if let client::Event::Failed { trouble, .. } | client::Event::Undecided { trouble, .. } =
                    &event
                    && let Some(doubt) = trouble.doubt()
                {
                    self.update(Message::Doubt(doubt.clone()));
                }
                // Progress is read with the frames that it causes.
                if matches!(event, client::Event::Progress { .. }) {
                    return Control::Nothing;
                }
                let alarm = self.model.alarms.last().filter(|_| self.model.alarms.len() > warned);
                let alarm =
                    alarm.map(|server| SafeText::new(&format!("SERVER IDENTITY CHANGED: {}", server.host())));
                alarm.or_else(|| self.ended()).map_or(Control::Redraw, Control::Notify)
            }
            Woken::Answer(answer) => self.update(answer),
        }
    }

    fn event(&mut self, event: Event, _now: Instant) -> Control {
        match event {
            Event::Key(key) => self.update(Message::Key(key)),
            Event::Paste(text) => self.update(Message::Paste(text)),
            Event::Gone => Control::Nothing,
        }
    }

    fn sample(&mut self, size: Size, _now: Instant) -> Control {
        if self.model.refresh(&self.engine, size) { Control::Redraw } else { Control::Nothing }
    }

    fn pace(&self) -> Pace {
        if self.model.totals.running > 0 || Instant::now() < self.unsettled {
            Pace::Moving
        } else if self.model.totals.waiting > 0 || self.model.can_undo {
            Pace::Slow
        } else {
            Pace::Still
        }
    }

    fn status(&self) -> Status {
        status::of(&self.model.totals)
    }

    fn view(&self, frame: &mut Frame<'_>) {
        view(&self.model, frame);
    }

    fn drawn(&mut self) {
        self.model.drawn();
    }

    fn shown(&mut self) -> bool {
        self.model.shown()
    }
}
