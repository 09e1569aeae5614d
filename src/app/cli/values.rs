//! Values of options that are not settings.

use std::convert::Infallible;

use crate::{
    client::{Checksum, ChecksumError},
    protocol::trust::token::{Token, TokenError},
};

pub(super) fn checksum(text: &str) -> Result<Checksum, ChecksumError> {
    text.parse()
}

/// A token as it was typed: what is wrong with one must not repeat it, as clap would.
#[derive(Clone, Debug)]
pub struct Typed(pub Result<Token, TokenError>);

pub(super) fn token(text: &str) -> Result<Typed, Infallible> {
    Ok(Typed(Token::parse(text)))
}
