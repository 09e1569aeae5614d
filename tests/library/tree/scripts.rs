//! A small server with a tree in memory.

use std::{collections::HashMap, net::SocketAddr};

use fdsp::protocol::{
    client::Request,
    error::Code,
    message::{Failure, FileHead, Files, Timestamp, TreeEntry, TreeNode},
};

use crate::tree::scripted::{Session, file, listen};

/// The entries and contents of the tree.
#[derive(Clone, Default)]
pub struct Script {
    pub entries: Vec<TreeEntry>,
    pub contents: HashMap<String, Vec<u8>>,
}

pub const WHEN: Timestamp = Timestamp { seconds: 1_000_000_000, nanoseconds: 5 };

impl Script {
    /// An empty tree.
    pub fn new() -> Script {
        Script::default().entry("", TreeNode::Directory)
    }

    pub fn entry(mut self, path: &str, node: TreeNode) -> Script {
        self.entries.push(TreeEntry { path: path.to_owned(), modified: WHEN, mode: 0o755, node });
        self
    }

    pub fn directory(self, path: &str) -> Script {
        self.entry(path, TreeNode::Directory)
    }

    pub fn link(self, path: &str, target: &str) -> Script {
        self.entry(path, TreeNode::Link { target: target.to_owned() })
    }

    pub fn file(mut self, path: &str, content: &[u8]) -> Script {
        self.contents.insert(path.to_owned(), content.to_vec());
        self.entry(path, TreeNode::File { size: content.len() as u64, identity: identity(content) })
    }

    pub fn serve(self) -> SocketAddr {
        serve(move |session, id, request| self.answer(session, id, &request))
    }

    /// Answers as an honest server does.
    pub fn answer(&self, session: &mut Session, id: u32, request: &Request) {
        match request {
            Request::Tree(_) => self.tree(session, id),
            Request::Files(files) => self.files(session, id, files),
            Request::Get(get) => {
                let path = get.path.strip_prefix("t/").unwrap_or(&get.path);
                let content = &self.contents[path];
                let announced = fdsp::protocol::message::Content {
                    identity: identity(content),
                    ..file(path.rsplit('/').next().unwrap(), content.len() as u64)
                };
                session.send(id, get, &announced, content);
            }
            _ => session.refuse(id, &failure(Code::Unsupported)),
        }
    }

    pub fn tree(&self, session: &mut Session, id: u32) {
        let mut writer = session.machine.tree(id, &mut session.out);
        for entry in &self.entries {
            writer.push(entry, &mut session.out);
        }
        writer.end(0, None, &mut session.out);
    }

    pub fn files(&self, session: &mut Session, id: u32, files: &Files) {
        let mut writer = session.machine.files(id, &mut session.out);
        for wanted in &files.files {
            let Some(content) = self.contents.get(&wanted.path) else {
                writer.missed(&failure(Code::NotFound), &mut session.out);
                continue;
            };
            let digest = blake3::hash(content).to_hex();
            match &wanted.digest {
                Some(here) if *here == digest.as_str() => writer.same(&mut session.out),
                _ if !files.content => writer.differs(&mut session.out),
                _ => writer.whole(&head(content), content, &mut session.out),
            }
        }
        writer.end(&mut session.out);
    }
}

pub fn identity(content: &[u8]) -> String {
    format!("of {}", blake3::hash(content))
}

pub fn head(content: &[u8]) -> FileHead {
    FileHead { size: content.len() as u64, modified: WHEN, mode: 0o755, identity: identity(content), skip: 0 }
}

pub fn failure(code: Code) -> Failure {
    Failure { code, message: "scripted".into(), path: None, retry_after: None }
}

/// Answers each request by `answer`.
pub fn serve(answer: impl Fn(&mut Session, u32, Request) + Send + Sync + 'static) -> SocketAddr {
    listen(move |_, stream| {
        let mut session = Session::new(stream);
        while let Some((id, request)) = session.request() {
            answer(&mut session, id, request);
            session.flush();
        }
    })
}
