//! Paths of the served folder, as requests name them.

use std::{borrow::Cow, cmp::Ordering};

pub use crate::text::odd_name;

/// The maximum length of a path in bytes.
pub const MAX_PATH: usize = 4096;
/// The maximum length of a segment in bytes.
pub const MAX_SEGMENT: usize = 255;

/// A path beneath the served folder: normal segments only, none of them empty, `.` or `..`.
/// The empty path is the folder itself. Names that are not UTF-8 are written as [`odd_name`] has them.
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
    /// A NUL byte that does not begin the escape of a byte that is not UTF-8.
    #[error("a path may not contain a NUL byte")]
    Nul,
}

impl RemotePath {
    /// Reads a path; a leading `/` and empty or `.` segments are dropped.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(text: &str) -> Result<RemotePath, PathError> {
        if length(text) > MAX_PATH {
            return Err(PathError::TooLong);
        }
        if odd_name::to_bytes(text).is_none() {
            return Err(PathError::Nul);
        }
        let mut joined = String::with_capacity(text.len());
        for segment in text.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
            match segment {
                ".." => return Err(PathError::Parent),
                long if length(long) > MAX_SEGMENT => return Err(PathError::TooLong),
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

    /// The path as it is on the server's disk.
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        odd_name::to_bytes(&self.joined).unwrap_or(Cow::Borrowed(self.joined.as_bytes()))
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

/// Bytes of a path or segment.
pub fn length(text: &str) -> usize {
    if odd_name::is_escaped(text) { odd_name::bytes(text).count() } else { text.len() }
}

/// Whether this is a path as [`RemotePath`] writes it: segments joined by single `/`, none of them `.` or `..`. The
/// empty text is not one.
pub fn is_normal(text: &str) -> bool {
    length(text) <= MAX_PATH && odd_name::to_bytes(text).is_some() && text.split('/').all(is_segment)
}

fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && !text.contains('/') && length(text) <= MAX_SEGMENT
}

/// The order of a tree: by the bytes of the segments, and each directory directly before what is in it.
pub fn compare(a: &str, b: &str) -> Ordering {
    // No segment contains a NUL.
    let low = |byte: u8| if byte == b'/' { 0 } else { byte };
    odd_name::bytes(a).map(low).cmp(odd_name::bytes(b).map(low))
}

/// Whether a path is beneath a directory, at any depth; the empty path is that of all.
pub fn is_beneath(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/') && rest.len() > 1)
}

/// Whether the link at `path` may have this target in a tree: a relative path of at most [`MAX_PATH`] bytes that has
/// `..` only at its beginning, and no more of them than there are directories of the tree above the link's own. If
/// that is so of all links of a tree none of them leads out, whichever of them it goes through.
pub fn is_target(path: &str, target: &str) -> bool {
    let is_text = || odd_name::to_bytes(target).is_some();
    if target.is_empty() || length(target) > MAX_PATH || target.starts_with('/') || !is_text() {
        return false;
    }
    let mut above = path.bytes().filter(|&byte| byte == b'/').count();
    let mut down = false;
    target.split('/').all(|segment| match segment {
        "" | "." => true,
        ".." if down || above == 0 => false,
        ".." => {
            above -= 1;
            true
        }
        name => {
            down = true;
            length(name) <= MAX_SEGMENT
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, PathError> {
        RemotePath::parse(text).map(|path| path.as_str().to_owned())
    }

    #[test]
    fn redundant_parts_of_a_path_are_dropped() {
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
    fn invalid_paths_are_rejected() {
        for text in ["..", "../a", "a/..", "a/../b", "/.."] {
            assert_eq!(read(text), Err(PathError::Parent), "{text:?}");
        }
        for text in ["a\0b", "\0", "a/\x002E\x002E/b", "a\x002Fb", "\0C3\0A9", "\0e9"] {
            assert_eq!(read(text), Err(PathError::Nul), "{text:?}");
        }
        assert_eq!(read(&"x".repeat(256)), Err(PathError::TooLong));
        assert_eq!(read(&"é".repeat(128)), Err(PathError::TooLong));
        assert_eq!(read(&"x/".repeat(2049)), Err(PathError::TooLong));
        assert!(read(&"x/".repeat(2048)).is_ok());
        assert!(read(&"x".repeat(255)).is_ok());
    }

    #[test]
    fn the_length_of_an_escaped_name_is_that_on_the_disk() {
        let name = "\0E9".repeat(255);
        let path = RemotePath::parse(&format!("a/{name}/")).expect("a path");
        assert_eq!((path.to_bytes().len(), path.name()), (257, Some(&*name)));
        assert!(is_normal(&name) && is_target("l", &name));
        let long = format!("{name}x");
        assert_eq!(read(&long), Err(PathError::TooLong));
        assert!(!is_normal(&long) && !is_target("l", &long));
        assert!(!is_normal("\0C3\0A9") && !is_target("l", "\0C3\0A9"), "a second spelling");
    }

    #[test]
    fn paths_are_ordered_by_their_bytes_on_the_disk() {
        let sorted = ["caf", "caf/x", "cafz", "caf\0C3", "caf\0C3/x", "caf\0C3z", "café", "caf\0E9"];
        for (at, one) in sorted.iter().enumerate() {
            for (other_at, other) in sorted.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&other_at), "{one:?} {other:?}");
            }
        }
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
        fn a_parsed_path_is_normal(text in "([./a-cü\0]|\0[89A-F][0-9A-F]){0,40}") {
            if let Ok(path) = RemotePath::parse(&text) {
                let normal = |segment: &str| !matches!(segment, "" | "." | "..");
                prop_assert!(path.is_root() || path.as_str().split('/').all(normal));
                prop_assert!(path.is_root() || is_normal(path.as_str()));
                prop_assert_eq!(RemotePath::parse(&path.to_string()), Ok(path));
            }
        }
    }
}
