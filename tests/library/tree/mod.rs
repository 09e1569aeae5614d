//! Trees: complete and interrupted downloads, existing targets, and hostile servers.

mod disk;
mod existing;
mod faults;
mod fetch;
mod hostile;
mod pipelined;
mod resume;
mod scripts;

use crate::{
    engine::{scripted, support},
    shared::{effort, folder, proxy},
};
