//! A directory as itself: what arrives, what is kept when it breaks off, what comes again, and what a server cannot do with it.

mod again;
mod broken;
mod disk;
mod existing;
mod hostile;
mod scripts;
mod whole;

use crate::{
    engine::{scripted, support},
    shared::{effort, folder, proxy},
};
