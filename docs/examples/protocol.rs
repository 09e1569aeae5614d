//! Drives both machines of the protocol by hand: no socket, no thread, no clock. A client asks what a path is, and a server answers.

use std::error::Error;

use fdsp::protocol::{
    client::{Client, Event, Request},
    frame::outgoing::Outgoing,
    message::{Kind, Meta, Stat, Timestamp, Welcome},
    server::{self, Server},
};

pub fn main() -> Result<(), Box<dyn Error>> {
    let (mut client, mut server) = (Client::new("example/1"), Server::new());
    let request = client.request(&Request::Stat(Stat { path: "hello.txt".to_owned() }));

    // From the client to the server. A real program writes these bytes to a socket.
    let mut answer = Outgoing::new();
    let bytes = client.outgoing().to_vec();
    client.sent(bytes.len());
    serve(&mut server, &bytes, &mut answer)?;

    // And back. Each call returns how many bytes it has used, and at most one event.
    let mut rest = answer.as_slice();
    let mut meta = None;
    loop {
        let (used, event) = client.receive(rest)?;
        match event {
            Some(Event::Welcome(welcome)) => println!("connected to {}", welcome.agent),
            Some(Event::Meta { request: id, meta: found }) if id == request => meta = Some(found),
            Some(other) => println!("{other:?}"),
            None if used == 0 => break,
            None => {}
        }
        rest = &rest[used..];
    }
    let meta = meta.ok_or("no answer")?;
    println!("{} has {:?} bytes", meta.name, meta.size);
    assert_eq!(meta.size, Some(6));
    Ok(())
}

/// Answers what the client sends: its greeting, and each `stat` with the same file.
fn serve(server: &mut Server, mut bytes: &[u8], out: &mut Outgoing) -> Result<(), Box<dyn Error>> {
    loop {
        let (used, event) = server.receive(bytes)?;
        match event {
            Some(server::Event::Hello(hello)) => {
                println!("a client: {}", hello.agent);
                let welcome = Welcome { agent: "example/1".to_owned(), pipeline: 8, parallel: 4 };
                server.welcome(&welcome, out);
            }
            Some(server::Event::Request { id, request: Request::Stat(stat) }) => {
                let meta = Meta {
                    kind: Kind::File,
                    name: stat.path,
                    size: Some(6),
                    modified: Timestamp { seconds: 0, nanoseconds: 0 },
                    mode: 0o644,
                    identity: Some("version 1".to_owned()),
                };
                server.meta(id, &meta, out);
            }
            Some(other) => println!("{other:?}"),
            None if used == 0 => return Ok(()),
            None => {}
        }
        bytes = &bytes[used..];
    }
}
