//! Serves a folder from threads of this process, and stops again.

use std::{error::Error, fs, sync::Arc};

use fdsp::server::{self, Command, Config};

pub fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("fdsp-serve-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("hello.txt"), "hello\n")?;

    // On a free port of the loopback address, without TLS and without a token. The events are those that the log shows.
    let config = Config::local(&folder);
    let server = server::start(config, Arc::new(|event| println!("{event}")))?;
    println!("fetch it with: tui {}hello.txt", server.address());

    // A program that serves until it is stopped waits here. Draining lets transfers that run finish.
    server.command(Command::Drain);
    server.join()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}
