//! A small fuzzer for unit tests, on stable Rust: mutations of the files in `tests/corpus/TARGET/`, from a fixed seed.
//!
//! As a test it makes a fixed number of rounds. With `FDSP_FUZZ_SECONDS=600` each target runs for 600 s, from another
//! seed with `FDSP_FUZZ_SEED=2`; an input that fails is made small and kept as a corpus file, which every later run
//! begins with. All of them: `cargo test --lib fuzzed`.
//!
//! A target gets bytes, asserts what must hold for any, and returns what it saw. Inputs after which it saw something new
//! are kept and mutated further: that leads deep into a format without instrumented code.

mod mutate;

use std::{
    collections::HashSet,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    str::FromStr,
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

pub(crate) use mutate::{Rng, mutate};
use proptest::prelude::ProptestConfig;

/// The maximum time of an input, on the slowest machine.
const INPUT_TIMEOUT: Duration = Duration::from_secs(60);
/// The maximum number of inputs that are kept because they showed something new.
const MAX_CORPUS: usize = 4000;
/// The maximum length of an input.
const MAX_INPUT_LEN: usize = 256 * 1024;

/// Changes an input in a way of its format.
pub(crate) type Mutator = fn(&mut Rng, &mut Vec<u8>);

/// A property test of this many cases, unless `PROPTEST_CASES` sets another number.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { cases: number("PROPTEST_CASES").unwrap_or(count), ..ProptestConfig::default() }
}

/// The number in a variable.
fn number<T: FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok()?.parse().ok()
}

/// A target about to be run.
pub(crate) struct Fuzz {
    target: &'static str,
    words: &'static [&'static str],
    mutator: Option<Mutator>,
    rounds: u64,
    memory: u64,
}

impl Fuzz {
    pub(crate) fn new(target: &'static str) -> Fuzz {
        Fuzz { target, words: &[], mutator: None, rounds: 6_000, memory: 1 << 20 }
    }

