//! Logs what the user does to jobs.

use crate::{
    client::api::event::Change,
    text::{SafeText, units},
};

/// One line, however many jobs there are.
pub(super) fn log_changed(names: &[SafeText], what: Change) {
    let what = what.as_str();
    match names {
        [] => {}
        [name] => tracing::info!("{name}: {what}"),
        names => tracing::info!("{} downloads: {what}", units::count(names.len() as u64)),
    }
}
