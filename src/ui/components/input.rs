//! A line of text that is being typed, with history and the keys of readline.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tui_input::{Input, InputRequest, backend::crossterm::to_input_request};
use unicode_width::UnicodeWidthChar;

use crate::{
    client::{CurlCommand, MAX_COMMAND_LEN},
    text,
};

/// Bytes of a line, at most: no path of the protocol is longer, and an address adds little.
const MAX_LEN: usize = 8 * 1024;
/// Entries of the history, at most.
const MAX_HISTORY: usize = 500;
/// Lines of one paste, at most.
const MAX_PASTED_LINES: usize = 10_000;

/// The line, its cursor and what was entered before. It never holds a control character.
#[derive(Clone, Debug, Default)]
pub struct LineEdit {
    input: Input,
    history: Vec<String>,
    /// The entry that was recalled, and what was being typed before that.
    recalled: Option<(usize, String)>,
}

impl LineEdit {
    /// A line with a text, the cursor after it.
    pub fn new(text: &str) -> LineEdit {
        LineEdit { input: Input::new(clean(text)), ..LineEdit::default() }
    }

    /// An empty line with what was entered before.
    pub fn with_history(entries: Vec<String>) -> LineEdit {
        let mut line = LineEdit::default();
        entries.iter().for_each(|entry| line.remember(&clean(entry)));
        line
    }

    /// What was entered before, the last one at the end.
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// What was typed.
    pub fn value(&self) -> &str {
        self.input.value()
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.value().is_empty()
    }

    /// A line of the same length that does not show what was typed.
    pub fn hidden(&self, ascii: bool) -> LineEdit {
        let mark = if ascii { "*" } else { "•" };
        let before = self.before_cursor().chars().count();
        let mut line = LineEdit::default();
        line.set_around_cursor(&mark.repeat(before), &mark.repeat(self.value().chars().count() - before));
        line
    }

    /// Whether there is an earlier entry.
    pub fn has_history(&self) -> bool {
        !self.history.is_empty()
    }

    /// The text before the cursor.
    pub fn before_cursor(&self) -> &str {
        let value = self.value();
        let end = value.char_indices().nth(self.input.cursor()).map_or(value.len(), |(index, _)| index);
        &value[..end]
    }

    /// Replaces the text; the cursor goes after it.
    pub fn set(&mut self, text: &str) {
        self.input = std::mem::take(&mut self.input).with_value(clean(text));
    }

    /// Replaces the text before the cursor.
    pub fn set_before_cursor(&mut self, text: &str) {
        let after = self.value()[self.before_cursor().len()..].to_owned();
        self.set_around_cursor(text, &after);
    }

    /// Replaces the text; the cursor goes between the two parts.
    pub fn set_around_cursor(&mut self, before: &str, after: &str) {
        let before = clean(before);
        let cursor = before.chars().count();
        let value = before + &clean(after);
        self.input = std::mem::take(&mut self.input).with_value(value).with_cursor(cursor);
    }

    /// Empties the line; the text can be recalled.
    pub fn clear(&mut self) {
        let text = self.input.value_and_reset();
        self.recalled = None;
        self.remember(&text);
    }

    /// Takes the text out and remembers it.
    pub fn take(&mut self) -> String {
        let text = self.input.value_and_reset();
        self.recalled = None;
        self.remember(&text);
        text
    }

    /// Adds an entry to the history, unless it is the last one already.
    pub fn remember(&mut self, entry: &str) {
        if entry.trim().is_empty() || self.history.last().is_some_and(|last| last == entry) {
            return;
        }
        if self.history.len() == MAX_HISTORY {
            self.history.remove(0);
        }
        self.history.push(entry.to_owned());
    }

    /// Recalls the last entry before the present one that begins with what was typed; `false` without one.
    pub fn recall_previous(&mut self) -> bool {
        let (before, draft) = match &self.recalled {
            Some((index, draft)) if self.is_entry(*index) => (*index, draft.clone()),
            // A recalled entry that was changed since is what is being typed.
            _ => (self.history.len(), self.value().to_owned()),
        };
        let fits = |entry: &String| entry.starts_with(&draft) && entry != self.value();
        let Some(index) = self.history[..before].iter().rposition(fits) else { return false };
        let entry = self.history[index].clone();
        self.set(&entry);
        self.recalled = Some((index, draft));
        true
    }

    /// Goes back towards what was being typed; `false` if that is there already.
    pub fn recall_next(&mut self) -> bool {
        let Some((index, draft)) = self.recalled.take().filter(|(index, _)| self.is_entry(*index)) else {
            return false;
        };
        let fits = |entry: &String| entry.starts_with(&draft) && entry != self.value();
        match self.history.iter().skip(index + 1).position(fits).map(|after| index + 1 + after) {
            Some(index) => {
                let entry = self.history[index].clone();
                self.set(&entry);
                self.recalled = Some((index, draft));
            }
            None => self.set(&draft),
        }
        true
    }