    /// Words of the format, which mutations put in.
    pub(crate) fn words(self, words: &'static [&'static str]) -> Fuzz {
        Fuzz { words, ..self }
    }

    /// A mutation of the format's own, used for every second round.
    pub(crate) fn mutator(self, mutator: Mutator) -> Fuzz {
        Fuzz { mutator: Some(mutator), ..self }
    }

    /// Inputs to try as a test.
    pub(crate) fn rounds(self, rounds: u64) -> Fuzz {
        Fuzz { rounds, ..self }
    }

    /// Bytes that the target may have allocated at any time, beside 64 for each byte of the input.
    pub(crate) fn memory(self, memory: u64) -> Fuzz {
        Fuzz { memory, ..self }
    }

    /// Runs the target over its corpus and mutations of it.
    pub(crate) fn run<T: Hash>(self, target: impl Fn(&[u8]) -> T + Send) {
        let (report, reports) = mpsc::channel::<Option<Vec<u8>>>();
        std::thread::scope(|scope| {
            let name = self.target;
            let worker = scope.spawn(move || self.all(&target, |input| drop(report.send(input))));
            // One input at a time is in work; a target that hangs on it would hang the whole test.
            let mut current = None;
            loop {
                match reports.recv_timeout(INPUT_TIMEOUT) {
                    Ok(input) => current = input,
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        eprintln!("{name} hangs on {}", shown(&current.unwrap_or_default()));
                        std::process::exit(101);
                    }
                }
            }
            if let Err(failure) = worker.join() {
                std::panic::resume_unwind(failure);
            }
        });
    }

    fn all<T: Hash>(&self, target: &impl Fn(&[u8]) -> T, report: impl Fn(Option<Vec<u8>>)) {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus")).join(self.target);
        let mut files: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a corpus").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} has a corpus", self.target);
        let (mut corpus, mut known) = (Vec::new(), HashSet::new());
        for file in files {
            let input = fs::read(&file).expect("readable");
            report(Some(input.clone()));
            match self.run_one(target, &input) {
                Ok(seen) => known.insert(seen),
                Err(why) => panic!("{}: {why}", file.display()),
            };
            corpus.push(input);
        }
        let long = number("FDSP_FUZZ_SECONDS").map(Duration::from_secs);
        let mut rng = Rng::new(number("FDSP_FUZZ_SEED").unwrap_or(1));
        let (start, mut round) = (Instant::now(), 0);
        while long.map_or(round < self.rounds, |long| start.elapsed() < long) {
            let mut input = corpus[rng.below(corpus.len())].clone();
            match self.mutator.filter(|_| rng.below(2) == 0) {
                Some(mutator) => mutator(&mut rng, &mut input),
                None => mutate(&mut rng, &mut input, self.words, &corpus),
            }
            input.truncate(MAX_INPUT_LEN);
            report(Some(input.clone()));
            match self.run_one(target, &input) {
                Ok(seen) if corpus.len() < MAX_CORPUS && known.insert(seen) => corpus.push(input),
                Ok(_) => {}
                Err(why) => {
                    let small = self.minimize(target, input);
                    let kept = long.map(|_| {
                        let file = folder.join(format!("found-{:08x}", crc32fast::hash(&small)));
                        fs::write(&file, &small).expect("written");
                        format!(", kept as {}", file.display())
                    });
                    panic!("{}: {why} on {}{}", self.target, shown(&small), kept.unwrap_or_default());
                }
            }
            round += 1;
        }
        report(None);
        eprintln!("{}: {round} inputs, {} kinds of outcome", self.target, known.len());
    }

    /// A digest of what the target saw, or why it failed.
    fn run_one<T: Hash>(&self, target: &impl Fn(&[u8]) -> T, input: &[u8]) -> Result<u64, String> {
        let mut seen = Err(String::new());
        let used = allocation_counter::measure(|| {
            seen = catch_unwind(AssertUnwindSafe(|| {
                let mut hasher = DefaultHasher::new();
                target(input).hash(&mut hasher);
                hasher.finish()
            }))
            .map_err(|panic| {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked").to_owned()
            });
        });
        let most = self.memory + 64 * input.len() as u64;
        if used.bytes_max > most {
            return Err(format!("{} bytes of memory for an input of {}", used.bytes_max, input.len()));
        }
        seen
    }

    /// A minimize input that fails, too.
    fn minimize<T: Hash>(&self, target: &impl Fn(&[u8]) -> T, mut input: Vec<u8>) -> Vec<u8> {
        let mut size = input.len() / 2;
        while size > 0 {
            let mut at = 0;
            while at < input.len() {
                let mut less = input.clone();
                less.drain(at..(at + size).min(input.len()));
                if self.run_one(target, &less).is_err() {
                    input = less;
                } else {
                    at += size;
                }
            }
            size /= 2;
        }
        input
    }
}

/// The beginning of an input, for people.
fn shown(input: &[u8]) -> String {
    let text = &input[..input.len().min(4000)];
    format!("b\"{}\" ({} bytes)", text.escape_ascii(), input.len())
}

/// A sentence without its numbers, so that the same trouble at another place counts as the same.
pub(crate) fn shape(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_ascii_digit()).collect()
}

/// Cuts `input` into pieces, in a way that follows from what is in it; never into none.
pub(crate) fn cuts(input: &[u8]) -> Vec<&[u8]> {
    let mut rng = Rng::new(crc32fast::hash(input).into());
    let (mut rest, mut pieces) = (input, Vec::new());
    while !rest.is_empty() {
        let most = [1, 3, 16, 300, 5000][rng.below(5)];
        let (piece, left) = rest.split_at((1 + rng.below(most)).min(rest.len()));
        pieces.push(piece);
        rest = left;
    }
    pieces
}

/// Asserts that a text that people see has nothing in it that acts on a terminal; line ends are the caller's.
#[track_caller]
pub(crate) fn assert_harmless(text: &str) {
    assert!(!text.contains(crate::text::is_unsafe), "{text:?} is shown");
}
