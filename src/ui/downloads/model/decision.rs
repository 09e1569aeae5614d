//! The question of a download that is open on the screen.

use super::{
    Model,
    dialog::{Dialog, Prompt, Purpose},
};
use crate::{
    client::{Doubt, JobId, JobState, JobView, Question, QuestionKind, Server},
    ui::downloads::queue::Queue,
};

/// A question, and its place among all that are open.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The download, as it was read last.
    pub row: JobView,
    /// Its place among those that need a decision, from 1.
    pub at: usize,
    /// How many need one.
    pub of: usize,
    /// How many ask the same.
    pub same: usize,
}

/// The question of a row.
pub fn question(row: &JobView) -> Option<&Question> {
    match &row.state {
        JobState::Undecided(trouble) => trouble.question.as_deref(),
        _ => None,
    }
}

impl Decision {
    fn new(row: JobView, undecided: &[(JobId, QuestionKind)]) -> Option<Decision> {
        let at = undecided.iter().position(|(id, _)| *id == row.id)?;
        let kind = question(&row)?.kind();
        let same = undecided.iter().filter(|(_, other)| *other == kind).count();
        Some(Decision { row, at: at + 1, of: undecided.len(), same })
    }

    /// What is asked.
    pub fn question(&self) -> Option<&Question> {
        question(&self.row)
    }
}

impl Model {
    /// Opens the question of this download.
    pub(crate) fn decide(&mut self, queue: &impl Queue, id: JobId) {
        self.deciding = None;
        let Some(row) = queue.rows(&[id]).pop() else { return };
        match question(&row) {
            None => {}
            Some(Question::Trust(Doubt::New(server))) => {
                // It may have been declined before.
                let host = server.server.host();
                self.declined.retain(|declined| declined.server.host() != host);
                self.meet(Doubt::New(server.clone()));
            }
            Some(Question::Trust(Doubt::Other(_))) => {}
            Some(Question::Token(server)) => self.ask_for_token(server.clone()),
            Some(_) => self.deciding = Decision::new(row, &queue.undecided()),
        }
    }

    /// Asks for the token of a server.
    pub(crate) fn ask_for_token(&mut self, server: Server) {
        let problem = format!("{server} wants its token, and got none or a wrong one");
        let purpose = Purpose::Token(server);
        self.dialog = Dialog::Prompt(Prompt { problem: Some(problem), ..Prompt::new(purpose, "") });
    }

    /// Opens the next question after that of a download, if there is one, without those that were just answered.
    pub(crate) fn decide_next(
        &mut self,
        queue: &impl Queue,
        after: Option<JobId>,
        is_answered: impl Fn(JobId, QuestionKind) -> bool,
    ) {
        self.deciding = None;
        let all = queue.undecided();
        let begin =
            after.and_then(|id| all.iter().position(|(other, _)| *other == id)).map_or(0, |at| at + 1);
        let (before, rest) = all.split_at(begin.min(all.len()));
        let next = rest.iter().chain(before).find(|(id, kind)| !is_answered(*id, *kind));
        if let Some((id, _)) = next {
            self.decide(queue, *id);
        }
    }

    /// Reads the open question again; whether it differs from what was shown.
    pub(super) fn reread_decision(&mut self, queue: &impl Queue) -> bool {
        let Some(before) = self.deciding.take() else { return false };
        let row = queue.rows(&[before.row.id]).pop();
        self.deciding = row.and_then(|row| Decision::new(row, &queue.undecided()));
        let shown = |decision: &Decision| (decision.at, decision.of, decision.same);
        self.deciding.as_ref().is_none_or(|now| shown(now) != shown(&before) || now.row != before.row)
    }
}
