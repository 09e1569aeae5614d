//! A `.part` file of another program or another job is not touched.

use std::fs;

use fdsp::client::{Change, Command, Config, Existing, NewJob, TroubleKind};

use crate::engine::support::{Client, MIB, Served, config, content};

/// A client with a foreign file at the path of `a.part`.
fn with_a_file_in_the_way(served: &Served) -> Client {
    let client = Client::quick();
    fs::write(client.path("a.part"), "precious").unwrap();
    served.write("other", b"other");
    client
}

fn is_untouched(client: &Client) {
    assert_eq!(fs::read_to_string(client.path("a.part")).unwrap(), "precious");
}

#[test]
fn a_foreign_part_file_fails_the_job() {
    let served = Served::new();
    served.write("a", &content(2 * MIB, 1));
    let mut client = with_a_file_in_the_way(&served);
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Update, Existing::Rename] {
        let job = NewJob { existing, ..client.job(served.at(), "a") };
        let trouble = client.run(job).unwrap_err();
        assert_eq!((trouble.kind, client.retries()), (TroubleKind::Disk, 0), "{existing:?}: {trouble}");
        assert!(trouble.message.as_str().contains("a.part is in the way"), "{existing:?}: {trouble}");
        is_untouched(&client);
        assert_eq!(client.names(), ["a.part"], "{existing:?}");
    }
    fs::write(client.path("a"), "an older one").unwrap();
    let job = NewJob { existing: Existing::Update, ..client.job(served.at(), "a") };
    assert!(client.run(job).unwrap_err().message.as_str().contains("is in the way"));
    is_untouched(&client);
}

#[test]
fn a_foreign_part_file_does_not_affect_an_archive_or_an_existing_target() {
    let served = Served::new();
    served.write("a/b", b"content");
    let mut client = with_a_file_in_the_way(&served);
    client.get(served.at(), "a").unwrap();
    assert_eq!(client.names(), ["a.part", "a.zip"]);
    is_untouched(&client);

    let served = Served::new();
    served.write("a", b"content");
    let mut client = with_a_file_in_the_way(&served);
    fs::write(client.path("a"), "content").unwrap();
    client.get(served.at(), "a").unwrap();
    is_untouched(&client);
}

#[test]
fn a_foreign_part_file_is_not_overwritten_by_a_retry() {
    let served = Served::new();
    served.write("a", &content(2 * MIB, 1));
    let mut client = with_a_file_in_the_way(&served);
    let job = client.job(served.at(), "a");
    let id = client.add(job);
    assert!(client.end(id).unwrap_err().message.as_str().contains("a.part is in the way"));
    client.engine.command(Command::Retry(vec![id]));
    assert!(client.end(id).unwrap_err().message.as_str().contains("a.part is in the way"));
    is_untouched(&client);
}

#[test]
fn a_foreign_part_file_is_not_deleted_by_cancel() {
    let served = Served::new();
    let mut client = with_a_file_in_the_way(&served);
    let job = client.job(served.at(), "a");
    let id = client.add(job);
    assert_eq!(client.end(id).unwrap_err().kind, TroubleKind::NotFound);
    client.engine.command(Command::Cancel(vec![id]));
    client.changed(id, Change::Cancelled);
    client.get(served.at(), "other").unwrap();
    is_untouched(&client);
}

#[test]
fn a_part_file_without_a_journal_resumes_if_its_blocks_match() {
    let served = Served::new();
    let whole = content(4 * MIB, 1);
    served.write("a", &whole);
    let mut client = Client::quick();
    fs::write(client.path("a.part"), &whole[..3 * MIB]).unwrap();
    let finished = client.get(served.at(), "a").unwrap();
    assert_eq!(finished.resumed, 3 * MIB as u64);
    assert!(fs::read(client.path("a")).unwrap() == whole);
    assert_eq!(client.names(), ["a"]);
}

#[test]
fn a_job_does_not_write_to_the_part_file_of_another_job() {
    let served = Served::new();
    served.write("a", &content(8 * MIB, 1));
    served.write("a.part", &content(MIB, 2));
    for existing in [Existing::Keep, Existing::Overwrite, Existing::Update] {
        let mut client = Client::new(Config { limit: Some(4_000_000), ..config() });
        let job = client.job(served.at(), "a");
        let first = client.add(job);
        client.started(first);
        let job = NewJob { existing, ..client.job(served.at(), "a.part") };
        let trouble = client.run(job).unwrap_err();
        assert!(trouble.message.as_str().starts_with("another job of the queue saves to "), "{trouble}");
        client.engine.command(Command::SetLimit(None));
        client.end(first).unwrap();
        assert!(fs::read(client.path("a")).unwrap() == content(8 * MIB, 1), "{existing:?}");
    }
}

#[test]
fn a_replaced_part_file_is_not_renamed_to_the_target() {
    let served = Served::new();
    served.write("a", &content(8 * MIB, 1));
    let mut client = Client::new(Config { limit: Some(4_000_000), ..config() });
    let job = client.job(served.at(), "a");
    let id = client.add(job);
    client.started(id);
    fs::write(client.path("mine"), "precious").unwrap();
    fs::rename(client.path("mine"), client.path("a.part")).unwrap();
    client.engine.command(Command::SetLimit(None));
    let trouble = client.end(id).unwrap_err();
    assert!(trouble.message.as_str().contains("a.part was replaced by another program"), "{trouble}");
    assert!(!client.path("a").exists());
    is_untouched(&client);
}
