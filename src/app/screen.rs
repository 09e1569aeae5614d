//! Starts a server or an engine with its screen.

use std::sync::Arc;

use super::{
    demo::{DemoServer, Tour},
    fetch::{Started, start},
    leaving::Leaving,
};
use crate::{
    app::{
        cli::{Demo, Fetch},
        config::{self, Background, Keys, Settings, When},
        exit::{Exit, Problem},
        headless,
    },
    client::{Locator, SavedJob},
    logging::LogRing,
    server,
    text::SafeText,
    ui::{
        self, Attention, FrameRate, Look, Notification, Wake,
        actions::KeyMap,
        dashboard,
        downloads::{self, AtQuit, Defaults, Left, Notice},
    },
};

impl From<ui::Error> for Problem {
    fn from(error: ui::Error) -> Problem {
        Problem::new(Exit::Failed, error.to_string())
    }
}

/// The keys of all actions.
///
/// # Errors
/// An unknown action or key, or a key of two actions; the error names the line of the file.
pub(super) fn key_map(keys: &Keys) -> Result<KeyMap, config::Error> {
    KeyMap::new(keys.iter()).map_err(|error| keys.error(&error.actions(), &error.to_string()))
}

/// The options of both screens.
fn options(settings: &Settings) -> Result<ui::Options, Problem> {
    let screen = &settings.screen;
    let get = |name: &str| std::env::var(name).ok();
    let mut look = Look::new(screen.is_coloured(get), screen.is_ascii(get));
    if screen.is_coloured(get) {
        look.theme = look.theme.painted(colours(&settings.theme));
    }
    Ok(ui::Options {
        look,
        keys: key_map(&settings.keys)?,
        rate: FrameRate::new(screen.frames.small()),
        bell: screen.bell,
        attention: attention(screen, ui::attention::known(get), look.glyphs.ascii),
    })
}

/// What the settings want of what the terminal is known to take.
fn attention(screen: &config::Screen, known: Attention, ascii: bool) -> Attention {
    let wanted = |when, known| match when {
        When::Auto => known,
        When::Always => true,
        When::Never => false,
    };
    let notify = wanted(screen.notify, known.notify.is_some());
    Attention {
        title: wanted(screen.title, known.title),
        progress: wanted(screen.progress, known.progress),
        notify: notify.then(|| known.notify.unwrap_or(Notification::Osc9)),
        ascii,
    }
}

fn colours(theme: &config::Theme) -> ui::Colours {
    let config::Theme { accent, key, gauge, good, warn, bad } = theme;
    ui::Colours { accent: accent.0, key: key.0, gauge: gauge.0, good: good.0, warn: warn.0, bad: bad.0 }
}

/// Serves, with the dashboard.
pub(super) fn serve(config: server::Config, settings: &Settings, ring: LogRing) -> Result<Exit, Problem> {
    let wake = Wake::default();
    let waker = wake.clone();
    let server = server::start(config.clone(), Arc::new(move |_| waker.wake()))?;
    let (exit, summary) = dashboard::run(server, &config, wake, ring, &options(settings)?)?;
    // A terminal that is gone shows nothing.
    if exit != ui::Exit::TerminalLost {
        headless::eprint_line(&summary.to_string());
    }
    Ok(end(exit))
}

/// Fetches, with the download screen.
pub(super) fn fetch(fetch: Fetch, settings: &Settings, ring: LogRing) -> Result<Exit, Problem> {
    downloads(fetch, None, settings, ring)
}

/// What the demo says first.
const DEMO_NOTICE: &str = "demo: made-up files from a server in this process; all is deleted at the end";

/// Runs the download screen with a server in this process: with made-up downloads, or with the files of a folder listed at once.
pub(super) fn demo(demo: Demo, settings: &Settings, ring: LogRing) -> Result<Exit, Problem> {
    if demo.is_tour {
        let (_tour, fetch) = Tour::start(demo)?;
        let notice = Notice { text: DEMO_NOTICE.to_owned(), bad: false };
        return downloads(fetch, Some(notice), settings, ring);
    }
    let stage = DemoServer::start(demo.server, Arc::new(|_| ()))?;
    let mut fetch = demo.fetch;
    fetch.server = Some(Locator::from(stage.server.address().clone()).server());
    if !demo.dir_given {
        fetch.folder = stage.folder.path().to_owned();
    }
    fetch.listing = fetch.server.as_ref().map(|server| server.root().clone());
    let exit = downloads(fetch, None, settings, ring)?;
    // The user may want to keep the downloads.
    if let Some(path) = stage.folder.keep() {
        headless::eprint_line(&format!("The downloads are in {}", SafeText::from_path(&path)));
    }
    Ok(exit)
}

