//! Local files: where content is received, the journal beside it, and its target.

pub(crate) mod archive_check;
pub(crate) mod checksum;
pub(crate) mod claims;
pub(crate) mod control;
pub(crate) mod folder;
pub(crate) mod folding;
pub(crate) mod journal;
pub(crate) mod lock;
pub(crate) mod name;
pub(crate) mod part;
pub(crate) mod place;
pub(crate) mod removal;
pub(crate) mod seal;
pub(crate) mod substitutes;
pub(crate) mod times;
pub(crate) mod unstorable;
pub(crate) mod work_folder;
