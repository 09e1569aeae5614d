//! The banner of a server that cannot be reached: one for all of its downloads, with the time of the next try.

use std::time::Duration;

use crate::{client::LostServer, text::units, ui::downloads::model::Model};

/// Rows that it wants.
pub fn rows(model: &Model) -> u16 {
    u16::from(!model.lost.is_empty())
}

/// The text, without the reason and with it.
pub fn text(model: &Model) -> Option<(String, String)> {
    let LostServer { server, seconds, reason } = model.lost.first()?;
    let next = match seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
        Some(time) if time.as_secs() > 0 => format!("next try in {}", units::duration(time)),
        _ => "trying now".to_owned(),
    };
    let others = match model.lost.len() - 1 {
        0 => String::new(),
        1 => " and 1 other server".to_owned(),
        count => format!(" and {} other servers", units::count(count as u64)),
    };
    let short = format!("{server}{others} cannot be reached, {next}");
    let long = format!("{short}: {reason}");
    Some((short, long))
}
