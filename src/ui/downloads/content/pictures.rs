//! The pictures of the selected job: its speed over the whole download, and the map of its content.

use std::time::Duration;

use ratatui::text::Line;

use crate::{
    text::units,
    ui::{
        components::{
            graph::{graph, round_up},
            segments,
        },
        downloads::model::Model,
    },
};

/// The graph of the speed, in this many rows; none before anything is received.
pub fn speed(model: &Model, columns: usize, rows: usize) -> Vec<Line<'static>> {
    let rates = &model.picture.rates;
    if rates.is_empty() {
        return Vec::new();
    }
    let scale = round_up(highest(model));
    let style = model.look.theme.gauge;
    let rows = graph(rates, scale, columns, rows, &model.look.glyphs);
    rows.into_iter().map(|row| Line::styled(row, style)).collect()
}

fn highest(model: &Model) -> f64 {
    model.picture.rates.iter().copied().fold(0.0, f64::max)
}

/// Average and highest speed of the graph, and over how many seconds.
fn figures(model: &Model) -> Option<(String, String, f64)> {
    let picture = &model.picture;
    if picture.rates.is_empty() {
        return None;
    }
    let average = picture.rates.iter().sum::<f64>() / picture.rates.len() as f64;
    Some((units::rate(average), units::rate(highest(model)), picture.seconds))
}

/// A line above the graph.
pub fn caption(model: &Model) -> Option<String> {
    figures(model).map(|(average, highest, _)| format!("{average} on average, {highest} at most"))
}

/// The same as a fact about the download.
pub fn average(model: &Model) -> Option<String> {
    let (average, highest, seconds) = figures(model)?;
    let time = units::duration(Duration::try_from_secs_f64(seconds).ok()?);
    Some(format!("{average} in {time}, {highest} at most"))
}

/// The map of the content.
pub fn map(model: &Model, columns: usize) -> Vec<Line<'static>> {
    segments::map(&model.picture.map, columns, &model.look)
}
