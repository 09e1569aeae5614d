//! A directory as itself: what arrives, what is kept when it breaks off, what comes again, and what a server cannot do with it.

mod disk;
mod existing;
mod faults;
mod fetch;
mod hostile;
mod resume;
mod scripts;

use crate::{
    engine::{scripted, support},
    shared::{effort, folder, proxy},
};
