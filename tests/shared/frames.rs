//! Streams of valid and invalid frames, byte by byte, from the tables of the specification, without
//! the program's own encoders.

use serde_json::Value;

pub const PREAMBLE: [u8; 8] = [0, b'F', b'D', b'S', b'P', 1, 1, 0];
/// Bytes of a frame's header.
pub const HEADER: usize = 12;

/// A header with any fields.
pub fn header(kind: u8, length: u32, request: u32) -> Vec<u8> {
    [&[kind, 0, 0, 0][..], &length.to_le_bytes(), &request.to_le_bytes()].concat()
}

/// A frame with the right length.
pub fn frame(kind: u8, request: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    [&header(kind, length, request)[..], payload].concat()
}

/// A control frame.
pub fn json(kind: u8, request: u32, message: &Value) -> Vec<u8> {
    frame(kind, request, message.to_string().as_bytes())
}

/// Splits a stream into its frames: kind, request, payload. Incomplete frames are skipped.
pub fn frames(mut stream: &[u8]) -> Vec<(u8, u32, &[u8])> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = stream.split_first_chunk::<HEADER>() {
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = number(4) as usize;
        if rest.len() < length {
            break;
        }
        let (payload, rest) = rest.split_at(length);
        frames.push((head[0], number(8), payload));
        stream = rest;
    }
    frames
}

/// Every invalid value of the fields that all kinds have, with the name of the trick. `kind` is valid
/// in this direction, and has this request and this payload if it is right.
pub fn spoilt(kind: u8, request: u32, payload: &[u8], most: u32) -> Vec<(&'static str, Vec<u8>)> {
    let right = frame(kind, request, payload);
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = right.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    vec![
        ("of an unknown kind", with(0, &[0x7f])),
        ("of kind 0", with(0, &[0])),
        ("of the other direction's kind", with(0, &[kind ^ 0x80])),
        ("with flags", with(1, &[1])),
        ("with the first reserved byte set", with(2, &[1])),
        ("with the second reserved byte set", with(3, &[0x80])),
        ("one byte longer than its kind may be", with(4, &(most + 1).to_le_bytes())),
        ("4 GiB long", with(4, &u32::MAX.to_le_bytes())),
    ]
}

/// Every invalid form of a JSON object, with the name of the trick. `object` is valid, and all of its members
/// are required.
pub fn malformed(object: &Value) -> Vec<(String, Vec<u8>)> {
    let text = object.to_string();
    let members = object.as_object().expect("an object");
    let inner = text.trim_start_matches('{').trim_end_matches('}').to_owned();
    let mut tricks: Vec<(String, Vec<u8>)> = vec![
        ("empty".into(), Vec::new()),
        ("no JSON".into(), b"\xde\xad\xbe\xef".to_vec()),
        ("cut short".into(), text.as_bytes()[..text.len() - 1].to_vec()),
        ("a list of its members".into(), format!("[{inner}]").into_bytes()),
        ("a list with it".into(), format!("[{text}]").into_bytes()),
        ("a text".into(), b"\"x\"".to_vec()),
        ("null".into(), b"null".to_vec()),
        ("followed by another".into(), format!("{text}{text}").into_bytes()),
        ("with a NUL after it".into(), format!("{text}\0").into_bytes()),
        ("with a byte order mark".into(), format!("\u{feff}{text}").into_bytes()),
        ("nested 30,000 deep".into(), format!("{{{inner},\"x\":{}", "[".repeat(30_000)).into_bytes()),
        (
            "with a number of 10,000 digits".into(),
            format!("{{{inner},\"x\":{}e}}", "9".repeat(10_000)).into_bytes(),
        ),
        ("with a member that is no UTF-8".into(), [b"{\"x\":\"\xff\",", inner.as_bytes(), b"}"].concat()),
    ];
    for (name, value) in members {
        let without = |value: Option<Value>| {
            let mut members = members.clone();
            members.remove(name);
            members.extend(value.map(|value| (name.clone(), value)));
            Value::Object(members).to_string().into_bytes()
        };
        let other = if value.is_string() { 7.into() } else { Value::from("seven") };
        tricks.push((format!("without {name}"), without(None)));
        tricks.push((format!("{name} of another type"), without(Some(other))));
        tricks.push((format!("{name} null"), without(Some(Value::Null))));
        let twice = format!("{{\"{name}\":{value},{inner}}}");
        tricks.push((format!("{name} twice"), twice.into_bytes()));
        if value.is_number() {
            for number in ["-1", "1.5", "1e3", "18446744073709551616", "1e999"] {
                let text = format!("{{\"{name}\":{number}");
                let rest = String::from_utf8(without(None)).expect("JSON").replacen('{', ",", 1);
                let rest = if rest == ",}" { "}".to_owned() } else { rest };
                tricks.push((format!("{name} {number}"), (text + &rest).into_bytes()));
            }
        }
    }
    tricks
}
