//! Draws the model: `view(model, frame)` reads it and nothing else.

mod alarm;
mod bar;
mod browser;
mod details;
mod header;
mod input;
mod offers;
mod outage;
mod paste;
mod queue;
mod side;

use ratatui::{Frame, buffer::Buffer, layout::Rect};

use super::{
    content,
    model::dialog::Dialog,
    model::layout::{Form, Layout},
    model::{Focus, Model, Panel},
};
use crate::ui::components::{
    help, palette,
    widgets::{clip, put, rule},
};

/// Draws a frame. Its size is that of the last [`Model::refresh`].
pub fn view(model: &Model, frame: &mut Frame<'_>) {
    let size = frame.area().as_size();
    let layout = if size == model.size {
        model.layout()
    } else {
        // The terminal changed between the two: nothing may be drawn outside, the next frame is right.
        Layout::new(size, model.show(size.width))
    };
    let whole = frame.area();
    let buf = frame.buffer_mut();
    let cursor = if let Dialog::Help(page) = &model.dialog {
        help::render(whole, buf, page, &model.keys, &model.look)
    } else if layout.form == Form::Line {
        bar::line(model, layout.header, buf)
    } else {
        panes(model, &layout, buf);
        let typing = input::render(model, layout.input, buf);
        input::reading(model, layout.reading, buf);
        bar::render(model, layout.bar, buf).or(typing)
    };
    let cursor = match &model.dialog {
        Dialog::Palette(open) => palette::render(whole, buf, open, &model.keys, &model.look),
        _ => cursor,
    };
    if let Some(position) = cursor {
        frame.set_cursor_position(position);
    }
}

fn panes(model: &Model, layout: &Layout, buf: &mut Buffer) {
    let look = &model.look;
    header::render(model, layout.header, buf, layout.form);
    let full = layout.form == Form::Full;
    let body = |area: Rect, buf: &mut Buffer, title: &str, note: &str, focused: bool| {
        if full && !area.is_empty() {
            rule(buf, area, title, note, focused, look);
            return Rect { y: area.y + 1, height: area.height - 1, ..area };
        }
        area
    };

    if full && layout.queue.height > 2 {
        let area = layout.queue;
        if layout.reading.is_empty() {
            queue::headers(model, area, buf);
        }
        queue::render(model, Rect { y: area.y + 1, height: area.height - 2, ..area }, buf);
        let (title, note) = header::queue_rule(model);
        let below = Rect { y: area.bottom() - 1, height: 1, ..area };
        rule(buf, below, &title, &note, false, look);
        side::render(model, layout.side, buf);
    } else {
        queue::render(model, layout.queue, buf);
    }

    let focused = model.focus == Focus::Panel;
    match (model.panel, &model.browser, model.pasted()) {
        (_, _, Some(pasted)) => {
            let area = body(layout.panel, buf, "Pasted", &pasted.note(model.panel_rows()), true);
            paste::render(pasted, area, buf, look);
        }
        (Panel::Browser, Some(browser), None) => {
            let note = browser.note();
            let title = browser::title(browser, &note, layout.panel.width, look);
            let area = body(layout.panel, buf, &title, &note, focused);
            let headers = layout.file_headers();
            if headers > 0 {
                browser::headers(browser, Rect { height: headers, ..area }, buf, focused, look);
            }
            let rows = Rect { y: area.y + headers, height: area.height - headers, ..area };
            browser::render(browser, rows, buf, focused, look);
        }
        (Panel::Details, _, None) => {
            let area =
                body(layout.panel, buf, &content::details::title(model), &details::note(model), focused);
            details::render(model, area, buf);
        }
        _ => {}
    }

    let focused = model.focus == Focus::Log;
    let area = body(layout.log, buf, "Log", &model.log.note(), focused);
    let inner = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    if model.log.is_empty() && (full || focused) {
        let text = if model.log.hides_all() { "no line matches" } else { "nothing has happened yet" };
        let text = clip(text, usize::from(inner.width), &look.glyphs);
        put(buf, inner, inner.x, inner.y, &text, look.theme.dim);
    }
    model.log.render(inner, buf, focused, look);
}

#[cfg(test)]
mod tests;
