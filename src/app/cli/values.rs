//! Values of options that are not settings.

use std::convert::Infallible;

use crate::{
    client::{Checksum, ChecksumError},
    protocol::trust::token::{Token, TokenError},
};

pub(super) fn checksum(text: &str) -> Result<Checksum, ChecksumError> {
    text.parse()
}

/// A token argument. An error message must not repeat the token, as clap's would.
#[derive(Clone, Debug)]
pub struct TokenArg(pub Result<Token, TokenError>);

pub(super) fn token(text: &str) -> Result<TokenArg, Infallible> {
    Ok(TokenArg(Token::parse(text)))
}
