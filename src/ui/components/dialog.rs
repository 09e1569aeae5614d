//! What has the keys before any pane: the help page, the palette, a prompt, a question.

use super::{help::Page, input::LineEdit, palette::Palette};
use crate::ui::actions::Context;

/// A dialog of a screen, whose prompts are for `P` and whose questions are about `Q`.
#[derive(Clone, Debug, Default)]
pub enum Dialog<P, Q> {
    /// None is open.
    #[default]
    None,
    /// The help page.
    Help(Page),
    /// The palette of actions.
    Palette(Palette),
    /// A line to be typed.
    Prompt(Prompt<P>),
    /// Yes or no.
    Question(Question<Q>),
}

impl<P, Q> Dialog<P, Q> {
    /// Where keys are looked up while it is open.
    pub fn context(&self) -> Option<Context> {
        match self {
            Dialog::None => None,
            Dialog::Help(page) => Some(page.context()),
            Dialog::Palette(_) => Some(Context::Palette),
            Dialog::Prompt(_) => Some(Context::Prompt),
            Dialog::Question(_) => Some(Context::Question),
        }
    }
}

/// A line to be typed.
#[derive(Clone, Debug)]
pub struct Prompt<P> {
    /// What for.
    pub purpose: P,
    /// What was typed.
    pub line: LineEdit,
    /// What it was before, to go back to.
    pub before: String,
    /// Why it was not accepted.
    pub problem: Option<String>,
}

impl<P> Prompt<P> {
    /// A prompt with a text in it.
    pub fn new(purpose: P, text: &str) -> Prompt<P> {
        Prompt { purpose, line: LineEdit::new(text), before: text.to_owned(), problem: None }
    }
}

/// Yes or no.
#[derive(Clone, Debug)]
pub struct Question<Q> {
    /// The question, in one sentence.
    pub text: String,
    /// What to do after a yes.
    pub pending: Q,
}
