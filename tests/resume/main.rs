//! What an interrupted download leaves is taken up by the next run: nothing is fetched twice, nothing is spliced.

mod changes;
mod control;
mod kills;
mod processes;
#[path = "../proxy/mod.rs"]
mod proxy;
mod support;
mod update;
