//! Whole programs at both ends that are killed, or conflict with each other.

mod in_the_way;
mod kills;
mod processes;
mod support;

use crate::shared::{effort, proxy};
