//! Whole programs at both ends that are killed, or in each other's way.

mod in_the_way;
mod kills;
mod processes;
mod support;

use crate::shared::{effort, proxy};
