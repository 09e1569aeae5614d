//! Random numbers that are the same every time, and what they do to an input.

/// A generator of pseudo-random numbers (xorshift64*).
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() >> 16) as usize % end
    }

    pub(crate) fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// Numbers at which programs err.
const BOUNDARY_NUMBERS: [u64; 22] = [
    0,
    1,
    2,
    7,
    127,
    128,
    255,
    256,
    511,
    512,
    65_535,
    65_536,
    (1 << 20) - 1,
    1 << 20,
    i32::MAX as u64,
    u32::MAX as u64,
    1 << 32,
    1 << 44,
    1 << 53,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

/// Text that is trouble somewhere.
const UNUSUAL_TEXTS: [&str; 30] = [
    "..",
    "../",
    "/",
    "\\",
    "\0",
    "\u{1b}[2J",
    "\u{1b}]0;x\u{7}",
    "\u{9b}1m",
    "\r",
    "\n",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
    "e\u{301}",
    "ﬀ",
    "İ",
    "aux",
    "NUL.txt",
    ". ",
    "%00",
    "%2e%2e",
    "%",
    "\\u0000",
    "\\ud800",
    "\"",
    "null",
    "-1",
    "1e999",
    "[[[[[[[[",
    "{\"a\":",
];

/// Changes an input in a few places.
pub(crate) fn mutate(rng: &mut Rng, input: &mut Vec<u8>, words: &[&str], corpus: &[Vec<u8>]) {
    for _ in 0..=rng.below(4) {
        step(rng, input, words, corpus);
    }
}

fn step(rng: &mut Rng, input: &mut Vec<u8>, words: &[&str], corpus: &[Vec<u8>]) {
    let length = input.len();
    let at = rng.below(length + 1);
    let end = (at + 1 + rng.below(24)).min(length);
    match rng.below(14) {
        0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << rng.below(8)),
        1 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.next() as u8),
        2 => drop(input.drain(at..end.max(at))),
        3 => {
            let again = input[at..end.max(at)].to_vec();
            input.splice(at..at, again);
        }
        4 => {
            let bytes = rng.next().to_le_bytes();
            let count = 1 + rng.below(8);
            input.splice(at..at, bytes.into_iter().take(count));
        }
        5 => {
            let text = rng.one_of(&UNUSUAL_TEXTS);
            input.splice(at..at, text.bytes());
        }
        6 | 7 if !words.is_empty() => {
            let word = rng.one_of(words);
            let end = if rng.below(2) == 0 { at } else { (at + word.len()).min(length) };
            input.splice(at..end, word.bytes());
        }
        8 => {
            let number = rng.one_of(&BOUNDARY_NUMBERS);
            let width = rng.one_of(&[1, 2, 4, 8]);
            input.iter_mut().skip(at).zip(number.to_le_bytes()).take(width).for_each(|(old, new)| *old = new);
        }
        9 => digits(rng, input, at),
        10 => {
            // The same again, followed by a part of another input.
            let other = &corpus[rng.below(corpus.len().max(1)).min(corpus.len() - 1)];
            let from = rng.below(other.len() + 1);
            let to = (from + 1 + rng.below(400)).min(other.len());
            input.splice(at..at, other[from.min(to)..to].iter().copied());
        }
        11 => input.truncate(at),
        12 => {
            let (one, other) = (rng.below(length + 1), rng.below(length + 1));
            let (one, other) = (one.min(other), one.max(other));
            input[one..other].rotate_left(rng.below(other - one + 1));
        }
        _ => {
            let lines: Vec<_> = input.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
            if lines.len() > 1 {
                let line = &lines[rng.below(lines.len())];
                input.splice(at..at, line.iter().copied());
            }
        }
    }
}

/// Puts another number where digits stand, from `at` on.
fn digits(rng: &mut Rng, input: &mut Vec<u8>, at: usize) {
    let Some(begin) = input.iter().skip(at).position(u8::is_ascii_digit).map(|index| at + index) else {
        return;
    };
    let count = input[begin..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = rng.one_of(&BOUNDARY_NUMBERS).to_string();
    input.splice(begin..begin + count, number.into_bytes());
}
