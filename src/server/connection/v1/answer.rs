//! A request and its answer, from the first look at it to the last byte.

use std::time::Instant;

use super::{
    super::{
        files::Files,
        hashing::Hashing,
        reply::{Answered, Reply, describe, reply},
        sending::Sending,
        stage::{Stage, Worked},
        tree::Listing,
        turn::Turn,
    },
    V1,
};
use crate::{
    protocol::{client::Request, message::Failure},
    server::{
        ConnectionState,
        limits::{PERMIT_INTERVAL, WORKING_INTERVAL},
    },
    text::SafeText,
};

/// A request in work that takes more than one turn.
pub(super) struct Answer {
    id: u32,
    path: SafeText,
    started: Instant,
    /// When to send the next `working` frame, if the client asked for them.
    working_at: Option<Instant>,
    stage: Stage,
}

impl Answer {
    /// Whether nothing is sent of it for long; see [`Stage::is_preparing`].
    pub(super) fn is_preparing(&self) -> bool {
        self.stage.is_preparing()
    }

    /// Whether files are being sent; see [`Stage::sends_files`].
    pub(super) fn sends_files(&self) -> bool {
        self.stage.sends_files()
    }
}

impl V1 {
    /// Puts content that is in memory into the turn. Returns whether there is something in the turn.
    pub(in super::super) fn fill_cached(&mut self, turn: &mut Turn) -> bool {
        let Some(mut answer) = self.answer.take() else { return false };
        match answer.stage.fill_cached(turn) {
            Ok(has_filled) => {
                self.answer = Some(answer);
                has_filled
            }
            Err(failure) => {
                self.fail(answer.id, &answer.path, &failure, turn);
                true
            }
        }
    }

    /// A request has come.
    pub(super) fn begin(&mut self, id: u32, request: Request, turn: &mut Turn, now: Instant) {
        let (what, path) = describe(&request);
        let path = SafeText::new(path);
        turn.request(what, &path);
        if !matches!(request, Request::Stat(_) | Request::List(_)) {
            turn.transfer();
        }
        let working_at = tells_of_work(&request).then(|| now + WORKING_INTERVAL);
        let reply = reply(&turn.shared, turn.peer(), request, &path);
        match &reply {
            Ok(Reply::Content(_)) => turn.show(&path),
            Ok(Reply::Hashes(_)) => {
                turn.show(&path);
                turn.state(ConnectionState::Hashing);
            }
            Ok(Reply::Tree(_)) => {
                turn.show(&folder(&path, "tree"));
                turn.state(ConnectionState::Planning);
            }
            Ok(Reply::Files(wanted)) => {
                turn.show(&folder(&path, "tree"));
                if !wanted.content() {
                    turn.state(ConnectionState::Hashing);
                }
            }
            Ok(Reply::Archive(_)) => {
                turn.show(&folder(&path, "zip"));
                turn.state(ConnectionState::Planning);
            }
            _ => {}
        }
        self.answer(id, path, (now, working_at), reply, turn);
    }

    /// Answers, or begins to.
    fn answer(
        &mut self,
        id: u32,
        path: SafeText,
        (started, working_at): (Instant, Option<Instant>),
        reply: Result<Reply, Failure>,
        turn: &mut Turn,
    ) {
        let stage = match reply {
            Ok(Reply::Meta(meta)) => return self.machine.meta(id, &meta, &mut turn.out),
            Ok(Reply::Page(page)) => Stage::Paging(page),
            Ok(Reply::Entries(entries)) => return self.machine.entries(id, &entries, &mut turn.out),
            Ok(Reply::Content(content)) => {
                turn.begin(path.clone(), started, content.body.left());
                Stage::Sending(self.announce(id, *content, turn))
            }
            Ok(Reply::Hashes(hashes)) => {
                let (content, blocks) = *hashes;
                let writer = self.machine.hashes(id, &content, &mut turn.out);
                Stage::Hashing(Box::new(Hashing::new(writer, blocks)))
            }
            Ok(Reply::Archive(archive)) => Stage::Planning(archive),
            Ok(Reply::Tree(walking)) => {
                let writer = self.machine.tree(id, &mut turn.out);
                Stage::Tree(Box::new(Listing::new(writer, *walking)))
            }
            Ok(Reply::Files(wanted)) => {
                if wanted.content() {
                    turn.begin(path.clone(), started, None);
                }
                let writer = self.machine.files(id, &mut turn.out);
                Stage::Files(Box::new(Files::new(writer, *wanted)))
            }
            Err(failure) => return self.fail(id, &path, &failure, turn),
        };
        self.answer = Some(Answer { id, path, started, working_at, stage });
    }

