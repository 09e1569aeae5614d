//! The answer to a client that speaks another protocol.

const SECURE: &str = "this is an fdsp server; fetch from it with: tui fdsp://HOST:PORT/PATH\n";
const PLAIN: &str = "this is an fdsp server; fetch from it with: tui fdsp+plain://HOST:PORT/PATH\n";

/// For the log.
pub(crate) fn name(first_bytes: &[u8]) -> &'static str {
    if is_http(first_bytes) {
        "an HTTP client"
    } else if first_bytes.starts_with(b"SSH-") {
        "an SSH client"
    } else {
        "not an fdsp client"
    }
}

/// The answer to the client: a sentence for its user.
pub(crate) fn sentence(first_bytes: &[u8], tls: bool) -> String {
    let sentence = if tls { SECURE } else { PLAIN };
    if is_http(first_bytes) {
        format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{sentence}",
            sentence.len()
        )
    } else {
        sentence.to_owned()
    }
}

fn is_http(first_bytes: &[u8]) -> bool {
    const METHODS: [&[u8]; 9] =
        [b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"CONNECT ", b"PATCH ", b"PRI * "];
    METHODS.iter().any(|method| first_bytes.starts_with(method))
}
