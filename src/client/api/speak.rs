//! The protocols of a server.

use serde::{Deserialize, Serialize};

use crate::protocol::classic::Dialect;

/// Which protocol to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speak {
    /// This program's protocol.
    #[default]
    V1,
    /// A dialect of the original programs.
    Classic(Dialect),
}