    fn announce(&mut self, id: u32, answered: Answered, turn: &mut Turn) -> Box<Sending> {
        let Answered { content, body, missing, root } = answered;
        let writer = self.machine.content(id, &content, &mut turn.out);
        Box::new(Sending { writer, body, identity: content.identity, missing, root })
    }

    /// Puts more of an answer into the turn, or does a slice of the work that it takes before there is more. Afterwards it is kept in
    /// `self.answer`, unless it has ended.
    pub(super) fn resume(&mut self, answer: Answer, turn: &mut Turn, now: Instant) {
        let Answer { id, path, started, working_at, stage } = answer;
        let mut stage = match stage.fill(&path, turn) {
            Ok(Some(stage)) => stage,
            Ok(None) => return,
            Err(failure) => return self.fail(id, &path, &failure, turn),
        };
        let is_waiting = stage.is_waiting();
        if is_waiting {
            self.permit_at = Some(now + PERMIT_INTERVAL);
        }
        if is_waiting || !turn.out.is_empty() {
            self.answer = Some(Answer { id, path, started, working_at, stage });
        } else {
            match stage.work(&path, turn) {
                Ok(Worked::On(stage)) => {
                    self.answer = Some(Answer { id, path, started, working_at, stage });
                    self.report_work(turn, now);
                }
                Ok(Worked::Known(reply)) => {
                    self.answer(id, path, (started, working_at), Ok(reply), turn);
                    self.report_work(turn, now);
                }
                Ok(Worked::Ended) => {}
                Err(failure) => self.fail(id, &path, &failure, turn),
            }
        }
        if let Some(answer) = self.answer.as_mut().filter(|_| !turn.out.is_empty()) {
            answer.stage.release();
        }
    }

    /// Sends a `working` frame to a client that asked for them, if nothing else was sent for [`WORKING_INTERVAL`].
    fn report_work(&mut self, turn: &mut Turn, now: Instant) {
        let Some(Answer { id, working_at: Some(at), stage, .. }) = &mut self.answer else { return };
        if turn.out.is_empty() && stage.is_looking() && *at <= now {
            *at = now + WORKING_INTERVAL;
            self.machine.working(*id, &mut turn.out);
        }
    }

    fn fail(&mut self, id: u32, path: &SafeText, failure: &Failure, turn: &mut Turn) {
        turn.fail(path, &failure.message);
        self.machine.failure(id, failure, &mut turn.out);
    }
}

/// Whether the client takes `working` frames while a folder is read.
fn tells_of_work(request: &Request) -> bool {
    match request {
        Request::List(list) => list.working,
        Request::Get(get) => get.working,
        Request::Tree(tree) => tree.working,
        Request::Stat(_) | Request::Hashes(_) | Request::Files(_) => false,
    }
}

/// How a directory is shown that is sent. The served folder itself has no name.
fn folder(path: &SafeText, form: &str) -> SafeText {
    let path = if path.as_str().is_empty() { "/" } else { path.as_str() };
    SafeText::new(&format!("{path} ({form})"))
}

#[cfg(test)]
mod tests {
    use super::folder;
    use crate::text::SafeText;

    #[test]
    fn folders_that_are_sent_have_a_name_on_the_dashboard() {
        assert_eq!(folder(&SafeText::new("photos"), "tree").as_str(), "photos (tree)");
        assert_eq!(folder(&SafeText::new(""), "zip").as_str(), "/ (zip)");
    }
}