/// `intro`: what is said first; the queue has the keys then.
fn downloads(
    fetch: Fetch,
    intro: Option<Notice>,
    settings: &Settings,
    ring: LogRing,
) -> Result<Exit, Problem> {
    let options = options(settings)?;
    let choice = fetch.session.clone();
    let Started { engine, events, config, queue, session, history, warning } = start(&fetch, true)?;
    let defaults = Defaults {
        server: fetch.server,
        named: queue.last().map(|job| job.new.address.server()),
        plain: fetch.plain,
        globs: fetch.globs,
        find_checksums: fetch.find_checksums,
        speak: fetch.speak,
        form: fetch.form,
        folder: fetch.folder,
        existing: fetch.existing,
        extract: fetch.extract,
        jobs: config.jobs,
        segments: config.segments,
        listing: fetch.listing,
        in_queue: intro.is_some(),
        history,
        notice: warning.map(|text| Notice { text, bad: true }).or(intro),
        at_quit: match settings.client.background {
            _ if session.is_none() => AtQuit::Lost,
            Background::Ask => AtQuit::Ask,
            Background::Always => AtQuit::Background,
            Background::Never => AtQuit::Saved,
        },
        home: std::env::var_os("HOME").map(Into::into).filter(|home: &std::path::PathBuf| home.is_absolute()),
        paused: fetch.paused && queue.iter().any(SavedJob::is_unfinished),
    };
    let Left { exit, background, engine, session } =
        downloads::run(engine, events, session, defaults, ring, &options)?;
    let leaving = Leaving::of(&exit, background, &engine, settings.client.background);
    let stopped = leaving.stop(engine, session, choice)?;
    let exit = exit?;
    if exit == ui::Exit::Quit {
        stopped.print();
    }
    Ok(end(exit))
}

fn end(exit: ui::Exit) -> Exit {
    match exit {
        ui::Exit::Quit => Exit::Done,
        ui::Exit::Signal(_) | ui::Exit::TerminalLost => Exit::Interrupted,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{colours, key_map};
    use crate::{
        app::config::{self, Options},
        ui::{self, actions::GlobalAction},
    };

    #[test]
    fn the_default_colours_are_those_of_the_theme() {
        let theme = ui::Theme::colour();
        assert_eq!(theme.painted(colours(&config::Theme::default())), theme);
    }

    #[test]
    fn settings_win_over_what_is_known_of_the_terminal() {
        use super::{Attention, Notification, When, attention};
        let all = Attention { title: true, progress: true, notify: Some(Notification::Osc777), ascii: true };
        let none = Attention { ascii: true, ..Attention::default() };
        let screen =
            |when| config::Screen { title: when, progress: when, notify: when, ..Default::default() };
        for known in [all, none] {
            assert_eq!(attention(&screen(When::Auto), known, true), known);
            assert_eq!(attention(&screen(When::Never), known, true), none);
        }
        assert_eq!(attention(&screen(When::Always), all, true), all);
        let osc9 = Attention { notify: Some(Notification::Osc9), ..all };
        assert_eq!(attention(&screen(When::Always), none, true), osc9);
    }

    #[test]
    fn keys_can_be_changed() {
        let keys = |content: &str| Options::from_file(Path::new("c.toml"), content).expect("keys").keys;
        let changed = key_map(&keys("[keys]\nquit = [\"X\"]\nsuspend = []")).expect("right");
        assert!(changed.keys(GlobalAction::Suspend).is_empty());
        assert_eq!(changed.keys(GlobalAction::Quit).len(), 1);
        let cases = [
            ("[keys]\n\nfly = [\"f\"]", "c.toml, line 3: keys.fly: there is no such action"),
            ("[keys]\nhelp = [\"hyper-x\"]", "c.toml, line 2: keys.help: "),
            ("[keys]\nhelp = [\"q\"]", "c.toml, line 2: keys."),
            ("[keys]\nsuspend = [\"ctrl-z\"]\nhelp = [\"q\"]", "c.toml, line 3: keys."),
        ];
        for (content, message) in cases {
            let error = key_map(&keys(content)).expect_err(content).to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
