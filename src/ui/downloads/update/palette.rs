//! The palette of the download screen: what it offers, and where its actions are done.

use super::act;
use crate::ui::{
    actions::{Action, Context, GlobalAction, Section, Spec, TABLE},
    components::palette::Palette,
    downloads::{
        effect::Effect,
        model::{Focus, Model, Panel},
        queue::Queue,
    },
};

/// The palette of what can be done in any pane that is open.
pub(super) fn open(model: &Model) -> Palette {
    let offered = TABLE.iter().filter(|spec| is_offered(spec) && place(model, spec).is_some());
    Palette::new(offered, model.context())
}

/// Does an action in the pane that it is for.
pub(super) fn run(model: &mut Model, queue: &impl Queue, action: Action) -> Vec<Effect> {
    match action.spec().and_then(|spec| place(model, spec)) {
        Some(focus) => {
            model.focus = focus;
            act(model, queue, action)
        }
        None => Vec::new(),
    }
}

/// Whether an action makes sense by its name: not a move, nor what belongs to a line that is typed.
fn is_offered(spec: &Spec) -> bool {
    Section::DOWNLOADS.contains(&spec.section)
        && !matches!(spec.section, Section::Moving | Section::Dialogs)
        && spec.action != GlobalAction::Palette.into()
}

/// The pane in which an action can be done now: that with the focus, if it can be done there.
fn place(model: &Model, spec: &Spec) -> Option<Focus> {
    let panel = match model.panel {
        Panel::Closed => None,
        Panel::Browser => Some(Context::Browser),
        Panel::Details => Some(Context::Details),
    };
    let has = |context| spec.contexts.contains(&context);
    let here = match model.focus {
        Focus::Input => has(Context::Input),
        Focus::Queue => has(Context::Queue),
        Focus::Panel => panel.is_some_and(has),
        Focus::Log => has(Context::Log),
    };
    match () {
        () if here => Some(model.focus),
        () if has(Context::Queue) => Some(Focus::Queue),
        () if panel.is_some_and(has) => Some(Focus::Panel),
        () if has(Context::Log) => Some(Focus::Log),
        () => None,
    }
}
