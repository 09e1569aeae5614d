//! The download engine against servers: the real one, scripted ones that misbehave, and a proxy that breaks
//! connections at any byte.

mod archives;
mod byte_level;
mod changes;
mod classic;
mod commands;
mod cuts;
mod decisions;
mod disk;
mod extract;
mod fault_table;
mod faults;
mod files;
mod foreign_part;
mod goodbye;
mod hostile;
mod other_protocols;
mod roots;
pub mod scripted;
mod segments;
pub mod support;
mod tls;
mod waiting;

use crate::shared::{frames, impostor, proxy};
