//! How plain data of other modules is written by serde: values by their text, paths with any bytes.

use std::{
    borrow::Cow,
    fmt::Display,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::protocol::message::Missing;

/// Whether a member need not be written.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A value by its text.
pub(super) mod text {
    use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// A value by its text, if there is one.
pub(super) mod optional_text {
    use super::{Deserialize, Deserializer, Display, Error, FromStr, Serialize, Serializer};

    pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(T::to_string).serialize(serializer)
    }

    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// A local path: its text, or its bytes in hex where they are not UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum LocalPath<'a> {
    Text(Cow<'a, str>),
    Bytes { hex: String },
}

impl<'a> From<&'a Path> for LocalPath<'a> {
    fn from(path: &'a Path) -> LocalPath<'a> {
        match path.to_str() {
            Some(text) => LocalPath::Text(text.into()),
            None => LocalPath::Bytes { hex: hex::encode(path.as_os_str().as_encoded_bytes()) },
        }
    }
}

impl LocalPath<'_> {
    fn read<E: Error>(self) -> Result<PathBuf, E> {
        use std::{ffi::OsString, os::unix::ffi::OsStringExt};
        let bytes = match self {
            LocalPath::Text(text) => text.into_owned().into_bytes(),
            LocalPath::Bytes { hex } => hex::decode(hex).map_err(|_| E::custom("a path that is not hex"))?,
        };
        if bytes.contains(&0) {
            return Err(E::custom("a path with a NUL"));
        }
        Ok(OsString::from_vec(bytes).into())
    }
}

/// A local path.
pub(super) mod path {
    use super::{Deserialize, Deserializer, LocalPath, Path, PathBuf, Serialize, Serializer};

    pub fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        LocalPath::from(path).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        LocalPath::deserialize(from)?.read()
    }
}

/// A folder, which is absolute.
pub(super) mod folder {
    use super::{Deserializer, Error, PathBuf};

    pub use super::path::serialize;

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
        let folder = super::path::deserialize(from)?;
        let is_absolute = folder.is_absolute();
        is_absolute.then_some(folder).ok_or_else(|| D::Error::custom("its folder is not an absolute path"))
    }
}

/// A local path, if there is one.
pub(super) mod optional_path {
    use super::{Deserialize, Deserializer, LocalPath, PathBuf, Serialize, Serializer};

    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_deref().map(LocalPath::from).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        Option::<LocalPath<'_>>::deserialize(from)?.map(LocalPath::read).transpose()
    }
}

/// Local paths.
pub(crate) mod paths {
    use super::{Deserialize, Deserializer, LocalPath, PathBuf, Serializer};

    pub fn serialize<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(paths.iter().map(|path| LocalPath::from(path.as_path())))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PathBuf>, D::Error> {
        Vec::<LocalPath<'_>>::deserialize(from)?.into_iter().map(LocalPath::read).collect()
    }
}

/// Reads a digest in hex.
pub(super) fn digest<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then_some(text).ok_or_else(|| D::Error::custom("its BLAKE3 is not hex"))
}

/// Reads missing entries, of which a bounded number is named.
pub(super) fn missing<'de, D: Deserializer<'de>>(from: D) -> Result<Missing, D::Error> {
    let mut missing = Missing::default();
    missing.merge(&Missing::deserialize(from)?);
    Ok(missing)
}
