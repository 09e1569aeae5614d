//! The conformance suite: tables of scenarios. What depends on the loop of an architecture (limits, floods, order, ends) runs on
//! all four architectures without and with TLS; what is about content, on all four, and on one with TLS; and what only the
//! protocol decides, which all share, once. A few are about plain connections or about TLS itself, and run so only.
//!
//! A scenario uses only the port, the events and the snapshots of a server, so a fifth architecture
//! would be one more line at the end of this file. The clients are small and synchronous (`peer.rs`), on purpose not the
//! program's own engine.

mod blocks;
mod capacity;
mod changes;
mod classic;
mod corners;
mod directories;
mod disconnects;
mod files;
mod harness;
mod hashes;
mod hostile;
mod http;
mod lifecycle;
mod limits;
mod line;
mod listing;
mod many_clients;
mod other_protocols;
mod peer;
mod pipeline;
mod policy;
mod ranges;
mod tokens;
mod transport;
mod trees;

use crate::shared::{frames, secure};

/// Creates a test of each scenario for one architecture: `single::files::every_size` and so on.
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

/// The scenarios about the loop of an architecture, and some more.
macro_rules! loops_and {
    ($on:ident; $($more:tt)+) => {
        $on! {
            files: every_size, over_four_gib;
            hashes: of_every_size, beside_others, cancelled;
            trees: all_kinds_of_entries, requests_ahead, beside_others, busy, drained, disconnected,
                client_leaves_during_work;
            pipeline: fifty_requests, more_than_the_server_reads_ahead, errors_between_answers,
                one_byte_at_a_time;
            many_clients: two_hundred_clients, one_slow_client_among_fast_ones;
            disconnects: after_connecting, during_the_preamble, after_hello, during_content, half_closed,
                while_planning, repeatedly_at_once;
            limits: busy, handshake, trickled_handshake, idle, too_slow, slow_enough;
            capacity: connections_of_an_address, silent_connections, unauthenticated_connections,
                requests_of_a_connection, hashing, archives, slow_clients, entries_of_a_page, bandwidth;
            lifecycle: drain_when_idle, drain_finishes_running_answers, drain_lets_transfers_finish,
                drain_waits_for_all_connections_of_a_transfer, drain_has_a_deadline, stop, disconnect, dropped,
                snapshots;
            tokens: right_and_wrong, proofs, token_ids, none_needed, a_wrong_token_is_answered_late,
                rate_limited_after_wrong_tokens;
            corners: ends, tokens, requests;
            hostile: ends, held, floods;
                    $($more)+
        }
    };
}

macro_rules! on_every_architecture_and_once_with_tls {
    ($($table:tt)+) => {
        suite!(single, Single, crate::conformance::plainly; $($table)+);
        suite!(threads, Threads, crate::conformance::plainly; $($table)+);
        suite!(select, Select, crate::conformance::plainly; $($table)+);
        suite!(r#async, Async, crate::conformance::plainly; $($table)+);
        suite!(select_tls, Select, crate::conformance::harness::with_tls; $($table)+);
    };
}

loops_and! { on_every_architecture;
    other_protocols: tls, garbage, another_version, violations, reserved_kinds;
    blocks: of_one_address, ends_by_itself, lifted, disconnected_without_one, of_a_classic_client;
    http: files, pipelined, tokens, blocked, deadlines, drained, beside_floods, access_log, access_log_of_a_cut, metrics;
    classic: files, directories, whole_pieces, not_found, early_close, vanished, select_files, select_directories, select_not_found;
}

loops_and! { on_every_architecture_with_tls;
    other_protocols: garbage, another_version, violations, reserved_kinds;
    blocks: of_one_address, ends_by_itself, lifted, disconnected_without_one;
    http: files, pipelined, tokens, blocked, deadlines, drained, beside_floods, access_log, without_tls;
    transport: ends_in_order, half_a_handshake, trickled_handshake, garbage, alerts, other_protocols, without_tls, connection_lost,
        classic_on_the_same_port, several_records, stopped_in_the_handshake;
}

/// About content: what is found, its ranges, its changes while it is sent.
mod content {
    on_every_architecture_and_once_with_tls! {
        files: every_name, missing_paths;
        listing: kinds, stat;
        policy: hidden, links;
        ranges: of_a_file, of_an_archive, of_an_archive_again, after_the_end, inside_a_block,
            of_another_identity;
        hashes: of_ranges, of_a_replaced_file, changed;
        trees: links, of_a_missing_path_or_a_file, inside_a_block, after_an_entry, known_digests,
            changed_before, changed_while_sent, unreadable, confined;
        directories: empty, nested, the_root, unreadable;
        changes: truncated, grown, deleted, replaced, in_an_archive, between_ranges, after_the_range,
            the_served_folder;
        http: ranges_of_an_archive, digests, tars, changed;
    }
}

suite! { tables, Select, crate::conformance::plainly;
    listing: pages;
    ranges: with_the_root, inside_a_hole;
    trees: many_files, of_any_sizes;
    directories: many_files;
    http: ranges, folders, framing, hosts, pages, metalinks, response_headers;
    hostile: traversal, fields, members, steps, sizes;
}
