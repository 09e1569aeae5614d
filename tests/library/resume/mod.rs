//! What an interrupted download leaves is taken up by the next run: nothing is fetched twice, nothing is spliced.

mod archives;
mod changes;
mod control;
mod given_up;
mod origin;
mod secret;
mod support;
mod update;

use crate::shared::{impostor, proxy};
