//! Bytes received before a connection stalls are soon on the disk: a kill does not lose them.

use std::{fs, path::Path};

use fdsp::client::{Config, Existing, Form, NewJob};

use crate::{
    resume::support::{Folder, MAX_WAIT, MIB, Served, config, content, until},
    shared::proxy::Proxy,
};

/// A client that does not time out, which would write the journal as well.
fn patient() -> Config {
    Config { timeout: MAX_WAIT * 2, ..config() }
}

/// The bytes of an incomplete block that the journal records.
fn partial(control: &Path, block: u64) -> u64 {
    let text = fs::read_to_string(control).unwrap_or_default();
    let bytes = |line: &str| {
        let (index, bytes) = line.split_once(" begun ")?.1.split_once(' ')?;
        (index == block.to_string()).then(|| bytes.parse::<u64>().ok())?
    };
    text.lines().filter_map(bytes).next_back().unwrap_or(0)
}

#[test]
fn the_journal_records_the_start_of_an_incomplete_block() {
    for (size, pass, block) in [(2 * MIB, MIB + 500_000, 1), (900_000, 600_000, 0)] {
        let served = Served::new();
        served.write("a", &content(size, 1));
        let gate = Proxy::gate(served.at(), pass);
        let folder = Folder::new();
        let run = folder.begin_with(patient(), folder.job(gate.at(), "a", Existing::Keep));
        let least = pass as u64 - block * MIB as u64 - 5000;
        until("a note of the block", || partial(&folder.path("a.part.fdsp"), block) >= least);
        run.stop();
    }
}

#[test]
fn complete_small_files_of_a_tree_and_the_start_of_another_are_kept() {
    let served = Served::new();
    for name in ["a", "b", "c"] {
        served.write(&format!("t/{name}"), &content(400_000, 1));
    }
    let gate = Proxy::gate(served.at(), 1_000_000);
    let folder = Folder::new();
    let job = NewJob { form: Form::Tree, ..folder.job(gate.at(), "t", Existing::Keep) };
    let run = folder.begin_with(patient(), job);
    let here = |name: &str| {
        fs::metadata(folder.path("t.part/fdsp-tree").join(name)).is_ok_and(|data| data.len() == 400_000)
    };
    let third = || {
        let entries = fs::read_dir(folder.path("t.part/fdsp-parts")).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).max().unwrap_or(0)
    };
    until("two files", || here("a") && here("b"));
    until("the begin of the third", || third() > 190_000);
    run.stop();
}
