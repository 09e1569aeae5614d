//! The control file of a tree under fuzzing.

use super::record::{Place, head, read, subject};
use crate::{
    client::{fuzzing::checked, origin::Origin},
    fuzzing::Fuzz,
};

/// Files that the tree has at most.
const MOST: usize = 20;

#[test]
fn control_files_of_trees_are_fuzzed() {
    let words = &[
        "fdsp-tree 1",
        "tree ",
        "seal ",
        "file ",
        "clean ",
        "\"new\"",
        "\"target\"",
        "\"size\":",
        "\n",
        "!",
    ];
    Fuzz::new("tree-control-file").words(words).run(|input| {
        let text = checked(input);
        let about = subject(&*text);
        let found = [Place::New, Place::Target].map(|place| read(&*text, (place, Origin::Plain), MOST));
        for (place, record) in [Place::New, Place::Target].iter().zip(&found) {
            // Nothing is told of files that are elsewhere, nor of more than there can be.
            let is_about = about.as_ref().is_some_and(|(subject, _)| subject.ground == *place);
            assert!(is_about || (record.files() == 0 && record.clean.is_none()));
            assert!(record.files() <= MOST);
        }
        if let Some((subject, seal)) = &about {
            let again = super::record::subject(head(subject, seal.as_deref()).as_bytes());
            assert_eq!(again.as_ref(), Some(&(subject.clone(), seal.clone())), "what we write is read");
        }
        let [new, target] = found;
        (about.map(|(_, seal)| seal.is_some()), new.files() + target.files(), new.clean.is_some())
    });
}
