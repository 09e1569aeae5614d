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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, PathError> {
        RemotePath::parse(text).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn what_means_nothing_is_dropped() {
        for (text, path) in [
            ("", ""),
            ("/", ""),
            ("././/", ""),
            ("a/b", "a/b"),
            ("//a/./b//", "a/b"),
            ("a\\b", "a\\b"),
            ("..a/...", "..a/..."),
            ("-a b/ü\n", "-a b/ü\n"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(path), "{text:?}");
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["..", "../a", "a/..", "a/../b", "/.."] {
            assert_eq!(read(text), Err(PathError::Parent), "{text:?}");
        }
        assert_eq!(read("a\0b"), Err(PathError::Nul));
        assert_eq!(read(&"x".repeat(256)), Err(PathError::TooLong));
        assert_eq!(read(&"é".repeat(128)), Err(PathError::TooLong));
        assert_eq!(read(&"x/".repeat(2049)), Err(PathError::TooLong));
        assert!(read(&"x/".repeat(2048)).is_ok());
        assert!(read(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn names_are_last_segments() {
        let path = RemotePath::parse("/a/b/").expect("a path");
        assert_eq!((path.name(), path.is_root(), path.to_string().as_str()), (Some("b"), false, "/a/b"));
        let root = RemotePath::default();
        assert_eq!((root.name(), root.is_root(), root.to_string().as_str()), (None, true, "/"));
    }

    proptest! {
        #[test]
        fn what_was_read_is_normal(text in "[./a-cü\0]{0,40}") {
            if let Ok(path) = RemotePath::parse(&text) {
                let normal = |segment: &str| !matches!(segment, "" | "." | "..");
                prop_assert!(path.is_root() || path.as_str().split('/').all(normal));
                prop_assert_eq!(RemotePath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
