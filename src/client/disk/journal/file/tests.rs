use proptest::prelude::*;

use crate::{
    client::{
        api::content::origin::Origin,
        content::{Content, blocks::Blocks},
        disk::journal::{
            self, Recovered, clean,
            file::*,
            header, is_of_another_version,
            seal::{self, Seal, sealed},
        },
    },
    protocol::{
        message::{Form, Timestamp},
        trust::pin::Pin,
    },
};
const FULL: u64 = BLOCK_SIZE;

fn content(size: Option<u64>) -> Content {
    Content {
        address: "fdsp+plain://h:1/a b\n\u{1b}".into(),
        name: String::new(),
        origin: Origin::Certificate(Pin([9; 32])),
        identity: "id".into(),
        form: Form::File,
        size,
        sources: None,
        modified: Some(Timestamp { seconds: -1, nanoseconds: 5 }),
        data_bytes: None,
        access: crate::client::content::Access::default(),
        digest: None,
        is_metalink: false,
    }
}

fn digest(index: u64, seed: u8) -> BlockDigest {
    BlockDigest { chaining: Hash([seed; 32]), alone: (index == 0).then_some(Hash([!seed; 32])) }
}

/// The secret of all journals here.
fn seal() -> &'static Seal {
    static SEAL: std::sync::LazyLock<Seal> = std::sync::LazyLock::new(Seal::default);
    &SEAL
}

/// A journal with these lines.
fn journal(content: &Content, lines: &[String]) -> Vec<u8> {
    sealed(seal(), "x.part.fdsp", FileLines::FORMAT, &header::<FileLines>(content), lines)
}

fn read(bytes: &[u8], length: u64) -> Option<Recovered<FileLines>> {
    let opened = seal().open(bytes, "x.part.fdsp".as_ref(), FileLines::FORMAT)?;
    journal::read(opened, |content| Some(FileLines::new(content, length)))
}

/// A content of `size` bytes of which all blocks but these are local.
fn text(size: u64, left_out: &[u64], mark: Option<&str>) -> (String, Recovered<FileLines>) {
    let content = content(Some(size));
    let (mut lines, mut blocks) = (Vec::new(), RecordedBlocks::default());
    for index in (0..Blocks::in_all(size)).rev().filter(|index| !left_out.contains(index)) {
        let length = FULL.min(size - index * FULL);
        lines.push(block(index, length, &digest(index, index as u8)));
        blocks.insert(index, length as u32, &digest(index, index as u8));
    }
    lines.extend(mark.map(clean));
    let text = String::from_utf8(journal(&content, &lines)).unwrap();
    (text, Recovered { lines: FileLines { content, blocks, part_len: size }, clean: mark.map(str::to_owned) })
}

fn verified(record: &Recovered<FileLines>) -> Vec<(u64, u64, Hash)> {
    let blocks = record.lines.blocks.clone().into_blocks();
    blocks.verified().map(|(index, hash)| (index, blocks.length(index), hash)).collect()
}

#[test]
fn written_lines_are_read() {
    for size in [0, 1, FULL, FULL + 1, 5 * FULL + 7] {
        let (text, record) = text(size, &[2], Some("mark"));
        assert!(text.lines().all(|line| !line.contains('\u{1b}')), "a person can read it");
        let found = read(text.as_bytes(), size).unwrap();
        assert_eq!(verified(&found), verified(&record));
        assert_eq!(found, record);
    }
}

#[test]
fn a_later_line_for_a_block_counts_and_any_line_ends_clean() {
    let size = 2 * FULL;
    let all = (0..2).map(|index| block(index, FULL, &digest(index, 1)));
    let lines: Vec<_> = all.chain([clean("mark"), block(1, FULL, &digest(1, 99))]).collect();
    let found = read(&journal(&content(Some(size)), &lines), size).unwrap();
    assert_eq!(verified(&found)[1].2, Hash([99; 32]));
    assert_eq!(found.clean, None);
}

#[test]
fn invalid_lines_are_skipped() {
    let size = 3 * FULL + 5;
    let lines = [
        block(3, FULL, &digest(3, 1)),
        block(2, 5, &digest(2, 1)),
        block(4, 1, &digest(4, 1)),
        block(1 << 43, FULL, &digest(1, 1)),
        block(u64::MAX, FULL, &digest(1, 1)),
        block(0, FULL, &digest(1, 1)),
        "block 1 x".into(),
        "else".into(),
        begun(3, 5),
        begun(4, 1),
        begun(1, FULL as u32),
        begun(1 << 44, 1),
        "begun 1".into(),
        "begun 1 2 3".into(),
        "begun 1 -1".into(),
    ];
    for one in lines {
        let text = journal(&content(Some(size)), &[one.clone(), clean("mark")]);
        let found = read(&text, size).unwrap();
        assert_eq!((found.lines.blocks.into_blocks().received(), found.clean), (0, None), "{one}");
    }
    // The `.part` is shorter than the line claims.
    let (text, _) = text(size, &[], None);
    assert_eq!(read(text.as_bytes(), 2 * FULL).unwrap().lines.blocks.into_blocks().bytes(), 2 * FULL);
}

