//! System calls that only Linux has, and small private files. A port to another system replaces this module.

mod accept_queue;
mod cached;
mod error;
mod open;
#[cfg(feature = "cli")]
mod output;
mod process;
mod rename;
mod shared;
mod socket;
mod space;
pub(crate) mod state;
mod sync;

pub(crate) use accept_queue::waiting_peers;
pub(crate) use cached::{Medium, read_ahead, read_cached};
pub(crate) use error::reason;
pub use open::Links;
pub(crate) use open::{Access, Reach, is_of_proc, open_beneath, open_cached, open_directory};
#[cfg(feature = "cli")]
pub use output::lost_output;
#[cfg(feature = "cli")]
pub(crate) use output::note_output;
#[cfg(feature = "cli")]
pub(crate) use process::status;
pub(crate) use process::{boot, check_threads, umask};
pub use process::{catch_file_size_signal, protect_memory};
pub(crate) use rename::{exchange, move_directory, move_file, rename_new};
pub(crate) use rustix::fd::AsFd;
pub(crate) use shared::{is_of_another, is_shared, of_another_on_way};
pub(crate) use socket::{has_peer_ended, readable, shutdown};
pub(crate) use space::{
    check_space, claim_space, copy_range, file_size_limit, free_space, is_hole, longest_name, make_hole,
    release_space,
};
pub(crate) use sync::{sync, sync_file_system};
