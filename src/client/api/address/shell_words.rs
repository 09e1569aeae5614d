//! The words of a command as bash reads them: the quotes `'…'`, `"…"` and `$'…'`, and `\`. Nothing is expanded.

use std::{iter::Peekable, str::Chars};

/// What a shell would do more with, where it is not in quotes.
const SHELL_CHARACTERS: [char; 8] = ['|', '&', ';', '<', '>', '(', ')', '`'];

/// Why a text has no such words. Each sentence says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// A quote that does not end.
    #[error("a quote in the curl command has no end: copy all of it")]
    Quote,
    /// Something that a shell would expand, or another command.
    #[error(
        "the curl command has a '{0}' outside of quotes: put the address in single quotes, and leave out other commands"
    )]
    Shell(char),
    /// An escape that is not known.
    #[error("the curl command has an escape in $'…' that is not valid")]
    Escape,
}

/// The words of a command, as bash would read them.
pub(super) fn words(text: &str) -> Result<Vec<String>, WordError> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_ascii_whitespace() => words.extend(word.take()),
            '\'' => single(&mut rest, word.get_or_insert_default())?,
            '"' => double(&mut rest, word.get_or_insert_default())?,
            '$' if rest.next_if_eq(&'\'').is_some() => ansi(&mut rest, word.get_or_insert_default())?,
            '$' if expands(rest.peek()) => return Err(WordError::Shell('$')),
            '\\' => {
                // A backslash before a line end is nothing.
                let is_crlf = rest.peek() == Some(&'\r');
                match rest.next() {
                    None | Some('\n') => {}
                    Some('\r') if is_crlf && rest.next_if_eq(&'\n').is_some() => {}
                    Some(escaped) => word.get_or_insert_default().push(escaped),
                }
            }
            c if SHELL_CHARACTERS.contains(&c) => return Err(WordError::Shell(c)),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word.take());
    Ok(words)
}

/// Whether bash would expand a `$` before this.
fn expands(next: Option<&char>) -> bool {
    next.is_some_and(|next| next.is_ascii_alphanumeric() || "_({\"@*#?$!-".contains(*next))
}

fn single(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), WordError> {
    for c in rest.by_ref() {
        match c {
            '\'' => return Ok(()),
            c => word.push(c),
        }
    }
    Err(WordError::Quote)
}

fn double(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), WordError> {
    while let Some(c) = rest.next() {
        match c {
            '"' => return Ok(()),
            '`' => return Err(WordError::Shell('`')),
            '$' if expands(rest.peek().filter(|next| **next != '"')) => return Err(WordError::Shell('$')),
            '\\' => match rest.next() {
                Some('\n') => {}
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.push(escaped),
                Some(other) => word.extend(['\\', other]),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(WordError::Quote)
}

/// `$'…'`, with the escapes of C.
fn ansi(rest: &mut Peekable<Chars<'_>>, word: &mut String) -> Result<(), WordError> {
    // Escapes are bytes, and several of them can be one character.
    let mut bytes: Vec<u8> = Vec::new();
    let push = |bytes: &mut Vec<u8>, c: char| bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
    while let Some(c) = rest.next() {
        match c {
            '\'' => {
                word.push_str(std::str::from_utf8(&bytes).map_err(|_| WordError::Escape)?);
                return Ok(());
            }
            '\\' => match rest.next().ok_or(WordError::Quote)? {
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                'a' => bytes.push(7),
                'b' => bytes.push(8),
                'e' | 'E' => bytes.push(27),
                'f' => bytes.push(12),
                'v' => bytes.push(11),
                same @ ('\\' | '\'' | '"' | '?') => push(&mut bytes, same),
                'x' => bytes.push(code(rest, 16, 2, None)? as u8),
                first @ '0'..='7' => bytes.push(code(rest, 8, 3, Some(first))? as u8),
                'u' => push(&mut bytes, character(rest, 4)?),
                'U' => push(&mut bytes, character(rest, 8)?),
                _ => return Err(WordError::Escape),
            },
            c => push(&mut bytes, c),
        }
    }
    Err(WordError::Quote)
}

fn character(rest: &mut Peekable<Chars<'_>>, len: usize) -> Result<char, WordError> {
    let first = code(rest, 16, len, None)?;
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).ok_or(WordError::Escape);
    }
    // Browsers write a character beyond 16 bits as two of them.
    if rest.next() != Some('\\') || rest.next() != Some('u') {
        return Err(WordError::Escape);
    }
    let second = code(rest, 16, 4, None)?;
    if !(0xdc00..0xe000).contains(&second) {
        return Err(WordError::Escape);
    }
    char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)).ok_or(WordError::Escape)
}

/// A number of one to `len` digits. A zero would end the word for bash.
fn code(
    rest: &mut Peekable<Chars<'_>>,
    radix: u32,
    len: usize,
    first: Option<char>,
) -> Result<u32, WordError> {
    let mut digits: String = first.into_iter().collect();
    while digits.len() < len
        && let Some(digit) = rest.next_if(|c| c.is_digit(radix))
    {
        digits.push(digit);
    }
    u32::from_str_radix(&digits, radix).ok().filter(|code| *code != 0).ok_or(WordError::Escape)
}
