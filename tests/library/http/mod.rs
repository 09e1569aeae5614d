//! Web servers as sources: correct ones, and scripted ones that misbehave in every way. What is received is one version of the file, or there is
//! a clear error.

mod answers;
mod faults;
mod lengths;
mod metalinks;
mod mirrors;
mod names;
mod own_server;
mod proofs;
mod redirects;
mod secrets;
mod sums;
mod tls;
mod versions;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fdsp::client::{Config, Finished, Locator, NewJob, Trouble};
use tempfile::TempDir;

use crate::{
    engine::support::{self, Client},
    shared::web::{Answer, Request, Web},
};

const TAG: Option<&str> = Some("\"v1\"");
const OTHER: Option<&str> = Some("\"v2\"");

/// An engine without retries.
fn once() -> Config {
    Config { timeout: Duration::from_secs(5), ..support::once() }
}

fn job(client: &Client, web: &Web, path: &str) -> NewJob {
    client.job_at(Locator::parse(&web.url(path)).unwrap())
}

fn get(client: &mut Client, web: &Web, path: &str) -> Result<Finished, Trouble> {
    let job = job(client, web, path);
    client.run(job)
}

/// Fetches it with an engine of its own. Fails unless exactly this content is received.
#[track_caller]
fn received(config: Config, web: &Web, path: &str, content: &[u8]) -> Finished {
    let mut client = Client::new(config);
    let finished = get(&mut client, web, path).unwrap();
    assert_content(&finished, content);
    finished
}

/// Fetches it with an engine of its own, as another start of the program would, into the folder of an earlier one.
fn get_again(folder: &TempDir, config: Config, web: &Web, path: &str) -> Result<Finished, Trouble> {
    let mut client = Client::new(config);
    let job = NewJob { folder: folder.path().to_owned(), ..job(&client, web, path) };
    client.run(job)
}

/// A server that cuts its first answer after `cut` bytes and then refuses all requests, until the switch is set; then it answers with `later`.
fn interrupted(
    cut: usize,
    first: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    later: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> (Web, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let is_later = Arc::clone(&switch);
    let web = Web::new(move |request| match request.number {
        _ if is_later.load(Ordering::Relaxed) => later(request),
        0 => first(request).cut(cut),
        _ => Answer::empty("404 Not Found", &[]),
    });
    (web, switch)
}

/// The folder of a client whose engine has ended.
fn ended(client: Client) -> TempDir {
    let Client { engine, folder, .. } = client;
    drop(engine);
    folder
}

/// Fails unless the file has exactly this content.
fn assert_content(finished: &Finished, content: &[u8]) {
    assert!(fs::read(&finished.path).unwrap() == content, "{finished:?}");
    assert_eq!(finished.blake3, blake3::hash(content).to_hex().as_str());
}

/// Whether a server was asked for bytes from this offset on.
fn has_sent(web: &Web, offset: usize) -> bool {
    web.requests().iter().filter_map(Request::range).any(|(first, _)| first >= offset)
}
