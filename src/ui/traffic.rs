//! What the screens write, in bytes a second, on virtual time.

use std::time::{Duration, Instant};

use ratatui::{Frame, layout::Size};

use super::{
    FrameRate, Terminal,
    schedule::{Cause, FrameScheduler},
    testing::Recorder,
};

/// Draws for so long and gives the mean of bytes a second after the first frame. `step` is called each 50 ms
/// with the time since the start and says whether anything changed.
pub fn bytes_per_second<M>(
    seconds: u64,
    size: Size,
    model: &mut M,
    mut step: impl FnMut(&mut M, Duration, Instant) -> bool,
    view: impl Fn(&M, &mut Frame<'_>),
) -> f64 {
    let recorder = Recorder::default();
    let mut terminal = Terminal::on(recorder.clone(), size, false).expect("a thread");
    let mut scheduler = FrameScheduler::new(FrameRate::default());
    let start = Instant::now();
    scheduler.request(Cause::Key, start);
    let mut first = None;
    for millis in (0..seconds * 1000).step_by(50) {
        let since = Duration::from_millis(millis);
        if step(model, since, start + since) {
            scheduler.request(Cause::Change, start + since);
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