#[test]
fn an_incomplete_block_is_recorded_until_it_is_complete() {
    let size = 3 * FULL + 5;
    let blocks = |lines: &[String]| {
        let text = journal(&content(Some(size)), &[lines, &[clean("mark")]].concat());
        let found = read(&text, size).unwrap();
        assert_eq!(found.clean.as_deref(), Some("mark"), "{lines:?}");
        let found = found.lines.blocks.into_blocks();
        (found.bytes(), found.begun().clone().into_iter().collect::<Vec<_>>())
    };
    let whole = || block(1, FULL, &digest(1, 1));
    assert_eq!(
        blocks(&[begun(1, 7), begun(3, 4), begun(1, 9)]),
        (0, vec![(1, 9), (3, 4)]),
        "the later one counts"
    );
    assert_eq!(blocks(&[begun(1, 7), begun(1, 0)]), (0, vec![]), "it was forgotten");
    for lines in [[begun(1, 7), whole()], [whole(), begun(1, 7)]] {
        assert_eq!(blocks(&lines), (FULL, vec![]));
    }
}

/// Of an archive the last block may be shorter, and only an answer that reaches the end shows how long it is.
#[test]
fn the_end_of_a_short_block_of_an_archive_is_requested_again() {
    let text = journal(&content(None), &[block(2, 1000, &digest(2, 1))]);
    let blocks = read(&text, 3 * FULL).unwrap().lines.blocks.into_blocks();
    assert_eq!((blocks.bytes(), blocks.begun().get(&2)), (0, Some(&999)));
}

#[test]
fn a_journal_of_another_version_or_without_a_header_is_ignored() {
    let (text, _) = text(FULL, &[], None);
    for version in ["fdsp-control 1", "fdsp-control 3 0a", "fdsp-control 22 0a"] {
        let other = seal::plain(version) + text.split_once('\n').unwrap().1;
        assert_eq!(read(other.as_bytes(), FULL), None);
        assert!(is_of_another_version::<FileLines>(other.as_bytes()), "{version}");
    }
    assert!(
        !is_of_another_version::<FileLines>(text.as_bytes())
            && !is_of_another_version::<FileLines>(&b"else"[..])
    );
    assert_eq!(read(seal::plain(FileLines::FORMAT).as_bytes(), FULL), None);
    assert_eq!(read(&b""[..], FULL), None);
    assert_eq!(read(&[b'x'; 1 << 20][..], FULL), None);
}

#[test]
fn every_byte_can_be_flipped_without_a_false_claim() {
    let size = 3 * FULL + 9;
    let (text, record) = text(size, &[1], Some("mark"));
    let truth = verified(&record);
    for at in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Some(found) = read(&bytes[..], size) else { continue };
            assert_eq!(found.lines.content, record.lines.content, "byte {at}, bit {bit}");
            assert!(verified(&found).iter().all(|block| truth.contains(block)), "byte {at}, bit {bit}");
            assert_eq!(found.clean, None, "byte {at}, bit {bit}: damage is no order");
        }
    }
}

proptest! {
    #![proptest_config(crate::fuzzing::cases(64))]
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes[..], 1 << 40);
        let text = journal(&content(Some(5 * FULL)), &[]);
        let found = read(&[&text[..], &bytes[..]].concat()[..], 5 * FULL);
        prop_assert!(found.is_none_or(|found| found.lines.blocks.into_blocks().received() == 0));
    }

    #[test]
    fn a_cut_affects_only_its_line(size in 1..40 * FULL, cut in 0.0..1.0f64) {
        let (text, record) = text(size, &[], Some("mark"));
        let at = (text.len() as f64 * cut) as usize;
        if let Some(found) = read(&text.as_bytes()[..at], size) {
            let truth = verified(&record);
            prop_assert!(verified(&found).iter().all(|block| truth.contains(block)));
            let lines = text[..at].matches('\n').count();
            prop_assert_eq!(verified(&found).len(), lines.saturating_sub(2).min(truth.len()));
            prop_assert_eq!(found.clean, None);
        }
    }
}
