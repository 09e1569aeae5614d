//! Whole programs: `tui` at one end or at both, other programs that read its output, and tests that need a process of
//! their own (`shared::alone`). A suite for each subject.
//!
//! Tests that run the download engine in this process belong to `tests/library`.

mod archive;
mod cli;
mod exhaustion;
mod footprint;
mod harmless;
mod headless;
mod http_clients;
mod killed;
mod memory;
mod odd_file_systems;
mod origins;
mod out_of_threads;
mod private;
mod pty;
mod readme;
mod second_implementation;
mod service;
mod session;
#[path = "../shared/mod.rs"]
mod shared;
mod strace;
mod ten_thousand;
mod tree;
mod trust;
mod web;
