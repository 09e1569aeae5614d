//! Progress bars without the screen, interrupted from the keyboard.

use crate::pty::{
    downloads::Server,
    harness::{Session, TUI},
};

#[test]
fn an_interruption_clears_the_progress_bars() {
    let (server, home) = (Server::start(), tempfile::tempdir().expect("a folder"));
    let arguments = ["--headless", "-H", "127.0.0.1", "-P", &server.port, "--plain", "--limit", "20M"];
    for files in [&["large.bin"][..], &["large.bin", "other.bin"]] {
        let mut session = Session::start(TUI, &[&arguments[..], files].concat(), home.path(), (80, 24));
        session.wait("bars", |screen| screen.contents().matches(" MB/s").count() == files.len());
        session.send("\x03");
        assert_eq!(session.end().code, 130);
        session.wait_for("partial files are kept: the same command resumes them");
        let text = session.contents();
        assert!(!text.contains("MB/s") && !text.contains('█') && !text.contains("^C"), "{text}");
    }
}
