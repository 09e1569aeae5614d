//! Helpers of both test programs.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod alone;
pub mod effort;
pub mod folder;
pub mod frames;
pub mod impostor;
pub mod memory;
pub mod program;
pub mod proxy;
pub mod secure;
pub mod target;
pub mod traversal;
pub mod web;
