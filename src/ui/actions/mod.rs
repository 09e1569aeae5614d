//! The one table of what the user can do on both screens. The key map, the hint bar, the help page, the
//! table of `docs/keys.md` and the `[keys]` section of the configuration are all made from it.

pub mod context;
pub mod docs;
pub mod hints;
pub mod key;
pub mod keymap;
pub mod table;

pub use context::Context;
pub use key::Key;
pub use keymap::{KeyError, KeyMap};
pub use table::{
    Action, BrowserAction, DashboardAction, DecisionAction, DialogAction, GlobalAction, InputAction,
    LogAction, MoveAction, QueueAction, Section, Spec, TABLE,
};

#[cfg(test)]
mod tests;
