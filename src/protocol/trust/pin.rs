//! Pins: the digest of a server's certificate, by which an address names the one server that is meant.

use std::{fmt, str::FromStr};

/// The prefix of the digits.
const PREFIX: &str = "sha256:";

/// The SHA-256 of a certificate as it is sent (DER). `Display` gives the form that `parse` reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

/// It is no pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is written sha256: and the 64 hex digits of the certificate's SHA-256")]
pub struct PinError;

impl Pin {
    /// Reads `sha256:` and 64 hex digits.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Pin, PinError> {
        let prefix = text.get(..PREFIX.len()).filter(|prefix| prefix.eq_ignore_ascii_case(PREFIX));
        let digits = prefix.and_then(|_| text.get(PREFIX.len()..)).ok_or(PinError)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| PinError)?;
        Ok(Pin(bytes))
    }
}

impl FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Pin, PinError> {
        Pin::parse(text)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use crate::protocol::trust::pin::*;

    #[test]
    fn a_pin_is_parsed_as_it_is_shown() {
        let pin = Pin(std::array::from_fn(|index| (index * 9) as u8));
        let text = pin.to_string();
        assert_eq!(text.len(), 7 + 64);
        assert_eq!(Pin::parse(&text), Ok(pin));
        assert_eq!(Pin::parse(&text.to_uppercase()), Ok(pin));
    }

    #[test]
    fn any_other_text_is_not_a_pin() {
        let digits = "0".repeat(64);
        for text in [
            String::new(),
            "sha256:".into(),
            digits.clone(),
            format!("sha1:{digits}"),
            format!("sha256:{digits}0"),
            format!("sha256:{}", &digits[1..]),
            format!("sha256:{}", digits.replacen("00", "+0", 1)),
            format!("sha256:{}", "ü".repeat(32)),
            "shä256:".into(),
        ] {
            assert_eq!(Pin::parse(&text), Err(PinError), "{text}");
        }
    }
}
