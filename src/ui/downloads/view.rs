//! Draws the model: `view(model, frame)` reads it and nothing else.

mod alarm;
mod bar;
mod details;
mod header;
mod input;
mod offers;
mod queue;

use ratatui::{Frame, buffer::Buffer, layout::Rect};

use super::{
    content,
    model::dialog::Dialog,
    model::layout::{Form, Layout},
    model::{Focus, Model, Panel},
};
use crate::ui::{
    actions::Section,
    components::{
        help,
        widgets::{clip, put, rule},
    },
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
    if let Dialog::Help(top) = model.dialog {
        help::render(whole, buf, top, &model.keys, &Section::DOWNLOADS, &model.look);
        return;
    }
    let cursor = if layout.form == Form::Line {
        bar::line(model, layout.header, buf)
    } else {
        panes(model, &layout, buf);
        let typing = input::render(model, layout.input, buf);
        bar::render(model, layout.bar, buf).or(typing)
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

    let focused = model.focus == Focus::Queue;
    let (title, note) = header::queue_rule(model);
    let area = body(layout.queue, buf, &title, &note, focused);
    queue::render(model, area, buf);

    let focused = model.focus == Focus::Panel;
    match (model.panel, &model.browser) {
        (Panel::Browser, Some(browser)) => {
            let area = body(layout.panel, buf, &browser.title(), &browser.note(), focused);
            browser.render(area, buf, focused, look);
        }
        (Panel::Details, _) => {
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
        let text = clip("nothing has happened yet", usize::from(inner.width), &look.glyphs);
        put(buf, inner, inner.x, inner.y, &text, look.theme.dim);
    }
    model.log.render(inner, buf, look);
}

#[cfg(test)]
mod tests;
