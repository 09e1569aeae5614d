//! A program in a pseudo-terminal: its keys, its screen, its signals, its end.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};

/// The maximum time of any wait, on the slowest machine.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// What says which terminal it is, besides TERM.
const TERMINAL_VARIABLES: [&str; 11] = [
    "TERM_PROGRAM",
    "TERM_FEATURES",
    "TMUX",
    "STY",
    "ZELLIJ",
    "VTE_VERSION",
    "PTYXIS_VERSION",
    "WT_SESSION",
    "ConEmuANSI",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
];

/// The path of the binary.
pub const TUI: &str = env!("CARGO_BIN_EXE_tui");

/// The output of the program so far.
struct Output {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
    /// Whether nothing more is read.
    stalled: bool,
}

/// A program in a pseudo-terminal.
pub struct Session {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    output: Arc<(Mutex<Output>, Condvar)>,
}

impl Session {
    /// Starts a program in a window of this size. `home` is where it keeps its state.
    pub fn start(program: &str, arguments: &[&str], home: &Path, size: (u16, u16)) -> Session {
        Session::start_on(Some("xterm-256color"), program, arguments, home, size)
    }

    /// The same with another TERM, or without one.
    pub fn start_on(
        term: Option<&str>,
        program: &str,
        arguments: &[&str],
        home: &Path,
        size: (u16, u16),
    ) -> Session {
        Session::start_with("never", term, program, arguments, home, size)
    }

    /// The same with this setting of what becomes of downloads that run when the screen is left.
    pub fn start_with(
        background: &str,
        term: Option<&str>,
        program: &str,
        arguments: &[&str],
        home: &Path,
        (columns, rows): (u16, u16),
    ) -> Session {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(home);
        command.env("HOME", home);
        for name in ["XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
            command.env(name, home);
        }
        match term {
            Some(term) => command.env("TERM", term),
            None => command.env_remove("TERM"),
        }
        command.env("LC_ALL", "C.UTF-8");
        // The terminal and the multiplexer that the tests may run in.
        for name in TERMINAL_VARIABLES {
            command.env_remove(name);
        }
        command.env_remove("NO_COLOR");
        // Otherwise each test whose downloads run would leave a process behind.
        command.env("FDSP_CLIENT_BACKGROUND", background);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let parser = vt100::Parser::new(rows, columns, 0);
        let output = Arc::new((
            Mutex::new(Output { parser, bytes: Vec::new(), ended: false, stalled: false }),
            Condvar::new(),
        ));
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let shared = Arc::clone(&output);
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            loop {
                let count = reader.read(&mut buffer).unwrap_or(0);
                let output = lock(&shared.0);
                let output = shared.1.wait_while(output, |output| output.stalled);
                let mut output = output.unwrap_or_else(PoisonError::into_inner);
                output.parser.process(&buffer[..count]);
                output.bytes.extend_from_slice(&buffer[..count]);
                output.ended = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer().expect("a writer");
        Session { master: pair.master, writer, child, output }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        let writer = &mut self.writer;
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("the terminal takes keys");
    }

    /// Answers the question about a server. An answer counts only after the question was drawn: the
    /// hint after an empty answer shows that it was.
    pub fn answer(&mut self, text: &str) {
        self.send("\r");
        self.wait_for("Type yes or no");
        self.send(text);
    }

    /// Stops reading the output of the program, like a stalled link, or resumes.
    pub fn stall(&self, stalled: bool) {
        lock(&self.output.0).stalled = stalled;
        self.output.1.notify_all();
    }

    /// Waits until the screen satisfies a condition.
    pub fn wait(&self, what: &str, is: impl Fn(&vt100::Screen) -> bool) {
        let (output, changed) = &*self.output;
        let guard = lock(output);
        let (output, timeout) = changed
            .wait_timeout_while(guard, MAX_WAIT, |output| !is(output.parser.screen()) && !output.ended)
            .unwrap_or_else(PoisonError::into_inner);
        let screen = output.parser.screen();
        assert!(is(screen), "{what}: not so (timed out: {}):\n{}", timeout.timed_out(), screen.contents());
    }

    /// Waits until the screen shows a text.
    pub fn wait_for(&self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// The screen's text.
    pub fn contents(&self) -> String {
        lock(&self.output.0).parser.screen().contents()
    }

    /// All bytes so far.
    pub fn bytes(&self) -> Vec<u8> {
        lock(&self.output.0).bytes.clone()
    }

    /// The bytes that are received within a time.
    pub fn bytes_within(&self, time: Duration) -> Vec<u8> {
        let (output, changed) = &*self.output;
        let guard = lock(output);
        let before = guard.bytes.len();
        let (output, _) = changed
            .wait_timeout_while(guard, time, |output| !output.ended)
            .unwrap_or_else(PoisonError::into_inner);
        output.bytes[before..].to_vec()
    }

    /// Resizes the window.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        lock(&self.output.0).parser.screen_mut().set_size(rows, columns);
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the terminal has sizes");
    }

    /// The id of the process.
    pub fn pid(&self) -> Pid {
        let pid = self.child.process_id().expect("it was started");
        Pid::from_raw(i32::try_from(pid).expect("a small number")).expect("not zero")
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is there");
    }

    /// Waits until the process has ended. Returns its exit code and the time.
    pub fn end(&mut self) -> End {
        let (after, _) = watch_end(self.pid().as_raw_nonzero().get());
        let code = self.child.wait().expect("it has ended").exit_code();
        End { code, after }
    }

    /// Asserts that the terminal is as it was: the screen, the cursor, the modes.
    pub fn assert_restored(&self) {
        self.wait("the terminal given back", |screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        });
        let text = String::from_utf8_lossy(&self.bytes()).into_owned();
        for mode in ["1049", "2004", "1007", "2026"] {
            let (set, undone) =
                (text.rfind(&format!("\x1b[?{mode}h")), text.rfind(&format!("\x1b[?{mode}l")));
            assert!(set < undone, "mode {mode} is left set");
        }
        // The title was saved before it was set, and is restored after that.
        let [save, set, restore] = ["\x1b[22;2t", "\x1b]2;", "\x1b[23;2t"];
        assert!(text.find(save) < text.find(set) && text.rfind(set) < text.rfind(restore), "{text:?}");
        assert_eq!(text.matches(save).count(), text.matches(restore).count(), "{text:?}");
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct End {
    /// The exit code.
    pub code: u32,
    /// The time until then.
    pub after: Duration,
}

fn lock(output: &Mutex<Output>) -> MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The state and the processor time of a process.
pub fn figures(pid: i32) -> Option<(char, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have any characters; the fields follow its last parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // Linux reports ticks of 10 ms to every program.
    Some((fields.first()?.chars().next()?, Duration::from_millis(ticks * 10)))
}

/// Waits until a process has ended. Returns the time, and the processor time of its whole life.
pub fn watch_end(pid: i32) -> (Duration, Duration) {
    let start = Instant::now();
    let mut processor = Duration::ZERO;
    // A process that has ended keeps its figures until its parent waits for it.
    while let Some((state, used)) = figures(pid) {
        processor = processor.max(used);
        if state == 'Z' {
            break;
        }
        assert!(start.elapsed() < MAX_WAIT, "process {pid} is still there");
        thread::sleep(Duration::from_millis(5));
    }
    (start.elapsed(), processor)
}
