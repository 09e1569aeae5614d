//! The rows of the queue.

use std::time::Duration;

use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use crate::{
    client::{Doubt, JobState, JobView, Question, Sort, Trouble},
    text::units,
    ui::{
        actions::{Context, GlobalAction, InputAction, Key},
        components::{
            columns::{Header, Sorted, header},
            widgets::{clip, clip_middle, gauge, head, mark_selected, put, put_line, put_right, width, wrap},
        },
        downloads::{
            model::layout::{Columns, MARGIN},
            model::rows::Row,
            model::{Focus, Model},
        },
        theme::{Glyphs, Look},
    },
};

/// Columns of what distinguishes rows of the same name, at least.
const MIN_PLACE_COLUMNS: usize = 3;
/// The state of a job while its server reports that it prepares the answer.
const PREPARING: &str = "preparing";

/// Draws the visible rows, or what to do if there are none.
pub fn render(model: &Model, area: Rect, buf: &mut Buffer) {
    let look = &model.look;
    if area.is_empty() {
        return;
    }
    if model.queue.keys().is_empty() {
        let text = empty(model);
        let columns = usize::from(area.width.saturating_sub(MARGIN + 1)).max(1);
        for (y, line) in (area.y..area.bottom()).zip(wrap(&text, columns)) {
            put(buf, area, area.x + MARGIN, y, line, look.theme.dim);
        }
        return;
    }
    let columns = Columns::new(area.width);
    let selected = model.queue.selected();
    for (y, key) in (area.y..area.bottom()).zip(model.queue.visible()) {
        let line = Rect { y, height: 1, ..area };
        let gauge = match key {
            Row::Done => {
                fold(model, line, buf);
                None
            }
            Row::Job(id) => match model.rows.iter().position(|row| row.id == *id) {
                Some(index) => {
                    let place = model.distinctions.get(index).and_then(Option::as_deref);
                    draw(&model.rows[index], place, columns, line, buf, look)
                }
                None => continue,
            },
        };
        if model.queue.is_marked(*key) {
            put(buf, line, line.x, y, look.glyphs.marked, look.theme.accent);
        }
        if selected == Some(*key) {
            mark_selected(buf, line, gauge, model.focus == Focus::Queue, look);
        }
    }
}

/// Draws the headers of the columns.
pub fn headers(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let focused = model.focus == Focus::Queue;
    let row = Rect { height: 1, ..area };
    let Cells { name, gauge, size, state, eta, .. } = Cells::new(Columns::new(area.width), row);
    let by = |sort: Sort, sorted| if model.sort == sort { sorted } else { Sorted::No };
    let left = |area, word, sorted| Header { area, word, right: false, sorted };
    let right = |area, word, sorted| Header { area, word, right: true, sorted };
    let all = [
        left(name, "NAME", by(Sort::Name, Sorted::Up)),
        left(gauge, "PROGRESS", by(Sort::Progress, Sorted::Down)),
        right(size, "SIZE", by(Sort::Size, Sorted::Down)),
        right(state, "SPEED", by(Sort::Speed, Sorted::Down)),
        right(eta, "LEFT", by(Sort::Left, Sorted::Up)),
    ];
    all.into_iter().for_each(|one| header(one, focused, buf, &model.look));
}

/// The line in the place of all that is done.
fn fold(model: &Model, area: Rect, buf: &mut Buffer) {
    let Look { theme, glyphs } = &model.look;
    let (count, bytes) = (units::count(model.done.len() as u64), units::bytes(model.done_bytes));
    let arrow = if model.unfolded { glyphs.descending } else { glyphs.selected };
    put(buf, area, area.x + MARGIN, area.y, &format!("{count} done, {bytes} {arrow}"), theme.good);
}

/// What to do about a queue without rows.
fn empty(model: &Model) -> String {
    let key = |key: Option<Key>| key.map(|key| key.label(model.look.glyphs.ascii)).unwrap_or_default();
    match (model.filter.is_empty(), &model.defaults.server) {
        (false, _) => {
            format!(
                "No name in the queue has that. {} shows all.",
                key(model.keys.shown(Context::Queue, GlobalAction::Back))
            )
        }
        (true, Some(_)) => {
            let browse = key(model.keys.shown(Context::Input, InputAction::Browse));
            format!("Nothing queued yet. Type a path and press Enter, or look around with {browse}.")
        }
        (true, None) => "Nothing queued yet. Type or paste an address and press Enter.".to_owned(),
    }
}

/// The words of a row beside its numbers.
struct Words {
    /// The state, or the speed of what runs.
    word: String,
    word_style: Style,
    name_style: Style,
    /// In the place of gauge and percentage; with `wide`, over the size as well.
    text: Option<(String, Style)>,
    wide: bool,
    /// In place of a text that does not fit; it is cut if there is none.
    short: &'static str,
    /// In the last column.
    time: String,
}

