//! What an interrupted download leaves is taken up by the next run: nothing is fetched twice, nothing is spliced.

mod archives;
mod changes;
mod control;
mod corrupt;
mod given_up;
mod origin;
mod secret;
mod stalled;
mod support;
mod update;

use crate::shared::{impostor, proxy};
