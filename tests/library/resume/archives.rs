//! An interrupted zip resumes at any byte, with or without the index of the server: the
//! bytes equal those of an uninterrupted download.

use std::fs;

use fdsp::server::Arch;

use crate::resume::{
    proxy::{Dice, Proxy},
    support::{Folder, MIB, Served, content, until},
};
use crate::shared::effort;

#[test]
fn a_zip_resumes_at_any_byte_with_or_without_the_index_of_the_server() {
    let mut dice = Dice::new(20);
    let archs = [Arch::Single, Arch::Threads, Arch::Select, Arch::Async];
    for arch in archs {
        let mut served = Served::on(arch);
        // Of every kind of entry: stored and deflated, large and small, and more of them than fit into a block.
        for number in 0..3 {
            served.write(&format!("d/{number}/noise.jpg"), &content(MIB + 5000, number));
            served.write(&format!("d/{number}/more.bin"), &content(MIB / 2, 10 + number));
            served.write(&format!("d/{number}/text"), &b"all work and no play ".repeat(40_000));
            for small in 0..40 {
                served.write(&format!("d/{number}/small/{small}.txt"), &content(3000, small));
            }
        }
        served.write("d/zz.jpg", &content(3 * MIB, 99));
        let whole = Folder::new().fetch(served.at(), "d").unwrap();
        let size = whole.bytes as usize;
        for round in 0..effort::at_most(3, 5) {
            for knows in [true, false] {
                let place = dice.below(size);
                let folder = Folder::new();
                let gate = Proxy::gate(served.at(), place);
                let run = folder.begin(gate.at(), "d");
                gate.wait(place, crate::resume::support::MAX_WAIT);
                let blocks = place.saturating_sub(20_000) / (MIB + 1000);
                until("the received blocks", || folder.listed("d.zip") >= blocks);
                run.stop();
                let kept = folder.listed("d.zip") as u64 * MIB as u64;
                if !knows {
                    served.restart();
                }
                let finished = folder.fetch(served.at(), "d").unwrap();
                let about = format!("{arch:?}, {round}: broken off after {place} of {size}, known: {knows}");
                assert_eq!(finished.blake3, whole.blake3, "{about}");
                assert_eq!(
                    blake3::hash(&fs::read(&finished.path).unwrap()).to_hex().as_str(),
                    whole.blake3,
                    "{about}"
                );
                assert!(
                    (kept..kept + MIB as u64).contains(&finished.resumed),
                    "{about}: {}",
                    finished.resumed
                );
                assert_eq!(finished.transferred, whole.bytes - finished.resumed, "{about}");
                assert_eq!(folder.names(), ["d.zip"], "{about}");
            }
        }
    }
}
