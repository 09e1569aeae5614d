//! Tests in a separate process: those that change its limits or its user, or measure its memory.

use std::{
    env, io,
    process::{Command, Stdio},
};

/// Whether this is the separate process in which the test of that name runs. If not, it starts one, to which
/// `prepare` is applied.
pub fn alone(test: &str, prepare: impl FnOnce(&mut Command)) -> bool {
    const ALONE: &str = "FDSP_TEST_ALONE";
    if env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(ALONE, "1").stdin(Stdio::null());
    prepare(&mut command);
    match command.output() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            eprintln!("skipped: another user may not run this program");
        }
        output => {
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.contains("1 passed"), "{said}");
            eprint!("{said}");
        }
    }
    false
}
