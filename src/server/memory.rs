//! Whether there is memory for what is about to be done, where the system limits it (`ulimit -v` and `-d`).
//!
//! Whoever gets no memory in the middle of something can do nothing but end the program, with all that it does for others. So
//! it is asked for before.

use super::Arch;
use crate::platform::{MemoryLeft, memory_left};

/// Bytes that a connection takes at the most: what was measured, and as much again.
const CONNECTION: u64 = 512 << 10;

/// Address space that the GNU C library reserves for a heap of a new thread, for a moment, before it keeps half of it; it
/// does so for some threads for each processor, when they first allocate something.
const HEAP: u64 = 128 << 20;

/// Address space of a thread that runs all along: its heap, and room for its stack.
const LASTING: u64 = HEAP / 2 + (4 << 20);

/// Address space that a connection with a thread for which there is no heap takes at the most: a page for each thing that it
/// allocates, some thousands for a page of a listing.
const THREAD: u64 = 8 << 20;

/// Bytes by which the list of what is in an archive or a tree may grow until this is looked at again.
const LIST: u64 = 64 << 20;

/// For how many threads that run all along, of so many, there is a heap. One without would take a page for each thing that
/// it allocates, and no number of connections would be sure to fit.
pub(super) fn threads_with_heaps(most: usize) -> usize {
    let room = memory_left().space.saturating_sub(HEAP) / LASTING;
    usize::try_from(room).map_or(most, |room| room.min(most))
}

/// Whether there is enough for so many connections at their largest, beside what is used already.
pub(super) fn is_enough_for(connections: u64, arch: Arch) -> bool {
    let left = memory_left();
    let by_space = match arch {
        Arch::Threads => left.space.saturating_sub(HEAP) / THREAD,
        Arch::Single | Arch::Select | Arch::Async => left.space / CONNECTION,
    };
    by_space.min(left.data / CONNECTION) >= connections
}

/// Whether there is enough for the list of what is in an archive or a tree to grow.
pub(super) fn is_enough_for_a_list() -> bool {
    let left = memory_left();
    left.space.min(left.data) >= LIST
}

/// Whether the system limits it.
pub(super) fn is_limited() -> bool {
    memory_left() != MemoryLeft::UNLIMITED
}
