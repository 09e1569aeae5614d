//! A request for a job, before it is in a queue.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    client::api::{
        address::{locator::Locator, web_header::WebHeader},
        content::{checksum::Checksum, described::Described, proof::DigestBy, sums::SumsAt},
        serial::{self, is_default},
        speak::Speak,
    },
    protocol::message,
};

/// Earlier places of a job that are remembered.
const MAX_EARLIER: usize = 8;

/// The form in which a content is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A file as itself, a directory as a zip archive.
    #[default]
    Auto,
    /// A file as itself; a directory is refused.
    File,
    /// A directory as a zip archive; a file is refused.
    Zip,
    /// A directory as itself, and a file as well.
    Tree,
}

impl Form {
    /// What to ask the server for.
    pub(crate) fn on_the_wire(self) -> message::Form {
        match self {
            Form::Auto => message::Form::Auto,
            Form::File | Form::Tree => message::Form::File,
            Form::Zip => message::Form::Zip,
        }
    }
}

/// What to do when the target exists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Existing {
    /// Done if it is byte-identical, else an error.
    #[default]
    Keep,
    /// Replace it, once the new one is complete.
    Overwrite,
    /// Save as `name (1).ext` and so on.
    Rename,
    /// Update it to the server's version, receiving only the blocks that differ; it is replaced once all are received.
    Update,
}

/// A job to queue. Its target is decided here, not when it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewJob {
    /// What to fetch.
    pub address: Locator,
    /// Which protocol to use.
    #[serde(rename = "protocol", default, skip_serializing_if = "is_default")]
    pub speak: Speak,
    /// The form.
    #[serde(rename = "as", default, skip_serializing_if = "is_default")]
    pub form: Form,
    /// The folder to save in (absolute).
    #[serde(with = "serial::folder")]
    pub folder: PathBuf,
    /// The name to save as, relative to `folder` or absolute; the server's (sanitised) if absent.
    #[serde(with = "serial::optional_path", default, skip_serializing_if = "Option::is_none")]
    pub save_as: Option<PathBuf>,
    /// When the target exists.
    #[serde(default, skip_serializing_if = "is_default")]
    pub existing: Existing,
    /// To verify.
    #[serde(with = "serial::optional_text", default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Where its checksum is listed, if none is given.
    #[serde(rename = "checksum-file", default, skip_serializing_if = "Option::is_none")]
    pub sums: Option<SumsAt>,
    /// Header fields for the web server of the address alone, which may be secrets.
    #[serde(default, skip_serializing_if = "is_default")]
    pub headers: Vec<WebHeader>,
    /// Whether to unpack it, if it is a zip archive.
    #[serde(default, skip_serializing_if = "is_default")]
    pub extract: bool,
    /// Other addresses of the same content, the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<Locator>,
    /// What the metalink says of it, if it is of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub described: Option<Box<Described>>,
    /// Its size in a listing of the server; the server's answer replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<u64>,
    /// Where it was requested from and saved before the user changed that, the last one at the end: the partial file may still be there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub earlier: Vec<Earlier>,
}

/// Where a job was requested from, and where it was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// See [`NewJob::address`].
    pub address: Locator,
    /// See [`NewJob::folder`].
    #[serde(with = "serial::folder")]
    pub folder: PathBuf,
    /// See [`NewJob::save_as`].
    #[serde(with = "serial::optional_path", default, skip_serializing_if = "Option::is_none")]
    pub save_as: Option<PathBuf>,
    /// See [`NewJob::existing`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub existing: Existing,
}

impl NewJob {
    /// A download into a folder (absolute), under the server's name; an existing target is kept.
    pub fn new(address: Locator, folder: impl Into<PathBuf>) -> NewJob {
        NewJob {
            address,
            speak: Speak::V1,
            form: Form::Auto,
            folder: folder.into(),
            save_as: None,
            existing: Existing::Keep,
            checksum: None,
            sums: None,
            headers: Vec::new(),
            extract: false,
            mirrors: Vec::new(),
            described: None,
            listed: None,
            earlier: Vec::new(),
        }
    }

    /// Notes where it is requested from and saved, before that changes.
    pub(crate) fn note_earlier(&mut self) {
        let NewJob { address, folder, save_as, existing, .. } = self;
        let (address, folder) = (address.clone(), folder.clone());
        self.earlier.push(Earlier { address, folder, save_as: save_as.clone(), existing: *existing });
        if self.earlier.len() > MAX_EARLIER {
            self.earlier.remove(0);
        }
    }

    /// Requests it from another address. What is displayed of an address has no token and no password, and neither may the new one: of the
    /// same server they stay. Header fields belong to the server that they were given for.
    pub(crate) fn readdress(&mut self, mut address: Locator) {
        let before = self.address.server();
        address.complete(&before);
        if !address.is_at_server_of(&self.address) {
            self.headers.clear();
        }
        self.address = address;
    }

    /// The job as it was at an earlier time.
    pub(crate) fn at(&self, earlier: &Earlier) -> NewJob {
        let Earlier { address, folder, save_as, existing } = earlier.clone();
        NewJob { address, folder, save_as, existing, earlier: Vec::new(), ..self.clone() }
    }

    /// The digest that the content must have, and whose it is.
    pub(crate) fn digest(&self) -> Option<(&Checksum, DigestBy)> {
        let by_user = self.checksum.as_ref().map(|digest| (digest, DigestBy::User));
        by_user.or_else(|| Some((self.described.as_ref()?.digest.as_ref()?, DigestBy::Metalink)))
    }

    /// All addresses of the content.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Locator> {
        std::iter::once(&self.address).chain(&self.mirrors)
    }

    /// Whether both would write to the same place from the same source, in whatever way they are allowed to.
    pub(crate) fn is_same_as(&self, other: &NewJob) -> bool {
        // A file that is called one in a listing is what was asked for without that knowledge.
        let form = |form| if form == Form::File { Form::Auto } else { form };
        self.address.path() == other.address.path()
            && self.address.host() == other.address.host()
            && self.folder == other.folder
            && self.save_as == other.save_as
            && form(self.form) == form(other.form)
    }

    /// What form to ask the server for. The served folder is a directory, whatever a server says.
    pub(crate) fn asked_form(&self) -> message::Form {
        match self.form {
            _ if !self.address.has_directories() => message::Form::File,
            Form::Auto if self.address.is_root() => message::Form::Zip,
            form => form.on_the_wire(),
        }
    }
}
