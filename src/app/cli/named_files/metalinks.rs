//! Metalinks that are local files among the arguments.

use std::{ffi::OsStr, fs::File, io::Read};

use crate::{
    app::cli::{
        environment::Environment,
        error::{UsageError, shown, wrong},
    },
    client::{
        metalink::{self, MetalinkFile},
        typed,
    },
    protocol::path::odd_name,
    text::without_number,
};

/// The files that an argument names, if it is the path of a metalink.
///
/// # Errors
/// It cannot be read, or is not one.
pub(crate) fn read(
    argument: &OsStr,
    environment: &Environment,
) -> Result<Option<Vec<MetalinkFile>>, UsageError> {
    let text = odd_name::to_text(argument.as_encoded_bytes());
    let path = environment.directory.join(argument);
    if typed::names_server(&text) || !metalink::is_named_so(&text) || !path.exists() {
        return Ok(None);
    }
    let (name, mut bytes) = (shown(argument), Vec::new());
    let read = File::open(path).and_then(|file| file.take(metalink::MAX_LEN + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > metalink::MAX_LEN => wrong(format!("'{name}' is larger than 16 MiB")),
        Ok(_) => match metalink::read(&bytes) {
            Ok(files) => Ok(Some(files)),
            Err(error) => wrong(format!("'{name}' is not a metalink that can be used: {error}")),
        },
        Err(error) => wrong(format!("cannot read '{name}': {}", without_number(&error.to_string()))),
    }
}
