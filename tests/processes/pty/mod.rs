//! Both screens in a pseudo-terminal: start, work, resize, quit, signals, job control, and the terminal's
//! sudden end.

mod background;
mod bars;
mod dashboard;
mod downloads;
mod hang_up;
pub mod harness;
mod panic;
mod session;
mod trust;
