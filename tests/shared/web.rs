//! A small web server whose answers a test writes, with or without TLS.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
    thread,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use sha2::{Digest as _, Sha256};

/// A request, as it was received.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    /// Its number on this server, from 0.
    pub number: usize,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first byte that is asked for, and the last one.
    pub fn range(&self) -> Option<(usize, Option<usize>)> {
        let (first, last) = self.header("range")?.strip_prefix("bytes=")?.split_once('-')?;
        Some((first.parse().unwrap(), last.parse().ok()))
    }
}

/// What happens after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    KeepOpen,
    Close,
    /// The connection stays open, and nothing more is sent.
    Stall,
}

/// The bytes of an answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: String,
    pub body: Vec<u8>,
    pub then: Then,
}

impl Answer {
    /// A status line, such as `200 OK`, and header fields.
    pub fn new(status: &str, fields: &[&str]) -> Answer {
        let mut head = format!("HTTP/1.1 {status}\r\n");
        fields.iter().for_each(|field| head += &format!("{field}\r\n"));
        Answer { head, body: Vec::new(), then: Then::KeepOpen }
    }

    /// An answer without a body.
    pub fn empty(status: &str, fields: &[&str]) -> Answer {
        Answer::new(status, fields).field("Content-Length: 0")
    }

    pub fn field(mut self, field: &str) -> Answer {
        self.head += &format!("{field}\r\n");
        self
    }

    pub fn body(self, body: &[u8]) -> Answer {
        let mut answer = self.field(&format!("Content-Length: {}", body.len()));
        answer.body = body.to_vec();
        answer
    }

    /// All of a content.
    pub fn whole(content: &[u8], fields: &[&str]) -> Answer {
        Answer::new("200 OK", fields).body(content)
    }

    /// The part of a content that is asked for, or all of it, as a correct server answers.
    pub fn of(request: &Request, content: &[u8], tag: Option<&str>, fields: &[&str]) -> Answer {
        let condition = request.header("if-range");
        let range = request.range().filter(|_| condition.is_none() || condition == tag);
        let mut answer = match range {
            None => Answer::whole(content, fields),
            Some((first, _)) if first >= content.len() => {
                let all = format!("Content-Range: bytes */{}", content.len());
                return Answer::empty("416 Range Not Satisfiable", &[&all]);
            }
            Some((first, last)) => {
                let end = last.map_or(content.len(), |last| content.len().min(last + 1));
                let range = format!("Content-Range: bytes {first}-{}/{}", end - 1, content.len());
                Answer::new("206 Partial Content", fields).field(&range).body(&content[first..end])
            }
        };
        if let Some(tag) = tag {
            answer = answer.field(&format!("ETag: {tag}"));
        }
        answer
    }

    /// Only the first bytes of the body are sent.
    pub fn cut(mut self, length: usize) -> Answer {
        if self.body.len() > length {
            self.body.truncate(length);
            self.then = Then::Close;
        }
        self
    }

    pub fn then(self, then: Then) -> Answer {
        Answer { then, ..self }
    }
}

/// See the module. It runs until the test ends.
#[derive(Clone, Debug)]
pub struct Web {
    pub at: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    /// The pin of its certificate.
    pub pin: Option<String>,
    /// Its certificate in PEM form.
    pub certificate: Option<String>,
}

/// TLS, the pin and the certificate.
type Tls = (Arc<ServerConfig>, String, String);

impl Web {
    /// Without TLS.
    pub fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Web {
        Web::start(None, answer)
    }

    /// With TLS, and a certificate of its own.
    pub fn secure(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Web {
        let made =
            rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let pin = format!("sha256:{}", hex::encode(Sha256::digest(&certificate)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Web::start(Some((Arc::new(config), pin, made.cert.pem())), answer)
    }

    fn start(tls: Option<Tls>, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let web = Web {
            at,
            requests: Arc::default(),
            pin: tls.as_ref().map(|(_, pin, _)| pin.clone()),
            certificate: tls.as_ref().map(|(.., certificate)| certificate.clone()),
        };
        let (shared, answer) = (web.clone(), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (shared, answer, tls) = (shared.clone(), Arc::clone(&answer), tls.clone());
                thread::spawn(move || match tls {
                    None => shared.serve(stream, &*answer),
                    Some((config, ..)) => {
                        let connection = ServerConnection::new(config).unwrap();
                        shared.serve(StreamOwned::new(connection, stream), &*answer);
                    }
                });
            }
        });
        web
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.pin.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/{path}", self.at)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    fn serve(&self, stream: impl Read + Write, answer: &(impl Fn(&Request) -> Answer + ?Sized)) {
        let mut stream = BufReader::new(stream);
        while let Some(mut request) = read(&mut stream) {
            {
                let mut requests = self.requests.lock().unwrap();
                request.number = requests.len();
                requests.push(request.clone());
            }
            let Answer { head, body, then } = answer(&request);
            let body = if request.method == "HEAD" { &[][..] } else { &body };
            let out = stream.get_mut();
            // The client may have closed.
            if out.write_all(format!("{head}\r\n").as_bytes()).and_then(|()| out.write_all(body)).is_err() {
                return;
            }
            let _ = out.flush();
            match then {
                Then::KeepOpen => {}
                Then::Close => return,
                Then::Stall => drop(stream.read(&mut [0])),
            }
        }
    }
}

fn read(stream: &mut impl BufRead) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines.first()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let field =
        |line: &String| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    Some(Request { method, path, headers: lines[1..].iter().filter_map(field).collect(), number: 0 })
}
