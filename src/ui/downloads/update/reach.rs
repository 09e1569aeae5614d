//! Tokens and pins that were typed: the default server, the listing and waiting downloads take them.

use crate::{
    client::{Command, Server},
    ui::downloads::{effect::Effect, model::Model},
};

/// Takes the token and the pin of an address that was typed; downloads that its server has refused are retried with them.
pub(super) fn reach(model: &mut Model, typed: &Server) -> Option<Effect> {
    let (defaults, host) = (&mut model.defaults, typed.host());
    let at_hand = defaults.server.as_ref().is_none_or(|server| server.host() == host);
    let news = match &defaults.server {
        _ if defaults.named.as_ref() == Some(typed) => false,
        Some(server) if server.host() == host => server.clone().follow(typed),
        _ => true,
    };
    if at_hand && news {
        defaults.named = Some(typed.clone());
    }
    if let Some(browser) = &mut model.browser {
        browser.directory.follow(typed);
    }
    (news && typed.has_credentials()).then(|| Effect::Engine(Command::Reach(typed.clone())))
}
