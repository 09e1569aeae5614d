//! The download engine against servers: the real one, scripted ones that misbehave, and a proxy that breaks
//! connections at any byte.

mod archives;
mod byte_level;
mod classic;
mod commands;
mod cuts;
mod disk;
mod extract;
mod faults;
mod files;
mod hostile;
mod own;
mod roots;
pub mod scripted;
mod secure;
mod segments;
mod stopping;
mod strangers;
pub mod support;
mod table;
mod under_way;
mod waiting;

use crate::shared::{frames, impostor, proxy};
