//! How far the downloads are, for the header and for the title of the terminal.

use std::time::Duration;

use crate::{
    client::Totals,
    text::{SafeText, units},
    ui::terminal::attention::Status,
};

/// Never 100 before everything is in place, and nothing while the size of something is not known.
pub(super) fn percent(totals: &Totals) -> Option<u64> {
    let (done, total) = totals.work();
    // A percentage of a part would be taken for one of the whole.
    if total == 0 || totals.unknown > 0 {
        return None;
    }
    let all_done = totals.jobs > 0 && totals.done == totals.jobs;
    // Nothing more is received, and not everything was: a percentage would be misleading.
    if !all_done && totals.running + totals.waiting + totals.paused == 0 {
        return None;
    }
    let most = if all_done { 100 } else { 99 };
    Some((u128::from(done) * 100 / u128::from(total)).min(most) as u64)
}

/// What the title shows of these sums.
pub(super) fn of(totals: &Totals) -> Status {
    let done = percent(totals).and_then(|percent| u8::try_from(percent).ok());
    match (totals.running, totals.waiting) {
        (0, 0) if totals.failed > 0 => Status::Failed(totals.failed),
        (0, 0) if totals.done > 0 && totals.paused + totals.undecided == 0 => Status::Done,
        (0, 0) => Status::Nothing,
        (0, _) => Status::Waiting(done),
        _ => {
            let left = totals.eta.filter(|_| totals.unknown == 0);
            Status::Running(done, left.and_then(|left| Duration::try_from_secs_f64(left).ok()))
        }
    }
}

/// A sentence for when nothing runs or waits any more.
pub(super) fn ended(totals: &Totals) -> SafeText {
    let count =
        |number: usize, word: &str| (number > 0).then(|| format!("{} {word}", units::count(number as u64)));
    let parts = [
        count(totals.undecided, "to decide"),
        count(totals.done, "done"),
        count(totals.failed, "failed"),
        count(totals.paused, "paused"),
    ];
    SafeText::new(&format!(
        "downloads have ended: {}",
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_says_how_far_the_downloads_are() {
        let totals = Totals { jobs: 4, progress: (42, 100), eta: Some(180.0), ..Totals::default() };
        let running = Totals { running: 1, waiting: 1, ..totals };
        assert_eq!(of(&running), Status::Running(Some(42), Some(Duration::from_secs(180))));
        assert_eq!(of(&Totals { unknown: 1, ..running }), Status::Running(None, None));
        assert_eq!(of(&Totals { running: 0, ..running }), Status::Waiting(Some(42)));
        assert_eq!(of(&Totals { paused: 2, done: 2, ..totals }), Status::Nothing);
        assert_eq!(of(&Totals { done: 3, failed: 1, ..totals }), Status::Failed(1));
        assert_eq!(of(&Totals { done: 4, ..totals }), Status::Done);
        assert_eq!(of(&Totals { done: 3, undecided: 1, ..totals }), Status::Nothing);
        assert_eq!(ended(&Totals { undecided: 2, ..totals }).as_str(), "downloads have ended: 2 to decide");
        assert_eq!(
            ended(&Totals { done: 3, failed: 1, ..totals }).as_str(),
            "downloads have ended: 3 done, 1 failed"
        );
    }
}
