//! What an interrupted download leaves is taken up by the next run: nothing is fetched twice, nothing is spliced.

mod archives;
mod changes;
mod control;
mod in_the_way;
mod kills;
mod processes;
#[path = "../proxy/mod.rs"]
mod proxy;
mod secret;
mod support;
mod update;
