//! Fetches a file, and prints its progress and its digest.

use std::{error::Error, fs, path::Path, sync::Arc, time::Duration};

use fdsp::{
    client::{self, Command, Config, Event, Finished, Locator, NewJob},
    server,
};

pub fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("fdsp-fetch-{}", std::process::id()));
    let (served, saved) = (folder.join("served"), folder.join("saved"));
    fs::create_dir_all(&served)?;
    fs::create_dir_all(&saved)?;
    fs::write(served.join("hello.txt"), "hello\n")?;
    let server = server::start(server::Config::local(&served), Arc::new(|_| ()))?;

    let finished = fetch(&server.address().clone().into(), "hello.txt", &saved)?;
    println!("{} bytes, BLAKE3 {}, in {}", finished.bytes, finished.blake3, finished.path.display());

    server.command(server::Command::Stop);
    server.join()?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// Fetches one file into a folder.
fn fetch(server: &Locator, path: &str, folder: &Path) -> Result<Finished, Box<dyn Error>> {
    // The engine runs on threads of its own; commands go in, events come out.
    let (engine, mut events) = client::start(Config::default())?;
    engine.command(Command::Add(vec![NewJob::new(server.join(path)?, folder)]));
    let finished = loop {
        match events.blocking_recv() {
            Some(Event::Progress { received, size, speed, .. }) => {
                println!("{received} of {size:?} bytes at {speed:.0} bytes a second");
            }
            Some(Event::Done { finished, .. }) => break finished,
            Some(Event::Failed { trouble, .. }) => return Err(trouble.message.to_string().into()),
            Some(_) => {}
            None => return Err("the engine has stopped".into()),
        }
    };
    // What an engine leaves unfinished could be kept, and resumed by the next one.
    engine.join(Duration::from_secs(5));
    Ok(finished)
}
