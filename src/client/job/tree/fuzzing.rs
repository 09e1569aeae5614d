//! The control file of a tree under fuzzing.

use crate::{
    client::{
        api::origin::Origin,
        fuzzing::{journal, seal},
        job::tree::record::{FORMAT, Place, header, read, subject},
    },
    fuzzing::Fuzz,
};
/// Files that the tree has at most.
const MOST: usize = 20;

#[test]
fn control_files_of_trees_are_fuzzed() {
    let words = &["tree ", "file ", "clean ", "\"new\"", "\"target\"", "\"size\":", "\n", "!"];
    Fuzz::new("tree-control-file").words(words).run(|input| {
        let text = journal(input, FORMAT);
        let open = |text: &[u8]| {
            let opened = seal().open(text, "x".as_ref(), FORMAT);
            opened.map(|opened| subject(opened.header()))
        };
        let about = open(&text).flatten();
        let found = [Place::New, Place::Target].map(|place| {
            let opened = seal().open(&*text, "x".as_ref(), FORMAT);
            opened.map(|opened| read(opened, (place, Origin::plain("h")), MOST)).unwrap_or_default()
        });
        for (place, record) in [Place::New, Place::Target].iter().zip(&found) {
            // Nothing is told of files that are elsewhere, nor of more than there can be.
            let is_about = about.as_ref().is_some_and(|subject| subject.ground == *place);
            assert!(is_about || (record.files() == 0 && record.clean.is_none()));
            assert!(record.files() <= MOST);
        }
        if let Some(about) = &about {
            let again = open(&journal(header(about).as_bytes(), FORMAT)).flatten();
            assert_eq!(again.as_ref(), Some(about), "what we write is read");
        }
        let [new, target] = found;
        (about.is_some(), new.files() + target.files(), new.clean.is_some())
    });
}
