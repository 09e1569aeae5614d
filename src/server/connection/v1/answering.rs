//! A request and its answer, from looking it up to the last byte.

use std::time::Instant;

use super::{answer::Answer, requests::V1};
use crate::{
    protocol::{client::Request, message::Failure},
    server::{
        api::snapshot::ConnectionState,
        connection::{
            answer::{
                files::Files,
                hashing::Hashing,
                reply::{Answered, Reply, describe, reply},
                sending::Sending,
                stage::{Stage, Worked},
                tree::Listing,
            },
            output::Output,
            status_of,
        },
        limits::{PERMIT_INTERVAL, WORKING_INTERVAL},
    },
    text::SafeText,
};

impl V1 {
    /// Puts content that is in memory into the output. Returns whether there is something in the output.
    pub(crate) fn fill_cached(&mut self, output: &mut Output) -> bool {
        let Some(mut answer) = self.answer.take() else { return false };
        match answer.stage.fill_cached(output) {
            Ok(has_filled) => {
                self.answer = Some(answer);
                has_filled
            }
            Err(failure) => {
                self.fail(answer.id, &answer.path, &failure, output);
                true
            }
        }
    }

    /// Begins to answer a request.
    pub(crate) fn begin(&mut self, id: u32, request: Request, output: &mut Output, now: Instant) {
        self.begin_answer(id, request, output, now);
        if self.answer.is_none() {
            output.answered();
        }
    }

    fn begin_answer(&mut self, id: u32, request: Request, output: &mut Output, now: Instant) {
        let (what, path) = describe(&request);
        let path = SafeText::new(path);
        output.request(what, &path);
        if !matches!(request, Request::Stat(_) | Request::List(_)) {
            output.transfer();
        }
        let working_at = wants_working_frames(&request).then(|| now + WORKING_INTERVAL);
        let reply = reply(&output.shared, output.peer(), request, &path);
        match &reply {
            Ok(Reply::Content(_)) => output.show(&path),
            Ok(Reply::Hashes(_)) => {
                output.show(&path);
                output.state(ConnectionState::Hashing);
            }
            Ok(Reply::Tree(_)) => {
                output.show(&folder(&path, "tree"));
                output.state(ConnectionState::Planning);
            }
            Ok(Reply::Files(wanted)) => {
                output.show(&folder(&path, "tree"));
                if !wanted.content() {
                    output.state(ConnectionState::Hashing);
                }
            }
            Ok(Reply::Archive(_)) => {
                output.show(&folder(&path, "zip"));
                output.state(ConnectionState::Planning);
            }
            _ => {}
        }
        self.answer(id, path, (now, working_at), reply, output);
    }

    /// Writes the answer, or its first part.
    fn answer(
        &mut self,
        id: u32,
        path: SafeText,
        (started, working_at): (Instant, Option<Instant>),
        reply: Result<Reply, Failure>,
        output: &mut Output,
    ) {
        let stage = match reply {
            Ok(Reply::Meta(meta)) => return self.machine.meta(id, &meta, &mut output.out),
            Ok(Reply::Page(page)) => Stage::Paging(page),
            Ok(Reply::Entries(entries)) => return self.machine.entries(id, &entries, &mut output.out),
            Ok(Reply::Content(content)) => {
                output.begin(path.clone(), started, content.body.left());
                Stage::Sending(self.announce(id, *content, output))
            }
            Ok(Reply::Hashes(hashes)) => {
                let (content, blocks) = *hashes;
                let writer = self.machine.hashes(id, &content, &mut output.out);
                Stage::Hashing(Box::new(Hashing::new(writer, blocks)))
            }
            Ok(Reply::Archive(archive)) => Stage::Planning(archive),
            Ok(Reply::Tree(walking)) => {
                let writer = self.machine.tree(id, &mut output.out);
                Stage::Tree(Box::new(Listing::new(writer, *walking)))
            }
            Ok(Reply::Files(wanted)) => {
                if wanted.content() {
                    output.begin(path.clone(), started, None);
                }
                let writer = self.machine.files(id, &mut output.out);
                Stage::Files(Box::new(Files::new(writer, *wanted)))
            }
            Err(failure) => return self.fail(id, &path, &failure, output),
        };
        self.answer = Some(Answer { id, path, started, working_at, stage });
    }

