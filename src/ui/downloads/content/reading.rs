//! What the address line is read as, while something is typed in it.

use crate::{
    client::{
        CurlCommand,
        typed::{self, Request},
    },
    text::units,
    ui::{
        actions::{Context, InputAction},
        components::widgets::{transport, width},
        downloads::{
            model::{Focus, Model, dialog::Dialog},
            remote::target,
        },
    },
};

/// Whether it is shown: something is typed, and nothing else is asked.
pub fn is_shown(model: &Model) -> bool {
    let types = model.focus == Focus::Input && matches!(model.dialog, Dialog::None);
    types && !model.input.value().trim().is_empty()
}

/// What Enter would do with the line, in at most this many columns if that is possible.
pub fn words(model: &Model, columns: usize) -> String {
    let typed = model.input.value().trim();
    let requests = match target::requests(typed, model.defaults.server.as_ref(), &model.defaults) {
        Ok(requests) => requests,
        Err(problem) => return problem,
    };
    let [Request { address, headers }] = requests.as_slice() else {
        return format!("{} downloads", units::count(requests.len() as u64));
    };
    let server = address.server();
    if CurlCommand::is_meant(typed) {
        let fields = units::counted(headers.len() as u64, "header field");
        return format!("curl: server {server}, path /{}, {fields}", address.path());
    }
    let (words, remark) = if !typed::names_server(typed) {
        (format!("a path on {server}"), Some("another server is HOST:PORT/PATH".to_owned()))
    } else {
        let transport = transport(server.is_encrypted(), columns);
        let key = model.keys.shown(Context::Input, InputAction::Submit);
        let key = key.map(|key| key.label(model.look.glyphs.ascii));
        let then = match (address.is_root(), key) {
            (true, Some(key)) => format!("{key} lists its files"),
            (true, None) => "its files".to_owned(),
            (false, _) => format!("path /{}", address.path()),
        };
        let at_hand = model.defaults.server.as_ref().filter(|_| !typed::has_scheme(typed));
        (
            format!("server {server}, {transport}: {then}"),
            at_hand.map(|_| format!("as a path: /{}", typed::split(typed).0)),
        )
    };
    match remark.map(|remark| format!("{words}; {remark}")) {
        Some(both) if width(&both) <= columns => both,
        _ => words,
    }
}

#[cfg(test)]
mod tests {
    use crate::ui::downloads::testing::model;

    #[test]
    fn the_line_below_says_what_is_typed() {
        let mut model = model();
        let mut words = |typed: &str, columns| {
            model.input.set(typed);
            super::words(&model, columns)
        };
        for (typed, read) in [
            ("films/a", "a path on nas.local:7878; another server is HOST:PORT/PATH"),
            ("a:b/c", "a path on nas.local:7878; another server is HOST:PORT/PATH"),
            ("o:90/f", "server o:90, TLS: path /f; as a path: /o:90"),
            ("o:90", "server o:90, TLS: Enter lists its files; as a path: /o:90"),
            ("fdsp+plain://o/", "server o:7878, not encrypted: Enter lists its files"),
            ("fdsp+plain://o/a", "server o:7878, not encrypted: path /a"),
        ] {
            assert_eq!(words(typed, 80), read);
        }
        assert_eq!(words("films/a", 40), "a path on nas.local:7878");
        assert!(
            words("me@o:f", 80).ends_with("form of scp: write fdsp://o/f, or with a token fdsp://TOKEN@o/f")
        );
    }
}
