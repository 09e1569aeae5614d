//! A panic restores the terminal before it is reported.

use std::panic;

use fdsp::ui::{Attention, Terminal};

use crate::pty::harness::Session;

const CHILD: &str = "pty::panic::child_panics_while_its_screen_is_shown";

#[test]
fn a_panic_is_reported_after_the_terminal_is_restored() {
    let this = std::env::current_exe().expect("a path");
    let home = tempfile::tempdir().expect("a folder");
    let arguments = ["--ignored", "--exact", CHILD, "--nocapture", "--test-threads=1"];
    let mut session = Session::start(&this.to_string_lossy(), &arguments, home.path(), (80, 24));
    session.wait_for("this is the report");
    assert_ne!(session.end().code, 0);
    session.assert_restored();
    let bytes = session.bytes();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.find("\x1b[?1049l") < text.find("this is the report"), "restored first");
    assert!(text.contains("screenful"), "it was shown: {text:?}");
    assert_eq!(text.matches("\x1b[?1049l").count(), 1, "and only once: {text:?}");
    let after = text.rsplit("\x1b[?1049l").next().unwrap_or_default();
    assert!(!after.contains("\x1b[?2026h"), "no frame after it: {after:?}");
    assert_eq!(text.matches("another thread").count(), 0, "not printed over the screen: {text:?}");
}

#[test]
#[ignore = "run by the test above, in a pseudo-terminal"]
fn child_panics_while_its_screen_is_shown() {
    let mut terminal =
        Terminal::open(false, Attention { title: true, ..Attention::default() }).expect("a terminal");
    terminal.draw(|frame| frame.render_widget("screenful", frame.area()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(terminal.written()).expect("the frame is written");
    // The panic finds this one on its way.
    terminal.draw(|frame| frame.render_widget("another screenful", frame.area()));
    let other = std::thread::spawn(|| panic::panic_any("in another thread"));
    assert!(other.join().is_err());
    panic!("this is the report");
}
