//! The machines of the classic dialects under fuzzing.

use std::mem::discriminant;

use crate::{
    fuzzing::{Fuzz, cuts, shape},
    protocol::classic::{self, Dialect},
};

/// The first byte of an input selects the dialect.
fn dialect(bytes: &[u8]) -> (Dialect, &[u8]) {
    match bytes.split_first() {
        Some((b's', rest)) => (Dialect::ClassicSelect, rest),
        Some((_, rest)) => (Dialect::Classic, rest),
        None => (Dialect::Classic, bytes),
    }
}

/// Words of the classic dialects.
const CLASSIC: &[&str] = &[
    "file_exist",
    "FILE NOT FOUND",
    "start_send_file",
    "header_size_ok",
    "header_ok",
    "file_size_ok",
    "\"file_name\"",
    "\"file_size\"",
    "\"file_type\"",
];

#[test]
fn the_classic_client_is_fuzzed() {
    Fuzz::new("classic-client").words(CLASSIC).run(|input| {
        let (dialect, stream) = dialect(input);
        let run = |pieces: Vec<&[u8]>| {
            let mut client = classic::client::Client::new(dialect, "f").expect("a path");
            let (mut events, mut content) = (Vec::new(), Vec::new());
            for mut piece in pieces {
                loop {
                    match client.receive(piece) {
                        Err(violation) => return (events, content, Err(violation.to_string())),
                        Ok((0, None)) => break,
                        Ok((used, event)) => {
                            piece = &piece[used..];
                            match event {
                                Some(classic::client::Event::Data(bytes)) => content.extend_from_slice(bytes),
                                Some(event) => events.push(format!("{event:?}")),
                                None => {}
                            }
                        }
                    }
                }
            }
            let end = client.end_of_stream().map_err(|ended| ended.to_string());
            assert!(client.outgoing().len() < 100, "it says a few words");
            (events, content, end)
        };
        let whole = run(vec![stream]);
        if dialect == Dialect::Classic {
            assert_eq!(run(cuts(stream)), whole, "however it is cut");
        }
        (discriminant(&dialect), whole.0.len(), whole.2.map_err(|why| shape(&why)))
    });
}

#[test]
fn the_classic_server_is_fuzzed() {
    Fuzz::new("classic-server").words(CLASSIC).run(|input| {
        let (dialect, stream) = dialect(input);
        // The path is received in one piece.
        let end = stream.iter().position(|&byte| byte == b'\n').map_or(stream.len(), |end| end + 1);
        let (path, rest) = stream.split_at(end);
        let run = |pieces: Vec<&[u8]>| {
            let mut server = classic::server::Server::new(dialect);
            let mut events = Vec::new();
            for piece in [path].into_iter().chain(pieces) {
                match server.receive(piece) {
                    Err(violation) => {
                        return (events, server.outgoing().to_vec(), Err(violation.to_string()));
                    }
                    Ok(event) => {
                        if let Some(classic::server::Event::Path(path)) = &event {
                            assert!((1..=classic::MAX_PATH).contains(&path.len()));
                            server.found(classic::Header::new(path, 3));
                        }
                        events.extend(event);
                    }
                }
            }
            (events, server.outgoing().to_vec(), Ok(()))
        };
        let whole = run(vec![rest]);
        assert_eq!(run(cuts(rest)), whole, "however it is cut");
        (discriminant(&dialect), whole.0.len(), whole.1.len().min(100), whole.2.map_err(|why| shape(&why)))
    });
}
