//! Local files: where content is received, the journal beside it, and its target.

pub(crate) mod archive_check;
pub(crate) mod attributes;
pub(crate) mod checksum;
pub(crate) mod control;
pub(crate) mod folder;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod part;
pub(crate) mod remove;
pub(crate) mod seal;
pub(crate) mod target;
pub(crate) mod work_folder;
