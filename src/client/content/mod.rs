//! A content as its source describes it, and which of its blocks are verified.

pub(crate) mod blocks;
pub(crate) mod high_water;

use serde::{Deserialize, Serialize};

use crate::{
    client::{
        api::{
            address::locator::Locator, content::checksum::Checksum, content::origin::Origin, question::Facts,
            serial::is_default,
        },
        error::Fault,
    },
    protocol::message::{Form, Sources, Timestamp},
};

/// What a source announces of a content. Its JSON is in the journal of a partial file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    /// Where it comes from, to be displayed: origin, identity and hashes decide, not the address.
    pub(crate) address: String,
    /// The name that the source has for it.
    #[serde(skip)]
    pub(crate) name: String,
    /// The server that announced it, and that proves the blocks.
    #[serde(default)]
    pub(crate) origin: Origin,
    /// Changes when the content may have changed; empty if the source has none.
    pub(crate) identity: String,
    pub(crate) form: Form,
    pub(crate) size: Option<u64>,
    pub(crate) sources: Option<Sources>,
    pub(crate) modified: Option<Timestamp>,
    /// Bytes of a file that are not in holes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) data_bytes: Option<u64>,
    /// How it can be requested.
    #[serde(default, skip_serializing_if = "is_default")]
    pub(crate) access: Access,
    /// The digest of all of it, as the source announces it beside its blocks.
    #[serde(skip)]
    pub(crate) digest: Option<Checksum>,
    /// Whether it is a metalink, which names where the content is.
    #[serde(skip)]
    pub(crate) is_metalink: bool,
}

/// How a content can be requested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    /// Any ranges, on several connections at the same time.
    #[default]
    Ranges,
    /// On one connection: the source cannot send a part, or nothing shows that two parts are of one version.
    Sequential,
}

impl Content {
    /// Whether a source that announces this has the same version of the content.
    pub(crate) fn is_same_as(&self, identity: &str, size: Option<u64>) -> bool {
        self.identity == identity && (self.size.is_none() || size.is_none() || self.size == size)
    }

    /// Its size and time.
    pub(crate) fn facts(&self) -> Facts {
        Facts { size: self.size, modified: self.modified }
    }

    /// Adds to an error about an existing target that differs what this content is.
    pub(crate) fn describe(&self, fault: Fault) -> Fault {
        fault.compared_with(self.facts(), self.form == Form::Zip)
    }

    /// Whether it comes from this address.
    pub(crate) fn is_from(&self, address: &Locator) -> bool {
        Locator::parse(&self.address).is_ok_and(|known| known.is_same_as(address))
    }
}
