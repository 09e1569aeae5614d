//! Local files: where content is received, the journal beside it, and its target.

pub(crate) mod attributes;
pub(crate) mod checksum;
pub(crate) mod commit;
pub(crate) mod folder;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod open;
pub(crate) mod part;
pub(crate) mod present;
pub(crate) mod remove;
pub(crate) mod target;
pub(crate) mod work_dir;
