//! What an interrupted download leaves is taken up by the next run: nothing is fetched twice, nothing is spliced.

mod altered;
mod archives;
mod cancelled;
mod changes;
mod corrupt;
mod journal;
mod origin;
mod stalled;
mod support;
mod update;

use crate::shared::{impostor, proxy};
