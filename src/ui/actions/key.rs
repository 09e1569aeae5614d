//! A key with its modifiers, its name in the configuration and its form on the screen.

use std::{fmt, str::FromStr};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key press, in one form for what terminals report in several: a shifted letter is the capital
/// without a modifier, Shift-Tab is Tab with Shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// The text names no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no key; write a character, or one of {names}, with ctrl-, alt- or shift- before it", names = NAMED_LIST)]
pub struct NoSuchKey(pub String);

/// Names of keys that are no characters.
const NAMED: &[(&str, KeyCode)] = &[
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
];
const NAMED_LIST: &str = "enter, esc, tab, space, backspace, delete, insert, up, down, left, right, home, \
                          end, pageup, pagedown, f1 to f12";

impl Key {
    /// A key in its one form.
    pub fn new(code: KeyCode, modifiers: KeyModifiers) -> Key {
        let modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        match code {
            KeyCode::BackTab => Key { code: KeyCode::Tab, modifiers: modifiers | KeyModifiers::SHIFT },
            KeyCode::Char(letter) if modifiers.contains(KeyModifiers::CONTROL) => {
                // Most terminals cannot distinguish Ctrl-Shift-X from Ctrl-X.
                let modifiers = modifiers - KeyModifiers::SHIFT;
                Key { code: KeyCode::Char(letter.to_ascii_lowercase()), modifiers }
            }
            KeyCode::Char(letter) if modifiers.contains(KeyModifiers::SHIFT) => {
                let mut upper = letter.to_uppercase();
                let letter = match (upper.next(), upper.next()) {
                    (Some(single), None) => single,
                    _ => letter,
                };
                Key { code: KeyCode::Char(letter), modifiers: modifiers - KeyModifiers::SHIFT }
            }
            _ => Key { code, modifiers },
        }
    }

    /// A press of it.
    pub fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }

    /// Whether pressing it types a character.
    pub fn is_text(self) -> bool {
        matches!(self.code, KeyCode::Char(_)) && self.modifiers.is_empty()
    }

    /// The form on the screen: `^C`, `Space`, `↑` (`Up` if `ascii`).
    pub fn label(self, ascii: bool) -> String {
        let mut label = String::new();
        if self.modifiers.contains(KeyModifiers::ALT) {
            label.push_str("Alt-");
        }
        if self.modifiers.contains(KeyModifiers::SHIFT) {
            label.push_str("Shift-");
        }
        let control = self.modifiers.contains(KeyModifiers::CONTROL);
        match self.code {
            KeyCode::Char(' ') if control => label.push_str("^Space"),
            KeyCode::Char(' ') => label.push_str("Space"),
            KeyCode::Char(letter) if control => {
                label.push('^');
                label.push(letter.to_ascii_uppercase());
            }
            KeyCode::Char(letter) => label.push(letter),
            code => {
                if control {
                    label.push_str("Ctrl-");
                }
                label.push_str(&match code {
                    KeyCode::Up if !ascii => "↑".to_owned(),
                    KeyCode::Down if !ascii => "↓".to_owned(),
                    KeyCode::Left if !ascii => "←".to_owned(),
                    KeyCode::Right if !ascii => "→".to_owned(),
                    KeyCode::PageUp => "PgUp".to_owned(),
                    KeyCode::PageDown => "PgDn".to_owned(),
                    KeyCode::Delete => "Del".to_owned(),
                    KeyCode::F(number) => format!("F{number}"),
                    other => {
                        let mut name = name_of(other).to_owned();
                        if let Some(first) = name.get_mut(..1) {
                            first.make_ascii_uppercase();
                        }
                        name
                    }
                });
            }
        }
        label
    }
}

fn name_of(code: KeyCode) -> &'static str {
    NAMED.iter().find(|(_, named)| *named == code).map_or("unknown", |(name, _)| name)
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Key {
        Key::new(event.code, event.modifiers)
    }
}

/// The name in the configuration, which [`Key::from_str`] reads.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        match self.code {
            KeyCode::Char(' ') => f.write_str("space"),
            KeyCode::Char(letter) => write!(f, "{letter}"),
            KeyCode::F(number) => write!(f, "f{number}"),
            code => f.write_str(name_of(code)),
        }
    }
}

impl FromStr for Key {
    type Err = NoSuchKey;

    fn from_str(text: &str) -> Result<Key, NoSuchKey> {
        let unknown = || NoSuchKey(text.chars().take(40).collect());
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        'modifiers: loop {
            for (name, modifier) in [
                ("ctrl-", KeyModifiers::CONTROL),
                ("alt-", KeyModifiers::ALT),
                ("shift-", KeyModifiers::SHIFT),
            ] {
                // `get` because the text may be anything, also in the middle of a character.
                if rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                    && rest.len() > name.len()
                {
                    modifiers |= modifier;
                    rest = &rest[name.len()..];
                    continue 'modifiers;
                }
            }
            break;
        }
        let mut characters = rest.chars();
        if let (Some(single), None) = (characters.next(), characters.next()) {
            return match single {
                ' ' => Err(unknown()),
                single if single.is_control() => Err(unknown()),
                single => Ok(Key::new(KeyCode::Char(single), modifiers)),
            };
        }
        let lower = rest.to_ascii_lowercase();
        if let Some((_, code)) = NAMED.iter().find(|(name, _)| *name == lower) {
            return Ok(Key::new(*code, modifiers));
        }
        let number = lower.strip_prefix('f').and_then(|digits| digits.parse::<u8>().ok());
        match number {
            Some(number @ 1..=12) => Ok(Key::new(KeyCode::F(number), modifiers)),
            _ => Err(unknown()),
        }
    }
}
