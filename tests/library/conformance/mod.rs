//! The conformance suite: tables of scenarios, each run on all four architectures without and with TLS. A few are
//! about plain connections or about TLS itself, and run so only. Long tables about the protocol and the storage, which
//! all architectures share, run once.
//!
//! What a scenario sees of a server is its port, its events and its snapshots, so a fifth architecture
//! would be one more line at the end of this page. The clients are small and synchronous (`peer.rs`), on purpose not the
//! program's own engine.

mod changes;
mod classic;
mod corners;
mod crowd;
mod directories;
mod files;
mod harness;
mod hashes;
mod hostile;
mod lifecycle;
mod limits;
mod line;
mod listing;
mod peer;
mod pipeline;
mod places;
mod policy;
mod ranges;
mod strangers;
mod tokens;
mod transport;
mod trees;
mod vanish;

use crate::shared::{frames, secure};

/// Makes a test of each scenario for one architecture: `single::files::every_size` and so on.
macro_rules! suite {
    ($module:ident, $arch:ident, $play:path; $($subject:ident: $($scenario:ident),+;)+) => {
        mod $module {
            $(mod $subject {
                $(#[test]
                fn $scenario() {
                    $play(|| crate::conformance::$subject::$scenario(fdsp::server::Arch::$arch));
                })+
            })+
        }
    };
}

/// Without TLS.
fn plainly(scenario: impl FnOnce()) {
    scenario();
}

macro_rules! on_every_architecture {
    ($($table:tt)+) => {
        suite!(single, Single, crate::conformance::plainly; $($table)+);
        suite!(threads, Threads, crate::conformance::plainly; $($table)+);
        suite!(select, Select, crate::conformance::plainly; $($table)+);
        suite!(r#async, Async, crate::conformance::plainly; $($table)+);
    };
}

macro_rules! on_every_architecture_with_tls {
    ($($table:tt)+) => {
        suite!(single_tls, Single, crate::conformance::harness::with_tls; $($table)+);
        suite!(threads_tls, Threads, crate::conformance::harness::with_tls; $($table)+);
        suite!(select_tls, Select, crate::conformance::harness::with_tls; $($table)+);
        suite!(async_tls, Async, crate::conformance::harness::with_tls; $($table)+);
    };
}

on_every_architecture! {
    files: every_size, every_name, over_four_gib, what_is_not_there;
    listing: kinds, stat;
    policy: hidden, links;
    ranges: of_a_file, of_an_archive, of_an_archive_again, behind_the_end, after_a_part_of_a_block,
        of_another_identity;
    hashes: of_every_size, of_ranges, refused, changed, beside_others, given_up;
    trees: of_everything, links, of_what_is_none, after_a_part_of_a_block, after_an_entry, named_digests, changed_before, changed_while_sent,
        unreadable, confined, requests_ahead, beside_others, for_walking, drained, disconnected, left_while_working;
    directories: empty, nested, the_root, what_cannot_be_read;
    changes: truncated, grown, deleted, replaced, in_an_archive, between_ranges, behind_the_range, the_served_folder;
    pipeline: fifty_requests, more_than_the_server_reads_ahead, failures_between, one_byte_at_a_time;
    crowd: two_hundred_clients, a_slow_one_among_fast_ones;
    vanish: after_connecting, in_the_preamble, after_hello, in_the_middle_of_content, half_closed, while_planning,
        at_once_and_often;
    limits: busy, handshake, trickled_handshake, idle, too_slow, slow_enough;
    places: of_an_address, of_the_silent, of_strangers, requests_of_a_connection, for_hashing, for_archives, of_slow_clients, of_a_page, bandwidth;
    lifecycle: drain_when_idle, drain_finishes_what_runs, drain_lets_transfers_finish,
               drain_waits_for_all_connections_of_a_transfer, drain_has_a_deadline, stop, disconnect, dropped, snapshots;
    tokens: right_and_wrong, proofs, token_ids, none_needed, kept_out_slowly, turned_away;
    corners: ends, tokens, requests;
    strangers: http, tls, garbage, another_version, violations, reserved_kinds;
    hostile: ends, held, floods;
    classic: files, directories, whole_pieces, not_found, early_close, vanished, select_files, select_directories, select_not_found;
}

on_every_architecture_with_tls! {
    files: every_size, every_name, over_four_gib, what_is_not_there;
    listing: kinds, stat;
    policy: hidden, links;
    ranges: of_a_file, of_an_archive, of_an_archive_again, behind_the_end, after_a_part_of_a_block,
        of_another_identity;
    hashes: of_every_size, of_ranges, refused, changed, beside_others, given_up;
    trees: of_everything, links, of_what_is_none, after_a_part_of_a_block, named_digests, changed_before, changed_while_sent,
        unreadable, confined, requests_ahead, beside_others, for_walking, drained, disconnected, left_while_working;
    directories: empty, nested, the_root, what_cannot_be_read;
    changes: truncated, grown, deleted, replaced, in_an_archive, between_ranges, behind_the_range, the_served_folder;
    pipeline: fifty_requests, more_than_the_server_reads_ahead, failures_between, one_byte_at_a_time;
    crowd: two_hundred_clients, a_slow_one_among_fast_ones;
    vanish: after_connecting, in_the_preamble, after_hello, in_the_middle_of_content, half_closed, while_planning,
        at_once_and_often;
    limits: busy, handshake, trickled_handshake, idle, too_slow, slow_enough;
    places: of_an_address, of_the_silent, of_strangers, requests_of_a_connection, for_hashing, for_archives, of_slow_clients, of_a_page, bandwidth;
    lifecycle: drain_when_idle, drain_finishes_what_runs, drain_lets_transfers_finish,
               drain_waits_for_all_connections_of_a_transfer, drain_has_a_deadline, stop, disconnect, dropped, snapshots;
    tokens: right_and_wrong, proofs, token_ids, none_needed, kept_out_slowly, turned_away;
    corners: ends, tokens, requests;
    strangers: garbage, another_version, violations, reserved_kinds;
    hostile: ends, held, floods;
    transport: ends_in_order, half_a_handshake, trickled_handshake, garbage, alerts, other_protocols, without_tls, cut_off,
        classic_beside, several_records, stopped_in_the_handshake;
}

suite! { tables, Select, crate::conformance::plainly;
    listing: pages;
    ranges: with_the_root, after_a_part_of_a_hole;
    trees: many_files, of_any_sizes;
    directories: many_files;
    hostile: traversal, fields, members, steps, sizes;
}
