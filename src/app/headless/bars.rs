//! Progress bars on a terminal's stderr, one for each running job.

use std::{collections::BTreeMap, fmt, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{lines::percent, terminal::Stderr};
use crate::{
    client::{JobId, JobState, JobView},
    text::units,
};

/// Redraws a second.
const REDRAWS_PER_SECOND: u8 = 4;
/// Length of a bar in its own units.
const BAR_LEN: u64 = 1000;

/// The bars.
pub(super) struct Bars {
    all: MultiProgress,
    bars: BTreeMap<JobId, ProgressBar>,
    style: ProgressStyle,
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").field("bars", &self.bars).finish_non_exhaustive()
    }
}

impl Bars {
    pub(super) fn new(ascii: bool) -> Bars {
        let characters = if ascii { "#- " } else { "█▉▊▋▌▍▎▏ " };
        let template = "{prefix:24!} {wide_bar} {msg}";
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(Stderr::default()), REDRAWS_PER_SECOND);
        Bars {
            all: MultiProgress::with_draw_target(target),
            bars: BTreeMap::new(),
            style: style.progress_chars(characters),
        }
    }

    /// How often to update the bars.
    pub(super) fn interval() -> Duration {
        Duration::from_secs(1) / u32::from(REDRAWS_PER_SECOND)
    }

    /// A line above the bars.
    pub(super) fn eprint_line(&self, line: &str) {
        self.all.suspend(|| super::eprint_line(line));
    }

    /// Updates the bars to the running jobs.
    pub(super) fn show(&mut self, rows: &[JobView]) {
        self.bars.retain(|id, bar| {
            let stays = rows.iter().any(|row| row.id == *id && is_running(&row.state));
            if !stays {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            stays
        });
        for row in rows.iter().filter(|row| is_running(&row.state)) {
            let bar = self.bars.entry(row.id).or_insert_with(|| {
                let bar = ProgressBar::with_draw_target(Some(BAR_LEN), ProgressDrawTarget::hidden());
                self.all.add(bar.with_style(self.style.clone()))
            });
            let (done, total) = progress(row);
            bar.set_prefix(row.name.to_string());
            bar.set_message(message(row));
            bar.set_position((u128::from(done) * u128::from(BAR_LEN) / u128::from(total.max(1))) as u64);
        }
    }

    /// Clears all bars.
    pub(super) fn clear(&mut self) {
        self.show(&[]);
        // The terminal may be closed.
        let _ = self.all.clear();
    }
}

fn is_running(state: &JobState) -> bool {
    matches!(state, JobState::Connecting | JobState::Running | JobState::Verifying)
}

fn progress(row: &JobView) -> (u64, u64) {
    row.work().unwrap_or((0, 1))
}

fn message(row: &JobView) -> String {
    let left = row.eta.and_then(|eta| Duration::try_from_secs_f64(eta).ok()).map(units::duration);
    match row.state {
        JobState::Connecting if row.prepares => "the server reads the source".into(),
        JobState::Connecting => "connecting".into(),
        JobState::Verifying => match row.verified_percent() {
            Some(percent) => format!("verifying {percent} %"),
            None => "verifying".into(),
        },
        _ => format!(
            "{:>2} % {:>7} {:>9} {:>9}",
            percent(progress(row)),
            units::bytes(row.received),
            row.speed.map(units::rate).unwrap_or_default(),
            left.unwrap_or_default()
        ),
    }
}
