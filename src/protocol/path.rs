//! Paths of the served folder, as requests name them.

/// Most bytes of a path.
pub const MAX_PATH: usize = 4096;
/// Most bytes of one segment.
pub const MAX_SEGMENT: usize = 255;

/// A path beneath the served folder: normal segments only, none of them empty, `.` or `..`.
/// The empty path is the folder itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RemotePath {
    joined: String,
}

/// The text is no path of a served folder: it holds `..` or NUL, or is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Over [`MAX_PATH`] bytes, or a segment over [`MAX_SEGMENT`].
    #[error("the path is too long")]
    TooLong,
    /// A `..` segment.
    #[error("a path may not contain '..'")]
    Parent,
    /// A NUL byte.
    #[error("a path may not contain a NUL byte")]
    Nul,
}

impl RemotePath {
    /// Reads a path; a leading `/` and empty or `.` segments are dropped.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &str) -> Result<RemotePath, PathError> {
        if text.len() > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if text.contains('\0') {
            return Err(PathError::Nul);
        }
        let mut joined = String::with_capacity(text.len());
        for segment in text.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
            match segment {
                ".." => return Err(PathError::Parent),
                long if long.len() > MAX_SEGMENT => return Err(PathError::TooLong),
                _ => {
                    if !joined.is_empty() {
                        joined.push('/');
                    }
                    joined.push_str(segment);
                }
            }
        }
        Ok(RemotePath { joined })
    }

    /// The segments joined by `/`, with none at either end.
    pub fn as_str(&self) -> &str {
        &self.joined
    }

    /// Whether this is the served folder itself.
    pub fn is_root(&self) -> bool {
        self.joined.is_empty()
    }

    /// The last segment; `None` for the root.
    pub fn name(&self) -> Option<&str> {
        self.joined.rsplit('/').next().filter(|name| !name.is_empty())
    }
}

impl std::fmt::Display for RemotePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "/{}", self.joined)
    }
}
