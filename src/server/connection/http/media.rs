//! Media types by the ends of names, and how a browser is to treat them.

/// How files with one of some ends are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Media {
    pub media_type: &'static str,
    /// Whether a browser would run what is in it, with the rights of the page that lists the files. It is offered as a download.
    pub is_active: bool,
}

/// Ends of names, in lower case, and their types.
const PASSIVE: &[(&[&str], &str)] = &[
    (
        &[
            "txt", "log", "md", "csv", "ini", "conf", "toml", "yaml", "yml", "sha256", "b3", "diff", "patch",
            "rs", "c", "h", "py", "sh",
        ],
        "text/plain; charset=utf-8",
    ),
    (&["json"], "application/json"),
    (&["pdf"], "application/pdf"),
    (&["png"], "image/png"),
    (&["jpg", "jpeg"], "image/jpeg"),
    (&["gif"], "image/gif"),
    (&["webp"], "image/webp"),
    (&["avif"], "image/avif"),
    (&["ico"], "image/x-icon"),
    (&["mp4", "m4v"], "video/mp4"),
    (&["webm"], "video/webm"),
    (&["mkv"], "video/x-matroska"),
    (&["mov"], "video/quicktime"),
    (&["mp3"], "audio/mpeg"),
    (&["m4a"], "audio/mp4"),
    (&["ogg", "oga", "opus"], "audio/ogg"),
    (&["flac"], "audio/flac"),
    (&["wav"], "audio/wav"),
    (&["zip"], "application/zip"),
    (&["gz", "tgz"], "application/gzip"),
    (&["xz"], "application/x-xz"),
    (&["zst"], "application/zstd"),
    (&["bz2"], "application/x-bzip2"),
    (&["7z"], "application/x-7z-compressed"),
    (&["tar"], "application/x-tar"),
    (&["iso"], "application/x-iso9660-image"),
    (&["woff2"], "font/woff2"),
];
const ACTIVE: &[(&[&str], &str)] = &[
    (&["html", "htm", "shtml"], "text/html; charset=utf-8"),
    (&["xhtml", "xht"], "application/xhtml+xml"),
    (&["svg", "svgz"], "image/svg+xml"),
    (&["xml", "xsl", "xslt", "rss", "atom", "rdf", "mathml"], "application/xml"),
    (&["mhtml", "mht"], "multipart/related"),
    (&["js", "mjs"], "text/javascript; charset=utf-8"),
    (&["css"], "text/css; charset=utf-8"),
];

impl Media {
    /// Of a file with this name.
    pub fn of(name: &str) -> Media {
        let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
        let find = |table: &[(&[&str], &'static str)]| {
            table.iter().find(|(ends, _)| ends.contains(&end.as_str())).map(|(_, media_type)| *media_type)
        };
        match (find(PASSIVE), find(ACTIVE)) {
            (Some(media_type), _) => Media { media_type, is_active: false },
            (None, Some(media_type)) => Media { media_type, is_active: true },
            (None, None) => Media { media_type: "application/octet-stream", is_active: false },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_would_run_is_active() {
        for name in ["a.html", "B.HTM", "x.svg", "y.xml", "z.tar.xhtml"] {
            assert!(Media::of(name).is_active, "{name}");
        }
        for (name, media_type) in [
            ("a.txt", "text/plain; charset=utf-8"),
            ("A.JPG", "image/jpeg"),
            ("html", "application/octet-stream"),
            ("a.unknown", "application/octet-stream"),
            ("", "application/octet-stream"),
        ] {
            assert_eq!(Media::of(name), Media { media_type, is_active: false });
        }
    }
}
