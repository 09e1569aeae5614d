//! A hostile server, byte by byte, and the client's engine. Each trick has a name. After each of them the client has
//! finished, only its own partial file exists, existing files are untouched, and an honest server delivers the
//! right file afterwards, with what the hostile one left.

mod answers;
mod flow;
mod listing;
mod meta;
mod play;
mod tree;
mod tricks;

use play::{Attack, Fresh};

/// Every field of every frame of an answer invalid.
#[test]
fn fields() {
    play::all(&tricks::fields(), Fresh::Nothing);
}

/// Every member of every message of an answer invalid.
#[test]
fn members() {
    play::all(&tricks::members(), Fresh::Nothing);
}

/// Steps left out, doubled, exchanged; other protocols.
#[test]
fn steps() {
    play::all(&tricks::steps(), Fresh::Nothing);
}

/// Wrong sizes, positions and digests.
#[test]
fn lies() {
    play::all(&tricks::lies(), Fresh::Nothing);
}

/// The same for hashes of blocks that the client compares with its own.
#[test]
fn hashes() {
    play::all(&tricks::hashes(), Fresh::Target);
}

/// The stream ends at every boundary of its frames, and in the middle of each: properly, by a reset, or not at all.
#[test]
fn ends() {
    play::all(&tricks::ends(), Fresh::Nothing);
}

/// How many tricks there are, and that each has a name of its own.
#[test]
fn each_trick_has_a_name() {
    let all: Vec<Vec<Attack>> = vec![
        tricks::fields(),
        tricks::members(),
        tricks::steps(),
        tricks::lies(),
        tricks::hashes(),
        tricks::ends(),
    ];
    let mut names: Vec<_> = all.iter().flatten().map(|attack| attack.name.clone()).collect();
    names.extend(flow::NAMES.map(str::to_owned));
    names.extend(listing::tricks(1).into_iter().map(|trick| format!("a listing: {}", trick.name)));
    names.extend(meta::tricks(1).into_iter().map(|trick| format!("a name: {}", trick.name)));
    names.extend(tree::tricks(1).into_iter().map(|trick| format!("a tree: {}", trick.name)));
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 60, "{count}");
    eprintln!("{count} tricks of a hostile server");
}
