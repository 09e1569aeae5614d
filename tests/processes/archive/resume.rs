//! Archives that resume in the middle with the index of an earlier pass: the bytes are the same.

use std::fs;

use fdsp::storage::{
    StorageError,
    archive::{Index, Stream},
};

use crate::archive::{Folder, noise, text};

/// Of every kind of entry: directories, small and large ones, deflated and stored.
fn folder() -> Folder {
    let folder = Folder::new();
    for index in 0..4 {
        folder.file(format!("{index}/small.txt"), text(3000));
        folder.file(format!("{index}/small.bin"), noise(index, 5000));
        folder.file(format!("{index}/large.txt"), text(700_000));
        folder.file(format!("{index}/large.bin"), noise(index, 600_000));
        folder.file(format!("{index}/large.png"), text(500_000));
        folder.file(format!("{index}/empty"), "");
    }
    folder
}

fn rest(stream: &mut Stream) -> Result<Vec<u8>, StorageError> {
    let (mut all, mut buffer) = (Vec::new(), vec![0; 50_000]);
    while !stream.finished() {
        let count = stream.read(&mut buffer)?;
        all.extend_from_slice(&buffer[..count]);
    }
    Ok(all)
}

fn whole(folder: &Folder) -> (Vec<u8>, Index) {
    let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
    let all = rest(&mut stream).unwrap();
    (all, stream.take_index().unwrap())
}

/// Offsets all over an archive, the same in each run.
fn places(length: usize) -> impl Iterator<Item = u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % length as u64
    })
}

#[test]
fn an_archive_resumes_at_any_byte_with_the_same_bytes() {
    let folder = folder();
    let (all, index) = whole(&folder);
    let sources = folder.plan().unwrap().sources().bytes;
    let end = all.len() as u64;
    let mut near = 0;
    for offset in [0, 1, end - 1, end].into_iter().chain(places(all.len()).take(60)) {
        let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
        stream.resume(&index, offset).unwrap();
        let begin = stream.offset();
        assert!(begin <= offset);
        near += usize::from(offset - begin < 100);
        assert!(rest(&mut stream).unwrap() == all[begin as usize..], "from {begin} for {offset}");
        assert_eq!((stream.offset(), stream.position()), (end, sources));
    }
    assert!(near > 20, "only {near} of the places were met: the stored files are half of the archive");
}

#[test]
fn the_index_of_an_interrupted_pass_is_sufficient() {
    let folder = folder();
    let (all, _) = whole(&folder);
    for (broken, offset) in places(all.len()).zip(places(all.len()).skip(1)).take(20) {
        let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
        let mut buffer = vec![0; 10_000];
        while stream.offset() < broken {
            stream.read(&mut buffer).unwrap();
        }
        let index = stream.take_index().unwrap();
        let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
        stream.resume(&index, offset).unwrap();
        let begin = stream.offset() as usize;
        assert!(rest(&mut stream).unwrap() == all[begin..], "broken at {broken}, from {begin} for {offset}");
        // The second pass has completed the index.
        let index = stream.take_index().unwrap();
        let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
        stream.resume(&index, all.len() as u64 / 2).unwrap();
        let begin = stream.offset() as usize;
        assert!(rest(&mut stream).unwrap() == all[begin..]);
    }
}

#[test]
fn a_stored_file_of_an_interrupted_pass_is_not_read_again() {
    let folder = Folder::new();
    folder.file("large.jpg", noise(1, 3_000_000));
    folder.file("text.txt", text(3000));
    let (all, _) = whole(&folder);
    let mut learned = None;
    // Each pass ends at a larger offset, and the next one begins before that.
    for broken in [1_000_000, 1_700_000, 2_500_000] {
        let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
        if let Some(index) = &learned {
            let offset = broken - 800_000;
            stream.resume(index, offset).unwrap();
            assert_eq!(stream.offset(), offset);
        }
        let (begin, mut bytes) = (stream.offset() as usize, Vec::new());
        let mut buffer = vec![0; 10_000];
        while stream.offset() < broken {
            let count = stream.read(&mut buffer).unwrap();
            bytes.extend_from_slice(&buffer[..count]);
        }
        assert!(bytes == all[begin..begin + bytes.len()]);
        learned = stream.take_index();
    }
    let index = learned.unwrap();
    let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
    stream.resume(&index, 2_000_000).unwrap();
    assert_eq!(stream.offset(), 2_000_000);
    assert!(rest(&mut stream).unwrap() == all[2_000_000..], "the sum of the whole file, too");
    let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
    stream.resume(&index, 2_900_000).unwrap();
    let begin = stream.offset() as usize;
    assert!((2_500_000..2_600_000).contains(&begin), "what was not read has to be: {begin}");
    assert!(rest(&mut stream).unwrap() == all[begin..]);
}

#[test]
fn a_shortened_index_is_usable() {
    let folder = folder();
    let (all, mut index) = whole(&folder);
    let (entries, _) = index.reach();
    assert_eq!(index.cost() % entries, 0);
    index.shorten(index.cost() / 2);
    assert_eq!(index.reach(), (entries / 2, 0));
    let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
    stream.resume(&index, all.len() as u64).unwrap();
    let begin = stream.offset() as usize;
    assert!(begin > 0 && begin < all.len() * 3 / 4);
    assert!(rest(&mut stream).unwrap() == all[begin..]);
    index.shorten(0);
    assert_eq!(index.reach(), (0, 0));
    let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
    stream.resume(&index, 1000).unwrap();
    assert!(stream.offset() == 0 && rest(&mut stream).unwrap() == all);
}

#[test]
fn a_file_changed_between_two_passes_is_detected() {
    let folder = folder();
    let (all, index) = whole(&folder);
    let before = folder.plan().unwrap();
    let identity = before.identity().to_owned();
    let offset = (0..all.len() as u64).step_by(10_000).find(|&offset| {
        let mut stream = fdsp::storage::archive::Stream::new(folder.plan().unwrap());
        stream.resume(&index, offset).unwrap();
        // In the middle of a stored file.
        stream.offset() == offset && offset > 0
    });
    fs::write(folder.dir().join("0/large.bin"), noise(9, 600_000)).unwrap();
    fs::write(folder.dir().join("0/large.png"), text(500_001)).unwrap();
    assert_ne!(folder.plan().unwrap().identity(), identity);
    let mut stream = fdsp::storage::archive::Stream::new(before);
    let result = stream.resume(&index, offset.unwrap()).and_then(|()| rest(&mut stream));
    assert!(matches!(result, Err(StorageError::Changed { .. })), "{result:?}");
    assert!(stream.take_index().is_none());
}
