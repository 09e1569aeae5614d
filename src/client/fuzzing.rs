//! What a client reads from elsewhere under fuzzing: control files, names, archives.

use std::{
    fs::File,
    io::Write,
    os::unix::{ffi::OsStrExt, fs::FileExt},
    sync::{LazyLock, Mutex},
};

use crate::{
    client::{
        api::config::Names,
        disk::{
            archive_check, control,
            name::{SafeName, beside, numbered},
            seal::Seal,
        },
    },
    fuzzing::{Fuzz, assert_harmless, shape},
    protocol::{digest::BLOCK_SIZE, message::Sources},
    text,
};
/// Bytes of the `.part` that the control files are about.
const PART: u64 = 5 * BLOCK_SIZE + 7;

/// What seals the journals under fuzzing.
pub(super) fn seal() -> &'static Seal {
    static SEAL: LazyLock<Seal> = LazyLock::new(Seal::default);
    &SEAL
}

/// A journal with this header and these lines, sealed as no mutation would; a line that begins with `!` stays as it is.
pub(super) fn journal(input: &[u8], format: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split_inclusive('\n');
    let header = lines.next().unwrap_or_default().trim_end_matches('\n');
    let mut out = seal().begin(Vec::new(), "x".as_ref(), format, header).expect("sealed");
    for line in lines {
        match (line.strip_prefix('!'), line.strip_suffix('\n')) {
            (Some(raw), _) => out.raw(raw.as_bytes()),
            (None, text) => out.add(text.unwrap_or(line)).expect("sealed"),
        }
    }
    out.finish()
}

#[test]
fn control_files_are_fuzzed() {
    let words = &["source ", "block ", "begun ", "clean ", "1048576", "5242880", "\n", "!", "null"];
    let read = |bytes: &[u8]| {
        let opened = seal().open(bytes, "x".as_ref(), control::FORMAT)?;
        control::read(opened, PART)
    };
    Fuzz::new("control-file").words(words).run(|input| {
        let _ = control::is_of_another_version(input);
        let _ = read(input);
        let Some(record) = read(&journal(input, control::FORMAT)) else { return (false, 0, false) };
        // Nothing is believed that is not there.
        let blocks = record.blocks.clone().into_blocks();
        assert!(blocks.bytes() <= PART);
        for (index, _) in blocks.verified() {
            assert!(index * BLOCK_SIZE + blocks.length(index) <= PART);
        }
        for (index, &bytes) in blocks.begun() {
            assert!(bytes > 0 && index * BLOCK_SIZE + u64::from(bytes) <= PART);
        }
        let mut text = control::header(&record.source);
        let digests =
            blocks.digests().map(|(index, digest)| control::block(index, blocks.length(index), &digest));
        let begun = blocks.begun().iter().map(|(&index, &bytes)| control::begun(index, bytes));
        for line in digests.chain(begun).chain(record.clean.as_deref().map(control::clean)) {
            text += &format!("\n{line}");
        }
        let again = read(&journal(text.as_bytes(), control::FORMAT)).expect("what we write is read");
        assert_eq!((&again.source, &again.clean), (&record.source, &record.clean));
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
