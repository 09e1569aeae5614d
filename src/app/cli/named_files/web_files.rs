//! Files of secrets and of checksums that options name: netrc, cookies, and lists of checksums.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use zeroize::Zeroizing;

use crate::{
    app::{
        cli::{
            Cli,
            environment::Environment,
            error::{UsageError, shown, wrong},
        },
        config,
    },
    client::{
        Cookies, Locator, MAX_COOKIES_LEN, MAX_NETRC_LEN, MAX_SUMS_LEN, Netrc, Sums, SumsAt, WebAddress,
    },
    text::{SafeText, without_number},
};

/// The file of `--netrc`, in the home folder.
const NETRC_FILE: &str = ".netrc";

impl Cli {
    /// The file with user names and passwords, if there is one.
    pub(crate) fn netrc_path(&self, environment: &Environment) -> Option<PathBuf> {
        match &self.client.netrc_file {
            Some(path) => Some(environment.directory.join(path)),
            None if self.client.netrc => config::below_home(NETRC_FILE),
            None => None,
        }
    }

    /// The file with cookies.
    pub(crate) fn cookies_path(&self, environment: &Environment) -> Option<PathBuf> {
        self.client.load_cookies.as_ref().map(|path| environment.directory.join(path))
    }

    pub(crate) fn netrc(&self, environment: &Environment) -> Result<Option<Arc<Netrc>>, UsageError> {
        let Some(path) = self.netrc_path(environment) else {
            return if self.client.netrc {
                wrong("there is no home folder with a .netrc file")
            } else {
                Ok(None)
            };
        };
        let content = read(&path, MAX_NETRC_LEN)?;
        let text = std::str::from_utf8(&content).map_err(|_| cannot_use(&path, "it is not UTF-8"))?;
        let netrc = Netrc::parse(text).map_err(|error| cannot_use(&path, &error.to_string()))?;
        Ok(Some(Arc::new(netrc)))
    }

    pub(crate) fn cookies(&self, environment: &Environment) -> Result<Option<Arc<Cookies>>, UsageError> {
        let Some(path) = self.cookies_path(environment) else { return Ok(None) };
        let content = read(&path, MAX_COOKIES_LEN)?;
        let cookies = Cookies::parse(&content).map_err(|error| cannot_use(&path, &error.to_string()))?;
        Ok(Some(Arc::new(cookies)))
    }

    /// The list of checksums that is named. A local list is read once here, so that a wrong one is an error before anything is fetched.
    pub(crate) fn sums(&self, environment: &Environment) -> Result<Option<SumsAt>, UsageError> {
        let Some(given) = &self.client.checksum_file else {
            return Ok(None);
        };
        if WebAddress::is_meant(given) {
            let address = Locator::parse(given)
                .map_err(|error| UsageError(format!("the address of --checksum-file: {error}")))?;
            return Ok(Some(SumsAt::Web(address)));
        }
        if given.contains("://") {
            return wrong("--checksum-file is a file, or an address with http:// or https://");
        }
        let path = environment.directory.join(given);
        let at = SumsAt::File(path.clone());
        let content = read(&path, MAX_SUMS_LEN)?;
        match Sums::parse(&content, given) {
            Ok(_) => Ok(Some(at)),
            Err(error) => wrong(format!("'{}' {error}", SafeText::from_path(&path))),
        }
    }
}

/// All of a file of at most `max` bytes; one byte more of a larger one.
fn read(path: &Path, max: usize) -> Result<Zeroizing<Vec<u8>>, UsageError> {
    let mut content = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(max as u64 + 1).read_to_end(&mut content));
    match read {
        Ok(_) => Ok(content),
        Err(error) => wrong(format!(
            "cannot read '{}': {}",
            shown(path.as_os_str()),
            without_number(&error.to_string())
        )),
    }
}

fn cannot_use(path: &Path, reason: &str) -> UsageError {
    UsageError(format!("cannot use '{}': {reason}", shown(path.as_os_str())))
}