    /// Whether the line is an entry that was recalled.
    pub fn is_recalled(&self) -> bool {
        self.recalled.as_ref().is_some_and(|(index, _)| self.is_entry(*index))
    }

    /// Whether the line is this entry.
    fn is_entry(&self, index: usize) -> bool {
        self.history.get(index).is_some_and(|entry| entry == self.value())
    }

    /// Edits by a key; `false` if the key does not edit.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        if key.kind == KeyEventKind::Release {
            return false;
        }
        let Some(request) = request(key) else { return false };
        if let InputRequest::InsertChar(c) = request
            && (text::is_unsafe(c) || self.value().len() + c.len_utf8() > MAX_LEN)
        {
            return true;
        }
        self.input.handle(request);
        true
    }

    /// Inserts one line of pasted text at the cursor, cleaned.
    pub fn paste(&mut self, line: &str) {
        let mut line = clean(line);
        let room = MAX_LEN.saturating_sub(self.value().len());
        while line.len() > room {
            line.pop();
        }
        let before = format!("{}{line}", self.before_cursor());
        self.set_before_cursor(&before);
    }

    /// The part of the text around the cursor that fits into `columns`, and the cursor's column in it.
    pub fn window(&self, columns: usize) -> (String, usize) {
        if columns == 0 {
            return (String::new(), 0);
        }
        let width = |c: char| c.width().unwrap_or(0);
        let cursor: usize = self.before_cursor().chars().map(width).sum();
        let skipped_least = cursor.saturating_sub(columns - 1);
        let mut skipped = 0;
        let mut rest = self.value().chars().peekable();
        while skipped < skipped_least {
            skipped += rest.next().map_or(1, width);
        }
        // A mark that belongs to a character left of the window goes with it.
        while skipped > 0 && rest.peek().is_some_and(|c| width(*c) == 0) {
            rest.next();
        }
        let mut used = 0;
        let visible = rest
            .take_while(|c| {
                used += width(*c);
                used <= columns
            })
            .collect();
        (visible, cursor.saturating_sub(skipped))
    }
}

/// What a key asks of the line: what tui-input knows, and what it misses.
fn request(key: KeyEvent) -> Option<InputRequest> {
    use InputRequest::*;
    let ctrl = key.modifiers == KeyModifiers::CONTROL;
    let alt = key.modifiers == KeyModifiers::ALT;
    match key.code {
        KeyCode::Char('b') | KeyCode::Left if alt => Some(GoToPrevWord),
        KeyCode::Char('f') | KeyCode::Right if alt => Some(GoToNextWord),
        KeyCode::Char('d') | KeyCode::Delete if alt => Some(DeleteNextWord),
        KeyCode::Char('d') if ctrl => Some(DeleteNextChar),
        KeyCode::Char('u') if ctrl => Some(DeleteFromStart),
        KeyCode::Backspace if key.modifiers == KeyModifiers::SHIFT => Some(DeletePrevChar),
        KeyCode::Backspace if ctrl => Some(DeletePrevWord),
        KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => None,
        _ => to_input_request(&Event::Key(key)),
    }
}

/// Text without what acts on a terminal or cannot be seen; a tab becomes a blank.
fn clean(text: &str) -> String {
    clean_up_to(text, MAX_LEN)
}

/// The same with at most this many characters.
fn clean_up_to(text: &str, max: usize) -> String {
    text.chars().map(|c| if c == '\t' { ' ' } else { c }).filter(|c| !text::is_unsafe(*c)).take(max).collect()
}

/// The entries of a paste: its lines without blanks at either end, and without the empty ones.
/// A command of curl that continues in the next line is one entry.
pub fn pasted_lines(pasted: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut continues = false;
    for line in pasted.split(['\n', '\r']) {
        let is_command = continues || CurlCommand::is_meant(line);
        let max = if is_command { MAX_COMMAND_LEN } else { MAX_LEN };
        let line = clean_up_to(line, max).trim().to_owned();
        if line.is_empty() {
            continue;
        }
        if let (true, Some(command)) = (continues, lines.last_mut()) {
            let whole = command.strip_suffix('\\').unwrap_or(command.as_str());
            *command = format!("{whole} {line}");
        } else if lines.len() == MAX_PASTED_LINES {
            break;
        } else {
            lines.push(line);
        }
        continues = is_command && lines.last().is_some_and(|command| CurlCommand::continues(command));
    }
    lines
}

#[cfg(test)]
mod tests;
