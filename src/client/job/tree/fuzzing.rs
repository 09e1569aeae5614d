//! The journal of a tree under fuzzing.

use crate::{
    client::{
        api::content::origin::Origin,
        disk::journal::{Lines, Recovered, header, read},
        fuzzing::{seal, sealed},
        job::tree::disk::journal::{Place, Subject, TreeLines},
    },
    fuzzing::Fuzz,
};
/// The tree has at most this many files.
const MAX_FILES: usize = 20;

#[test]
fn journals_of_trees_are_fuzzed() {
    let words = &["tree ", "file ", "clean ", "\"new\"", "\"target\"", "\"size\":", "\n", "!"];
    Fuzz::new("tree-control-file").words(words).run(|input| {
        let text = sealed(input, TreeLines::FORMAT);
        let open = |text: &[u8], place| {
            let mut about = None;
            let opened = seal().open(text, "x".as_ref(), TreeLines::FORMAT);
            let found = opened.and_then(|opened| {
                read(opened, |subject: Subject| {
                    about = Some(subject.clone());
                    TreeLines::about((place, Origin::plain("h")), MAX_FILES)(subject)
                })
            });
            (found.unwrap_or_default(), about)
        };
        let (_, about) = open(&text, Place::New);
        let found = [Place::New, Place::Target].map(|place| open(&text, place).0);
        for (place, Recovered { lines, clean }) in [Place::New, Place::Target].iter().zip(&found) {
            // Files elsewhere, and more files than there can be, are ignored.
            let is_about = about.as_ref().is_some_and(|subject| subject.place == *place);
            assert!(is_about || (lines.files() == 0 && clean.is_none()));
            assert!(lines.files() <= MAX_FILES);
        }
        if let Some(about) = &about {
            let written = sealed(header::<TreeLines>(about).as_bytes(), TreeLines::FORMAT);
            assert_eq!(open(&written, Place::New).1.as_ref(), Some(about), "what we write is read");
        }
        let [new, target] = found;
        (about.is_some(), new.lines.files() + target.lines.files(), new.clean.is_some())
    });
}
