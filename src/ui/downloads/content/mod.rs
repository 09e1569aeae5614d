//! What is written where the number of rows depends on the text: the layout asks how many, the view draws them.

pub mod alarm;
pub mod bar;
pub mod decision;
pub mod details;
pub mod outage;
pub mod pictures;
pub mod reading;
pub mod trust;

/// Columns for text in a bar of this width.
pub fn columns(width: u16) -> usize {
    usize::from(width.saturating_sub(2)).max(1)
}
