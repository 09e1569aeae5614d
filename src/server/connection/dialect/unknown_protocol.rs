//! The answer to a client that speaks another protocol.

const SECURE: &str = "this is an fdsp server; fetch from it with: tui fdsp://HOST:PORT/PATH\n";
const PLAIN: &str = "this is an fdsp server; fetch from it with: tui fdsp+plain://HOST:PORT/PATH\n";

/// For the log.
pub(crate) fn name(first_bytes: &[u8]) -> &'static str {
    if first_bytes.starts_with(b"SSH-") { "an SSH client" } else { "not an fdsp client" }
}

/// The answer to the client: a sentence for its user.
pub(crate) fn sentence(tls: bool) -> &'static str {
    if tls { SECURE } else { PLAIN }
}
