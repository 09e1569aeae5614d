//! Both screens in a pseudo-terminal: start, work, resize, leave, signals, job control, and the terminal's
//! sudden end.

mod bars;
mod dashboard;
mod downloads;
mod hang_up;
pub mod harness;
mod panic;
mod session;
mod trust;
