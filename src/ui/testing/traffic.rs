//! What the screens write, in bytes a second, on virtual time.

use std::time::{Duration, Instant};

use ratatui::{Frame, layout::Size};

use super::Recorder;
use crate::ui::{
    Attention, FrameRate, Status, Terminal,
    terminal::schedule::{Cause, FrameScheduler},
};

/// Draws for this many seconds and returns the mean of bytes a second after the first frame. `step` is called each 50 ms
/// with the time since the start and returns whether anything changed.
pub fn bytes_per_second<M>(
    seconds: u64,
    size: Size,
    model: &mut M,
    mut step: impl FnMut(&mut M, Duration, Instant) -> bool,
    view: impl Fn(&M, &mut Frame<'_>),
) -> f64 {
    let recorder = Recorder::default();
    let attention = Attention { title: true, progress: true, ..Attention::default() };
    let mut terminal = Terminal::on(recorder.clone(), size, false, attention).expect("a thread");
    let mut scheduler = FrameScheduler::new(FrameRate::default());
    let start = Instant::now();
    scheduler.request(Cause::Key, start);
    let mut first = None;
    for millis in (0..seconds * 1000).step_by(50) {
        let since = Duration::from_millis(millis);
        if step(model, since, start + since) {
            scheduler.request(Cause::Change, start + since);
            // A title that counts to 100 meanwhile.
            let percent = u8::try_from(millis / (10 * seconds)).ok();
            terminal.set_status(Status::Running(percent, Some(Duration::from_secs(seconds) - since)));
        }
        if scheduler.is_due(start + since) {
            let bytes = terminal.draw(|frame| view(model, frame));
            scheduler.drawn(start + since, bytes);
            scheduler.flushed(start + since);
        }
        first.get_or_insert_with(|| recorder.bytes_after(&terminal).len());
    }
    let bytes = recorder.bytes_after(&terminal).len() - first.unwrap_or(0);
    bytes as f64 / seconds as f64
}

mod downloads {
    //! The download screen's.

    use std::path::PathBuf;

    use super::*;
    use crate::{
        client::{
            Arranged, Existing, Form, JobId, JobState, JobView, Locator, LostServer, Part, Picture,
            QuestionKind, Server, Sort, Speak, Totals,
        },
        logging::LogRing,
        text::SafeText,
        ui::{
            KeyMap, Look,
            downloads::{Defaults, Model, Queue, view},
        },
    };

    /// Jobs that run, each at a wavering rate.
    struct Jobs {
        received: Vec<u64>,
        wave: u64,
    }

    const SIZE: u64 = 6_000_000_000;

    impl Jobs {
        /// A small generator: the same waves in each run.
        fn rate(&self, job: u64) -> f64 {
            let wave = (self.wave ^ job)
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            60_000_000.0 / self.received.len() as f64 * (0.9 + (wave >> 40) as f64 / (1 << 24) as f64 * 0.2)
        }

        fn advance(&mut self, time: Duration) {
            self.wave += 1;
            for job in 0..self.received.len() {
                self.received[job] += (self.rate(job as u64) * time.as_secs_f64()) as u64;
            }
        }
    }

    impl Queue for Jobs {
        fn has_answered(&self, _: &Server) -> bool {
            false
        }
        fn arranged(&self, _: &str, _: Sort) -> Arranged {
            Arranged { open: self.ids(""), ..Arranged::default() }
        }
        fn sizes(&self, ids: &[JobId]) -> (u64, usize) {
            (0, ids.len())
        }
        fn throughput(&self, count: usize) -> Vec<f64> {
            (0..count as u64).map(|part| self.rate(part ^ (self.wave / 40))).collect()
        }
        fn picture(&self, _: JobId, parts: usize) -> Picture {
            let seconds = (self.wave / 20) as f64;
            let rates = (0..self.wave / 10).map(|part| self.rate(part)).collect();
            let share = parts as u64 * self.received[0] / SIZE;
            let part = |index: u64| if index < share { Part::Verified } else { Part::Missing };
            Picture { rates, seconds, map: (0..parts as u64).map(part).collect() }
        }
        fn lost_servers(&self) -> Vec<LostServer> {
            Vec::new()
        }
        fn undecided(&self) -> Vec<(JobId, QuestionKind)> {
            Vec::new()
        }
        fn can_undo(&self) -> bool {
            false
        }
        fn generation(&self) -> u64 {
            1
        }
        fn ids(&self, _: &str) -> Vec<JobId> {
            (0..self.received.len() as u64).map(JobId).collect()
        }
        fn rows(&self, ids: &[JobId]) -> Vec<JobView> {
            let row = |id: &JobId| {
                let (received, speed) = (self.received[id.0 as usize], self.rate(id.0));
                JobView {
                    id: *id,
                    address: SafeText::new("fdsp+plain://nas.local:7878/films/ubuntu-24.04.iso"),
                    name: SafeText::new("ubuntu-24.04.iso"),
                    target: SafeText::new("/home/me/ubuntu-24.04.iso"),
                    state: JobState::Running,
                    size: Some(SIZE),
                    received,
                    verified: None,
                    hashed: None,
                    progress: Some((received, SIZE)),
                    files: None,
                    segments: Some(1),
                    speed: Some(speed),
                    eta: Some((SIZE - received) as f64 / speed),
                    prepares: false,
                    limit: None,
                    attempts: 1,
                    sources: Vec::new(),
                }
            };
            ids.iter().map(row).collect()
        }
        fn distinctions(&self, ids: &[JobId]) -> Vec<Option<String>> {
            vec![None; ids.len()]
        }
        fn queued(&self, addresses: &[Locator]) -> Vec<bool> {
            vec![false; addresses.len()]
        }
        fn totals(&self) -> Totals {
            let jobs = self.received.len();
            let done = self.received.iter().sum();
            Totals {
                jobs,
                running: jobs,
                speed: (0..jobs as u64).map(|job| self.rate(job)).sum(),
                progress: (done, SIZE * jobs as u64),
                eta: Some((SIZE * jobs as u64 - done) as f64 / 60_000_000.0),
                ..Totals::default()
            }
        }
    }

    fn traffic(jobs: usize, size: Size) -> f64 {
        let defaults = Defaults {
            server: None,
            named: None,
            globs: false,
            find_checksums: false,
            plain: false,
            speak: Speak::V1,
            form: Form::Zip,
            folder: PathBuf::from("/home/me"),
            existing: Existing::Keep,
            extract: false,
            jobs,
            segments: 1,
            listing: None,
            in_queue: false,
            history: Vec::new(),
            notice: None,
            at_quit: crate::ui::downloads::AtQuit::Lost,
            home: None,
            paused: false,
        };
        let model = Model::new(defaults, KeyMap::default(), Look::default(), LogRing::new());
        let mut both = (model, Jobs { received: vec![0; jobs], wave: 0 });
        let step = |(model, jobs): &mut (Model, Jobs), since: Duration, _: Instant| {
            jobs.advance(Duration::from_millis(50));
            // Figures are read four times a second, as the runtime does.
            since.as_millis().is_multiple_of(250) && model.refresh(jobs, size)
        };
        bytes_per_second(60, size, &mut both, step, |(model, _), frame| view(model, frame))
    }

    #[test]
    fn the_output_stays_within_its_bounds() {
        let usual = Size { width: 80, height: 24 };
        let large = Size { width: 300, height: 100 };
        let [one, eight, many] =
            [(1, usual), (8, usual), (64, large)].map(|(jobs, size)| traffic(jobs, size));
        println!("bytes a second: one {one}, eight {eight}, 64 rows at 300x100 {many}");
        assert!(one > 0.0 && one <= 1024.0, "{one}");
        assert!(eight <= 4096.0, "{eight}");
        assert!(many <= 16.0 * 1024.0, "{many}");
    }
}