/// The places of the columns in a row.
struct Cells {
    name: Rect,
    gauge: Rect,
    percent: Rect,
    size: Rect,
    state: Rect,
    eta: Rect,
}

impl Cells {
    fn new(columns: Columns, area: Rect) -> Cells {
        let name = Rect { x: area.x + MARGIN, width: columns.name, ..area };
        let mut x = name.right();
        let mut next = |width: u16| {
            let cell = Rect { x: x + u16::from(width > 0), width, ..area };
            x += width + u16::from(width > 0);
            // A column may lie outside where the width is smaller than all that is fixed.
            cell.intersection(area)
        };
        Cells {
            name: name.intersection(area),
            gauge: next(columns.gauge),
            percent: next(columns.percent),
            size: next(columns.size),
            state: next(columns.state),
            eta: next(columns.eta),
        }
    }
}

/// Draws a row; returns where its gauge is, if it has one.
fn draw(
    row: &JobView,
    place: Option<&str>,
    columns: Columns,
    area: Rect,
    buf: &mut Buffer,
    look: &Look,
) -> Option<Rect> {
    let words = words(row, look);
    let y = area.y;
    let Cells { name, gauge: bar, percent, size, state, eta } = Cells::new(columns, area);
    let progress = progress(row);
    // The room of a gauge that is not there is the name's.
    let is_free = words.text.is_none() && progress.is_none();
    let end = if is_free { percent.right().max(bar.right()).max(name.right()) } else { name.right() };
    let name = Rect { width: end - name.x, ..name };
    draw_name(row, place, name, words.name_style, buf, look);
    if let Some((text, style)) = &words.text {
        let end = if words.wide { size.right().max(percent.right()) } else { percent.right() };
        let cell = Rect { width: end.saturating_sub(bar.x), ..bar };
        let columns = usize::from(cell.width);
        let text = if width(text) > columns && !words.short.is_empty() { words.short } else { text };
        put(buf, cell, cell.x, y, &clip(text, columns, &look.glyphs), *style);
    }
    let mut drawn = None;
    if !words.wide {
        if words.text.is_none()
            && let Some((fraction, whole)) = progress
        {
            put_line(buf, bar, y, &gauge(fraction, bar.width, look));
            put_right(buf, percent, y, &format!("{whole} %"), look.theme.plain);
            drawn = Some(bar).filter(|bar| !bar.is_empty());
        }
        put_right(buf, size, y, &bytes(row), look.theme.plain);
    }
    put_right(buf, state, y, &state_word(row, words.word, state.width, &look.glyphs), words.word_style);
    put_right(buf, eta, y, &words.time, look.theme.plain);
    drawn
}

/// The state or the speed, with a sign if this download has a limit of its own.
fn state_word(row: &JobView, word: String, columns: u16, glyphs: &Glyphs) -> String {
    let space = match row.state {
        JobState::Done(_) | JobState::Cancelled | JobState::Failed(_) => return word,
        JobState::Running => "",
        _ => " ",
    };
    let marked = format!("{}{space}{word}", glyphs.limited);
    if row.limit.is_some() && width(&marked) <= usize::from(columns) { marked } else { word }
}

/// Draws the name, and what distinguishes it from others of the same name.
fn draw_name(row: &JobView, place: Option<&str>, area: Rect, style: Style, buf: &mut Buffer, look: &Look) {
    let columns = usize::from(area.width);
    // With little room the name is shown first, but a few columns of what distinguishes it stay.
    let room = (columns / 2).min(columns.saturating_sub(width(row.name.as_str()) + 2)).max(MIN_PLACE_COLUMNS);
    let place = place.map(|place| match room {
        // An ellipsis would be all that is left of it.
        MIN_PLACE_COLUMNS => head(place, room).to_owned(),
        _ => clip_middle(place, room, &look.glyphs),
    });
    let reserved = place.as_deref().map_or(0, |place| width(place) + 2);
    let name = clip_middle(row.name.as_str(), columns.saturating_sub(reserved), &look.glyphs);
    let x = put(buf, area, area.x, area.y, &name, style);
    if let Some(place) = place {
        put(buf, area, x + 2, area.y, &place, look.theme.dim);
    }
}

