//! The next run resumes an interrupted download: nothing is fetched twice, nothing is spliced.

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
