//! What an interrupted download leaves is taken up by the next run: nothing is fetched twice, nothing is spliced.

mod changes;
mod control;
mod kills;
mod support;
mod update;
