//! What a client reads from elsewhere under fuzzing: journals and names.

use std::{os::unix::ffi::OsStrExt, sync::LazyLock};

use crate::{
    client::{
        api::settings::config::Names,
        disk::{
            journal::{
                self, Lines, Recovered,
                file::{self, FileLines},
                seal::Seal,
            },
            name::{
                SafeName,
                length::{beside, numbered},
            },
        },
    },
    fuzzing::Fuzz,
    protocol::digest::BLOCK_SIZE,
    text,
};
/// Bytes of the `.part` that the journals are about.
const PART: u64 = 5 * BLOCK_SIZE + 7;

/// What seals the journals under fuzzing.
pub(super) fn seal() -> &'static Seal {
    static SEAL: LazyLock<Seal> = LazyLock::new(Seal::default);
    &SEAL
}

/// A journal with this header and these lines, sealed as no mutation would; a line that begins with `!` stays as it is.
pub(super) fn sealed(input: &[u8], format: &str) -> Vec<u8> {
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
fn journals_are_fuzzed() {
    let words = &["source ", "block ", "begun ", "clean ", "1048576", "5242880", "\n", "!", "null"];
    let read = |bytes: &[u8]| {
        let opened = seal().open(bytes, "x".as_ref(), FileLines::FORMAT)?;
        journal::read(opened, |content| Some(FileLines::new(content, PART)))
    };
    Fuzz::new("control-file").words(words).run(|input| {
        let _ = journal::is_of_another_version::<FileLines>(input);
        let _ = read(input);
        let Some(Recovered { lines, clean }) = read(&sealed(input, FileLines::FORMAT)) else {
            return (false, 0, false);
        };
        // No block is accepted that the partial file does not have.
        let blocks = lines.blocks.clone().into_blocks();
        assert!(blocks.bytes() <= PART);
        for (index, _) in blocks.verified() {
            assert!(index * BLOCK_SIZE + blocks.length(index) <= PART);
        }
        for (index, &bytes) in blocks.begun() {
            assert!(bytes > 0 && index * BLOCK_SIZE + u64::from(bytes) <= PART);
        }
        let mut text = journal::header::<FileLines>(&lines.content);
        for line in file::all(&blocks).chain(clean.as_deref().map(journal::clean)) {
            text += &format!("\n{line}");
        }
        let again = read(&sealed(text.as_bytes(), FileLines::FORMAT)).expect("what we write is read");
        assert_eq!((&again.lines.content, &again.clean), (&lines.content, &clean));
        let again = again.lines.blocks.into_blocks();
        assert!(again.digests().eq(blocks.digests()) && again.begun() == blocks.begun());
        (true, blocks.bytes() + blocks.begun().len() as u64, clean.is_some())
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
