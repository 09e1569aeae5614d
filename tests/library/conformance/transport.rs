//! TLS itself: handshake, close, and invalid bytes.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use fdsp::{
    protocol::{classic::Dialect, client::Client, error::Code, message::Failure},
    server::{Arch, Limits},
};

use crate::conformance::{
    harness::{MAX_WAIT, Served, noise, serve, serve_with},
    peer::{Peer, get},
    secure::Secure,
};

/// The first bytes of a client, from the header of the record on.
fn client_hello() -> Vec<u8> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = std::thread::spawn(move || {
        let _ = Secure::new(TcpStream::connect(address).unwrap(), &[b"fdsp/1"]).handshake();
    });
    let mut hello = vec![0; 16 * 1024];
    let length = listener.accept().unwrap().0.read(&mut hello).unwrap();
    client.join().unwrap();
    hello.truncate(length);
    hello
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(MAX_WAIT)).unwrap();
    stream
}

/// The whole answer to these bytes; a reset counts as an end.
fn say(served: &Served, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(served.address);
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

fn unharmed(served: &Served) {
    served.file("file", b"x");
    assert_eq!(Peer::connect(served.address).get(get("file")).unwrap().bytes, b"x");
}

/// After a goodbye the server closes TLS before the connection.
pub fn ends_in_order(arch: Arch) {
    let served = serve(arch);
    let mut secure = Secure::new(connect(served.address), &[b"fdsp/1"]);
    let mut machine = Client::new("test");
    machine.goodbye("done");
    secure.write_all(machine.outgoing()).unwrap();
    // An end without that would be an error here.
    let mut answer = Vec::new();
    secure.read_to_end(&mut answer).unwrap();
    assert!(secure.has_ended());
    served.wait_for_end("done");
}

/// The deadline of the first request is also that of the handshake.
pub fn half_a_handshake(arch: Arch) {
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let served = serve_with(arch, None, limits);
    let hello = client_hello();
    for part in [1, 5, 6, hello.len() - 1, hello.len()] {
        let answer = say(&served, &hello[..part]);
        assert_eq!(answer.is_empty(), part < hello.len(), "{part}");
    }
    served.wait_for_ends(5);
    assert_eq!(served.count(|event| event.to_string().contains("handshake deadline")), 5);
    unharmed(&served);
}

pub fn trickled_handshake(arch: Arch) {
    let limits = Limits { handshake: Duration::from_millis(300), ..Limits::default() };
    let served = serve_with(arch, None, limits);
    let mut stream = connect(served.address);
    let hello = client_hello();
    let trickle = std::thread::spawn(move || {
        for byte in hello {
            if stream.write_all(&[byte]).is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    served.wait_for_end("handshake deadline");
    drop(served);
    trickle.join().unwrap();
}

/// Garbage after the first byte, and in the middle of a handshake, gets an alert and nothing else.
pub fn garbage(arch: Arch) {
    let served = serve(arch);
    let hello = client_hello();
    let mut tricks = vec![
        [&[0x16][..], &noise(1000, 1)].concat(),
        [&[0x16, 3, 1][..], &noise(70_000, 2)].concat(),
        vec![0x16; 100_000],
        // A record that is too long, and an empty one.
        vec![0x16, 3, 1, 0xff, 0xff, 1, 0],
        [0x16, 3, 1, 0, 0].repeat(20_000),
        // A handshake message with a length beyond the maximum.
        [&[0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff][..], &noise(0x4000 - 4, 3)].concat(),
        [&hello[..], &hello].concat(),
        [&hello[..], &[0x14, 3, 3, 0, 1, 1], &[0x17, 3, 3, 0, 100], &noise(100, 4)].concat(),
    ];
    tricks.extend((0..30).map(|at| {
        let mut bytes = hello.clone();
        let place = 1 + (at * 37) % (bytes.len() - 1);
        bytes[place] ^= 0xff;
        bytes
    }));
    for trick in &tricks {
        let mut stream = connect(served.address);
        let _ = stream.write_all(trick);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.first().is_none_or(|first| (0x14..=0x17).contains(first)), "{answer:?}");
    }
    served.wait_for_ends(tricks.len());
    unharmed(&served);
}

/// A record that cannot be one is answered with an alert; a message that is too long ends it without one.
pub fn alerts(arch: Arch) {
    let served = serve(arch);
    let decode_error = [0x15, 3, 3, 0, 2, 2, 50];
    assert_eq!(say(&served, &[0x16, 3, 1, 0xff, 0xff, 1, 0]), decode_error);
    assert_eq!(say(&served, &[0x16, 3, 1, 0, 0]), decode_error);
    assert_eq!(say(&served, &[0x16, 3, 1, 0, 4, 1, 1, 0, 0]), [0; 0]);
    unharmed(&served);
}

/// A client that offers only other protocols is refused; one that offers none is not.
pub fn other_protocols(arch: Arch) {
    let served = serve(arch);
    let error = Secure::new(connect(served.address), &[b"h2", b"spdy/3"]).handshake().unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    for offered in [&[][..], &[&b"h2"[..], b"fdsp/1"]] {
        let mut secure = Secure::new(connect(served.address), offered);
        secure.write_all(b"hello?").unwrap();
        let mut answer = String::new();
        secure.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("tui fdsp://"), "{answer}");
    }
    // A client of an earlier version offers one name. A newer client offers both, and proves its token.
    for (offered, selected) in
        [(&[&b"fdsp/1"[..]][..], &b"fdsp/1"[..]), (&[&b"fdsp/1"[..], b"fdsp/1-proof"], b"fdsp/1-proof")]
    {
        let mut secure = Secure::new(connect(served.address), offered);
        secure.handshake().unwrap();
        assert_eq!(secure.protocol(), Some(selected));
    }
}

/// A client without TLS gets an error in its protocol; any other client gets a sentence.
pub fn without_tls(arch: Arch) {
    let served = serve(arch);
    let mut machine = Client::new("test");
    let answer = say(&served, machine.outgoing());
    machine.sent(machine.outgoing().len());
    let mut rest = &answer[..];
    let event = loop {
        let (used, event) = machine.receive(rest).unwrap();
        rest = &rest[used..];
        if let Some(event) = event {
            break event;
        }
        assert!(used > 0, "no answer in {answer:?}");
    };
    let fdsp::protocol::client::Event::Failed { request: 0, failure } = event else { panic!("{event:?}") };
    assert!(matches!(failure, Failure { code: Code::TlsRequired, retry_after: None, .. }), "{failure:?}");
    served.wait_for_end("a client without TLS");
    assert!(String::from_utf8(say(&served, b"hello?")).unwrap().contains("tui fdsp://"));
    unharmed(&served);
}

/// An end of the stream without a close of TLS is not a proper end; with one it is.
pub fn connection_lost(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    let mut peer = Peer::connect(served.address);
    peer.get(get("file")).unwrap();
    peer.line.socket().shutdown(Shutdown::Write).unwrap();
    served.wait_for_end("cut off");
    let mut secure = Secure::new(connect(served.address), &[b"fdsp/1"]);
    secure.write_all(Client::new("test").outgoing()).unwrap();
    secure.close();
    let mut answer = Vec::new();
    secure.read_to_end(&mut answer).unwrap();
    served.wait_for_end("closed by the client");
}

/// On a loopback address the original programs are served beside TLS, and never inside TLS.
pub fn classic_on_the_same_port(arch: Arch) {
    let served = serve_with(arch, Some(Dialect::Classic), Limits::default());
    served.file("file", b"content");
    let mut stream = connect(served.address);
    stream.write_all(b"file").unwrap();
    let mut header = [0; 4];
    stream.read_exact(&mut header).unwrap();
    drop(stream);
    let mut secure = Secure::new(connect(served.address), &[b"fdsp/1"]);
    secure.write_all(b"file").unwrap();
    let mut answer = String::new();
    secure.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("tui fdsp://"), "{answer}");
    unharmed(&served);
}

/// Requests may be cut into records in any way.
pub fn several_records(arch: Arch) {
    let served = serve(arch);
    served.file("file", b"x");
    let mut machine = Client::new("test");
    machine.request(&crate::conformance::peer::stat("file"));
    machine.goodbye("done");
    let mut secure = Secure::new(connect(served.address), &[b"fdsp/1"]);
    for byte in machine.outgoing() {
        secure.write_all(&[*byte]).unwrap();
    }
    let mut answer = Vec::new();
    secure.read_to_end(&mut answer).unwrap();
    machine.sent(machine.outgoing().len());
    let (mut rest, mut found) = (&answer[..], false);
    loop {
        let (used, event) = machine.receive(rest).unwrap();
        rest = &rest[used..];
        found |= matches!(event, Some(fdsp::protocol::client::Event::Meta { .. }));
        if used == 0 && event.is_none() {
            break;
        }
    }
    assert!(found && rest.is_empty());
}

/// A drain does not wait for handshakes.
pub fn stopped_in_the_handshake(arch: Arch) {
    let mut served = serve(arch);
    let mut stream = connect(served.address);
    stream.write_all(&client_hello()[..20]).unwrap();
    served.wait_until("connected", |now| now.live == 1);
    let server = served.server.take().unwrap();
    server.command(fdsp::server::Command::Drain);
    server.join().unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
}
