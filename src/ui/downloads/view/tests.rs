//! What the screen looks like, and that nothing can break it.

mod bounds;
mod details;
mod dialogs;
mod queue;
mod remote;

use proptest::prelude::*;
use ratatui::{layout::Size, style::Modifier};

use crate::{
    client::{
        Claimed, Doubt, Finished, JobId, JobState, JobView, Locator, LostServer, NewServer, Part, Picture,
        Question, Trouble, TroubleKind,
    },
    protocol::{
        message::{Missing, MissingEntry},
        trust::pin::Pin,
    },
    text::{SafeText, is_unsafe},
    ui::{
        Look,
        downloads::{
            Effect, Message, Model, Ticket, start,
            testing::{
                self, Fake, conflict, done, draw, drawn, entries, every_state, failed, keys, logged, row,
                running, undecided, waiting,
            },
            update, view,
        },
        testing::{LOOKS, SIZES, picture, text, traffic::bytes_per_second},
    },
};

fn ready(look: Look) -> (Model, Fake) {
    let queue = every_state();
    let mut model = logged();
    model.look = look;
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab space");
    (model, queue)
}
