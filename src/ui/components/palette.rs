//! The palette of both screens: all actions by name, filtered while a part of a name is typed.

use crossterm::event::KeyEvent;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    widgets::{Clear, Widget},
};

use super::{
    bar,
    input::LineEdit,
    viewport::moved,
    widgets::{clip, mark_selected, put, put_right, rule, width},
};
use crate::ui::{
    actions::{Action, Context, DialogAction, KeyMap, MoveAction, Section, Spec, hints::Hint},
    theme::Look,
};

/// Rows of the palette with its rule and the line that is typed, unless half of the window is more.
const MIN_ROWS: u16 = 12;
/// Columns of the names.
const NAME_COLUMNS: usize = 20;

/// The open palette.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What it offers, in order.
    specs: Vec<&'static Spec>,
    /// What is typed.
    line: LineEdit,
    /// The selected one of the actions that match.
    cursor: usize,
}

impl Palette {
    /// A palette that offers these actions: first those of the pane that had the focus, then others that can be done there.
    pub fn new(specs: impl IntoIterator<Item = &'static Spec>, context: Context) -> Palette {
        let mut specs: Vec<_> = specs.into_iter().collect();
        specs.sort_by_key(|spec| (spec.section != Section::of(context), !spec.contexts.contains(&context)));
        Palette { specs, ..Palette::default() }
    }

    /// Types a key.
    pub fn key(&mut self, key: KeyEvent) {
        if self.line.key(key) {
            self.cursor = 0;
        }
    }

    /// Types a text.
    pub fn paste(&mut self, text: &str) {
        self.line.paste(text);
        self.cursor = 0;
    }

    /// Moves the selection.
    pub fn travel(&mut self, action: MoveAction) {
        let last = self.matches().len().saturating_sub(1);
        self.cursor = moved(self.cursor, action, usize::from(MIN_ROWS) - 2, last);
    }

    /// The selected action; none if nothing matches.
    pub fn selected(&self) -> Option<Action> {
        self.matches().get(self.cursor).map(|spec| spec.action)
    }

    /// The actions that contain every word that is typed. Those whose name begins with it are first, then those with it in their name.
    fn matches(&self) -> Vec<&'static Spec> {
        let typed = self.line.value().to_lowercase();
        let typed = typed.trim();
        let rank = |spec: &Spec| match spec.name {
            name if name.starts_with(typed) || spec.word.starts_with(typed) => Some(0),
            name if name.contains(typed) || spec.word.contains(typed) => Some(1),
            name => {
                let all = format!("{name} {} {}", spec.word, spec.help).to_lowercase();
                typed.split_whitespace().all(|word| all.contains(word)).then_some(2)
            }
        };
        let ranked = self.specs.iter().filter_map(|spec| Some((rank(spec)?, *spec)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, spec)| spec).collect()
    }
}

/// Draws the palette over the lower part of a screen. Returns the place of the cursor.
pub fn render(
    screen: Rect,
    buf: &mut Buffer,
    palette: &Palette,
    keys: &KeyMap,
    look: &Look,
) -> Option<Position> {
    if screen.is_empty() {
        return None;
    }
    let height = screen.height.min(MIN_ROWS.max(screen.height / 2));
    let area = Rect { y: screen.bottom() - height, height, ..screen };
    Clear.render(area, buf);
    let matches = palette.matches();
    if height > 1 {
        let of = palette.specs.len();
        let note = if matches.len() < of { format!("{} of {of}", matches.len()) } else { String::new() };
        rule(buf, area, "Actions", &note, true, look);
        let list = Rect { y: area.y + 1, height: height - 2, ..area };
        rows(list, buf, palette, &matches, keys, look);
    }
    let line = Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width.saturating_sub(2), height: 1 };
    let hints = [Hint::saying(DialogAction::Accept, "run"), Hint::saying(DialogAction::Dismiss, "close")];
    let label = format!("Action {} ", look.glyphs.prompt);
    bar::typing(&label, &palette.line, (Context::Palette, &hints), keys, line, buf, look)
}

fn rows(area: Rect, buf: &mut Buffer, palette: &Palette, matches: &[&Spec], keys: &KeyMap, look: &Look) {
    let (height, theme, glyphs) = (usize::from(area.height), &look.theme, &look.glyphs);
    if matches.is_empty() && height > 0 {
        put(buf, area, area.x + 3, area.y, "no action contains this", theme.dim);
        return;
    }
    // The selected one stays in the middle, so that what is before and after it is visible.
    let top = palette.cursor.saturating_sub(height / 2).min(matches.len().saturating_sub(height));
    for (number, (y, spec)) in (area.y..area.bottom()).zip(matches.iter().skip(top)).enumerate() {
        let selected = top + number == palette.cursor;
        let row = Rect { y, height: 1, ..area };
        let label = keys.keys(spec.action).first().map(|key| key.label(glyphs.ascii)).unwrap_or_default();
        let right = put_right(buf, Rect { width: area.width.saturating_sub(1), ..row }, y, &label, theme.key);
        put(buf, row, area.x + 3, y, spec.name, theme.plain);
        let x = area.x + 3 + (NAME_COLUMNS.max(width(spec.name) + 1)) as u16;
        let room = usize::from(right.saturating_sub(x + 2));
        put(buf, row, x, y, &clip(spec.help, room, glyphs), theme.dim);
        if selected {
            mark_selected(buf, row, None, true, look);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ui::actions::{GlobalAction, QueueAction, TABLE};

    fn typed(text: &str) -> Palette {
        let mut palette = Palette::new(TABLE, Context::Queue);
        palette.paste(text);
        palette
    }

    #[test]
    fn what_begins_with_the_text_is_first_and_every_word_counts() {
        assert_eq!(typed("pause").selected(), Some(QueueAction::Pause.into()));
        assert_eq!(typed("all pause").selected(), Some(QueueAction::PauseAll.into()));
        assert_eq!(typed("BLAKE3 clip").selected(), Some(QueueAction::CopyHash.into()));
        assert_eq!(typed("no such action").selected(), None);
    }

    #[test]
    fn the_selection_stays_among_the_matches() {
        let mut palette = typed("");
        palette.travel(MoveAction::Last);
        palette.travel(MoveAction::Down);
        assert_eq!(palette.cursor, TABLE.len() - 1);
        palette.paste("quit");
        assert_eq!(palette.selected(), Some(GlobalAction::Quit.into()));
        palette.travel(MoveAction::Up);
        assert!(palette.selected().is_some());
    }

    proptest! {
        #[test]
        fn it_draws_at_any_size(width in 0_u16..200, height in 0_u16..60, down in 0_usize..90, text in "[a-z]{0,2}") {
            let area = Rect::new(0, 0, width, height);
            let mut palette = typed(&text);
            (0..down).for_each(|_| palette.travel(MoveAction::Down));
            render(area, &mut Buffer::empty(area), &palette, &KeyMap::default(), &Look::default());
        }
    }
}
