//! By what each side knows the other: the pin of a server's certificate, and the token of a client.

pub mod pin;
pub mod token;
pub mod token_proof;
