//! A directory as itself: what arrives, what is kept when it breaks off, what comes again, and what a server cannot do with it.

mod again;
mod broken;
mod disk;
mod existing;
mod folder;
mod hostile;
mod program;
mod scripts;
mod whole;

#[path = "../program/mod.rs"]
mod binary;
#[path = "../proxy/mod.rs"]
mod proxy;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../engine/scripted.rs"]
mod scripted;
#[allow(dead_code, reason = "each suite uses its part")]
#[path = "../engine/support.rs"]
mod support;