fn words(row: &JobView, look: &Look) -> Words {
    let Look { theme, glyphs } = look;
    let mut words = Words {
        word: String::new(),
        word_style: theme.plain,
        name_style: theme.plain,
        text: None,
        wide: false,
        short: "",
        time: String::new(),
    };
    match &row.state {
        JobState::Queued => words.word = "waiting".to_owned(),
        JobState::Waiting { seconds, attempt, reason } => {
            words.word = if *attempt == 0 { "waiting".to_owned() } else { format!("retry {attempt}") };
            words.word_style = theme.warn;
            words.text = Some((reason.to_string(), theme.warn));
            words.time = until(*seconds);
        }
        JobState::Unreachable { seconds, reason } => {
            words.word = "no server".to_owned();
            words.word_style = theme.warn;
            // What is local already stays visible.
            if progress(row).is_none_or(|(_, percent)| percent == 0) {
                words.text = Some((reason.to_string(), theme.warn));
            }
            words.time = seconds.map_or_else(|| "now".to_owned(), until);
        }
        JobState::Connecting if row.prepares => {
            words.word = PREPARING.to_owned();
            words.text = Some(("the server reads what is asked for".to_owned(), theme.dim));
        }
        JobState::Connecting => words.word = "connecting".to_owned(),
        JobState::Running => {
            words.name_style = theme.strong;
            match row.speed {
                None => words.word = "running".to_owned(),
                Some(speed) if speed < 1.0 && row.prepares => words.word = PREPARING.to_owned(),
                Some(speed) if speed < 1.0 => {
                    words.word = "stalled".to_owned();
                    words.word_style = theme.warn;
                }
                Some(speed) => words.word = units::rate(speed),
            }
            words.time = row.eta.and_then(duration).unwrap_or_else(|| glyphs.unknown.to_owned());
        }
        JobState::Verifying => {
            words.name_style = theme.strong;
            words.word = "verifying".to_owned();
            words.time = row.verified_percent().map(|percent| format!("{percent} %")).unwrap_or_default();
        }
        JobState::Done(finished) => {
            words.word = "done".to_owned();
            words.word_style = theme.good;
            let hash = short(&finished.blake3, glyphs).unwrap_or_default();
            words.text = Some((format!("verified {hash}"), theme.dim));
            words.short = "verified";
            if !finished.missing.is_none() {
                words.word = "incomplete".to_owned();
                words.word_style = theme.warn;
                words.text = Some((finished.missing.sentence(), theme.plain));
                words.short = "";
                words.wide = true;
            }
        }
        JobState::Failed(trouble) => {
            words.word = "failed".to_owned();
            words.word_style = theme.bad;
            words.text = Some((trouble.message.to_string(), theme.plain));
            if let Some(Doubt::Other(_)) = trouble.doubt() {
                words.short = "IDENTITY CHANGED";
            }
            words.wide = true;
        }
        JobState::Undecided(trouble) => {
            words.word = "decide".to_owned();
            words.word_style = theme.accent;
            // What is local already stays visible.
            if progress(row).is_none_or(|(_, percent)| percent == 0) {
                words.text = Some((undecided(trouble), theme.plain));
                words.wide = true;
            }
        }
        JobState::Paused => {
            words.word = "paused".to_owned();
            words.word_style = theme.warn;
        }
        JobState::Cancelled => {
            words.word = "cancelled".to_owned();
            words.name_style = theme.dim;
            words.word_style = theme.dim;
        }
    }
    words
}

/// What is to be decided, in few words: the path that the whole sentence names is the row's.
fn undecided(trouble: &Trouble) -> String {
    match trouble.question.as_deref() {
        Some(Question::Exists(_)) => "exists and differs".to_owned(),
        Some(Question::Claimed(_)) => "another download has its name".to_owned(),
        Some(Question::Token(_)) => "needs the token of its server".to_owned(),
        Some(Question::Gone) => "no longer on the server".to_owned(),
        Some(Question::Expired) => "the link has expired".to_owned(),
        Some(Question::Changed { .. }) => "changed on the server".to_owned(),
        Some(Question::Trust(_)) | None => trouble.message.to_string(),
    }
}

/// The time until something is tried again.
fn until(seconds: f64) -> String {
    match duration(seconds) {
        _ if seconds < 1.0 => "now".to_owned(),
        Some(time) => format!("in {time}"),
        None => String::new(),
    }
}

fn duration(seconds: f64) -> Option<String> {
    Duration::try_from_secs_f64(seconds).ok().map(units::duration)
}

/// Both ends of a digest, enough to compare by eye.
fn short(hash: &str, glyphs: &Glyphs) -> Option<String> {
    let (first, last) = (hash.get(..4)?, hash.get(hash.len().checked_sub(4)?..)?);
    Some(format!("{first}{}{last}", glyphs.ellipsis))
}

/// How much is there; never everything before it is verified and in place.
fn progress(row: &JobView) -> Option<(f64, u64)> {
    let (done, total) = row.work()?;
    if matches!(row.state, JobState::Queued | JobState::Unreachable { .. } | JobState::Cancelled) && done == 0
    {
        return None;
    }
    if total == 0 {
        return Some((0.0, 0));
    }
    let fraction = (done as f64 / total as f64).min(0.9999);
    let percent = (u128::from(done) * 100 / u128::from(total)).min(99);
    Some((fraction, percent as u64))
}

fn bytes(row: &JobView) -> String {
    match row.size {
        Some(size) => units::bytes(size),
        // The size of a deflated archive is known only at its end; the received bytes are true.
        None if row.received > 0 => units::bytes(row.received),
        None => String::new(),
    }
}