    fn announce(&mut self, id: u32, answered: Answered, output: &mut Output) -> Box<Sending> {
        let Answered { content, body, missing, root } = answered;
        let writer = self.machine.content(id, &content, &mut output.out);
        Box::new(Sending { writer, body, identity: content.identity, missing, root })
    }

    /// Puts more of an answer into the output, or does a part of the work before that. Keeps the answer in `self.answer`, unless it has ended.
    pub(crate) fn resume(&mut self, answer: Answer, output: &mut Output, now: Instant) {
        self.resume_answer(answer, output, now);
        if self.answer.is_none() {
            output.answered();
        }
    }

    fn resume_answer(&mut self, answer: Answer, output: &mut Output, now: Instant) {
        let Answer { id, path, started, working_at, stage } = answer;
        let mut stage = match stage.fill(&path, output) {
            Ok(Some(stage)) => stage,
            Ok(None) => return,
            Err(failure) => return self.fail(id, &path, &failure, output),
        };
        let is_waiting = stage.is_waiting();
        if is_waiting {
            self.permit_at = Some(now + PERMIT_INTERVAL);
        }
        if is_waiting || !output.out.is_empty() {
            self.answer = Some(Answer { id, path, started, working_at, stage });
        } else {
            match stage.work(&path, output) {
                Ok(Worked::On(stage)) => {
                    self.answer = Some(Answer { id, path, started, working_at, stage });
                    self.report_work(output, now);
                }
                Ok(Worked::Known(reply)) => {
                    self.answer(id, path, (started, working_at), Ok(reply), output);
                    self.report_work(output, now);
                }
                Ok(Worked::Ended) => {}
                Err(failure) => self.fail(id, &path, &failure, output),
            }
        }
        if let Some(answer) = self.answer.as_mut().filter(|_| !output.out.is_empty()) {
            answer.stage.release();
        }
    }

    /// Sends a `working` frame to a client that asked for them, if nothing else was sent for [`WORKING_INTERVAL`].
    fn report_work(&mut self, output: &mut Output, now: Instant) {
        let Some(Answer { id, working_at: Some(at), stage, .. }) = &mut self.answer else { return };
        if output.out.is_empty() && stage.is_looking() && *at <= now {
            *at = now + WORKING_INTERVAL;
            self.machine.working(*id, &mut output.out);
        }
    }

    fn fail(&mut self, id: u32, path: &SafeText, failure: &Failure, output: &mut Output) {
        output.fail(path, &failure.message);
        output.status(status_of(failure.code));
        self.machine.failure(id, failure, &mut output.out);
    }
}

/// Whether the client takes `working` frames while a folder is read.
fn wants_working_frames(request: &Request) -> bool {
    match request {
        Request::List(list) => list.working,
        Request::Get(get) => get.working,
        Request::Tree(tree) => tree.working,
        Request::Stat(_) | Request::Hashes(_) | Request::Files(_) => false,
    }
}

/// The name of a directory for the dashboard. The served folder itself has no name.
fn folder(path: &SafeText, form: &str) -> SafeText {
    let path = if path.as_str().is_empty() { "/" } else { path.as_str() };
    SafeText::new(&format!("{path} ({form})"))
}

#[cfg(test)]
mod tests {
    use super::folder;
    use crate::text::SafeText;

    #[test]
    fn folders_have_a_name_on_the_dashboard() {
        assert_eq!(folder(&SafeText::new("photos"), "tree").as_str(), "photos (tree)");
        assert_eq!(folder(&SafeText::new(""), "zip").as_str(), "/ (zip)");
    }
}
