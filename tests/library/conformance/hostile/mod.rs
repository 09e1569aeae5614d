//! A hostile client, byte by byte. Each trick has a name and an expected answer, is sent at once and one byte
//! at a time, and continues while an honest client fetches its file.

mod floods;
mod held;
mod play;
mod tricks;

use fdsp::server::Arch;

/// Every spelling of a path out of the folder.
pub fn traversal(arch: Arch) {
    play::all(arch, tricks::traversal());
}

/// Every frame of a client with each of its fields invalid.
pub fn fields(arch: Arch) {
    play::all(arch, tricks::fields());
}

/// Every message of a client with each of its members invalid.
pub fn members(arch: Arch) {
    play::all(arch, tricks::members());
}

/// Steps that are left out, doubled, or in another order.
pub fn steps(arch: Arch) {
    play::all(arch, tricks::steps());
}

/// Sizes and ranges that no content has.
pub fn sizes(arch: Arch) {
    play::all(arch, tricks::sizes());
}

/// The stream ends properly, or by a reset, at every boundary of its frames and in the middle of each.
pub fn ends(arch: Arch) {
    play::ends(arch);
}

/// Clients that never finish a request, or never read an answer.
pub fn held(arch: Arch) {
    held::all(arch);
}

/// More of everything than any client needs.
pub fn floods(arch: Arch) {
    floods::all(arch);
}

/// How many tricks there are, and that each has a name of its own.
#[test]
fn each_trick_has_a_name() {
    let tricks = [tricks::traversal(), tricks::fields(), tricks::members(), tricks::steps(), tricks::sizes()];
    let names = tricks.iter().flatten().map(|trick| trick.name.clone());
    let names = names.chain(held::names()).chain(floods::names());
    let mut names: Vec<String> = names.collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(count >= 60, "{count}");
    eprintln!("{count} tricks of a hostile client");
}
