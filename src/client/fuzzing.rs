//! What a client reads from elsewhere under fuzzing: control files, names, archives.

use std::{
    fs::File,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    sync::Mutex,
};

use super::{
    Names, archive_check, control,
    name::{SafeName, beside, numbered},
};
use crate::{
    fuzzing::{Fuzz, assert_harmless, shape},
    protocol::{digest::BLOCK_SIZE, message::Sources},
    text,
};

/// Bytes of the `.part` that the control files are about.
const PART: u64 = 5 * BLOCK_SIZE + 7;

/// Gives each line its checksum, which no mutation would hit; a line that begins with `!` stays as it is.
pub(super) fn checked(input: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in input.split_inclusive(|&byte| byte == b'\n') {
        match line.split_first() {
            Some((b'!', raw)) => lines.extend_from_slice(raw),
            _ => {
                let text = line.strip_suffix(b"\n").unwrap_or(line);
                lines.extend(format!("{:08x} ", crc32fast::hash(text)).into_bytes());
                lines.extend_from_slice(line);
            }
        }
    }
    lines
}

#[test]
fn control_files_are_fuzzed() {
    let words = &[
        "fdsp-control 1",
        "source ",
        "seal ",
        "block ",
        "begun ",
        "clean ",
        "1048576",
        "5242880",
        "\n",
        "!",
        "null",
    ];
    Fuzz::new("control-file").words(words).run(|input| {
        let found = control::read(&*checked(input), PART);
        let Some(record) = &found else { return (false, 0, false) };
        // Nothing is believed that is not there.
        let blocks = record.blocks.clone().into_blocks();
        assert!(blocks.bytes() <= PART);
        for (index, _) in blocks.verified() {
            assert!(index * BLOCK_SIZE + blocks.length(index) <= PART);
        }
        for (index, &bytes) in blocks.begun() {
            assert!(bytes > 0 && index * BLOCK_SIZE + u64::from(bytes) <= PART);
        }
        let mut text = control::head(&record.source, record.seal.as_deref());
        for (index, digest) in blocks.digests() {
            text += &control::block(index, blocks.length(index), &digest);
        }
        for (&index, &bytes) in blocks.begun() {
            text += &control::begun(index, bytes);
        }
        if let Some(mark) = &record.clean {
            text += &control::clean(mark);
        }
        let again = control::read(text.as_bytes(), PART).expect("what we write is read");
        assert_eq!((&again.source, &again.seal), (&record.source, &record.seal));
        assert_eq!(again.clean, record.clean);
        let again = again.blocks.into_blocks();
        assert!(again.digests().eq(blocks.digests()) && again.begun() == blocks.begun());
        (true, blocks.bytes() + blocks.begun().len() as u64, record.clean.is_some())
    });
}

#[test]
fn names_are_fuzzed() {
    let words = &[
        "/", "\\", "..", ".", " ", "aux", "com1", "LPT9", "conin$", "NUL.", ".part", ".fdsp", ".zip", "\0",
        "\0E9",
    ];
    Fuzz::new("name").words(words).run(|input| {
        let text = String::from_utf8_lossy(input);
        for asked in [None, Some(&*text)] {
            for archive in [false, true] {
                let exact = SafeName::for_content(asked, &text, archive, Names::Exact);
                let exact = exact.as_os_str().as_bytes();
                assert!(!exact.contains(&b'/') && !exact.contains(&0) && (1..=255).contains(&exact.len()));
                let name = SafeName::for_content(asked, &text, archive, Names::Portable);
                let name = name.as_os_str().to_str().expect("UTF-8");
                assert!((1..=255).contains(&name.len()), "{name:?}");
                assert!(!matches!(name, "." | ".."), "{name:?}");
                assert!(!name.contains(['/', '\\']) && !name.contains(text::is_unsafe), "{name:?}");
                assert!(!name.ends_with(['.', ' ']), "{name:?}");
                assert!(asked.is_some() || !name.starts_with('.'), "{name:?} hides itself");
                assert_eq!(SafeName::new(name).as_os_str(), name, "safe is safe");
                let folder = std::path::Path::new("/folder");
                for local in
                    [name.into(), beside(name.as_ref(), ".part", 255), numbered(name.as_ref(), u32::MAX, 255)]
                {
                    assert!(local.len() <= 255);
                    assert_eq!(folder.join(&local).parent(), Some(folder), "{local:?}");
                }
            }
        }
        let name = SafeName::new(&text);
        let name = name.as_os_str().to_str().expect("UTF-8");
        (name == text, name.len().min(8), name.starts_with('_'))
    });
}

#[test]
fn archives_are_fuzzed() {
    let file = Mutex::new(tempfile::tempfile().expect("a file"));
    // The reader allocates what an entry's name and extra field need, of at most 64 KiB each.
    Fuzz::new("zip").words(&["PK\u{1}\u{2}", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "PK\u{6}\u{6}"]).run(|input| {
        let mut file = file.lock().expect("no panic holds it");
        replace(&mut file, input);
        let sources = Sources { bytes: 3, files: 1, directories: 1, omitted: 0 };
        let checked = archive_check::check(&file, &sources);
        if let Err(why) = &checked {
            assert_harmless(text::SafeText::new(why).as_str());
        }
        checked.map_err(|why| shape(&why))
    });
}

fn replace(file: &mut File, bytes: &[u8]) {
    file.set_len(0).expect("emptied");
    file.write_all_at(bytes, 0).expect("written");
    file.flush().expect("written");
}
