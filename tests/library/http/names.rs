//! The name of a file: that of the answer, else that of the final address; never a path.

use std::sync::atomic::Ordering;

use super::{TAG, assert_content, ended, get, get_again, interrupted, once};
use crate::{
    engine::support::{Client, MIB, content},
    shared::web::{Answer, Request, Web},
};

#[test]
fn the_name_of_the_answer_comes_first() {
    for (path, disposition, name) in [
        ("get?id=3", "attachment; filename=\"a b.iso\"", "a b.iso"),
        ("get", "attachment; filename*=UTF-8''na%C3%AFve.txt", "naïve.txt"),
        ("get", "attachment; filename=\"../../etc/passwd\"", "passwd"),
        ("get", "attachment; filename=\".bashrc\"", "_bashrc"),
        ("a%20b.txt", "inline", "a b.txt"),
        (".profile", "inline", ".profile"),
        ("folder/", "inline", "index.html"),
    ] {
        let field = format!("Content-Disposition: {disposition}");
        let web = Web::new(move |request| Answer::of(request, b"content", TAG, &[&field]));
        let mut client = Client::quick();
        let finished = get(&mut client, &web, path).unwrap();
        assert_eq!(finished.path, client.path(name), "{path} {disposition}");
    }
}

/// Many servers refuse HEAD, by which the name is asked for.
#[test]
fn a_file_that_the_server_names_is_resumed_by_the_next_start() {
    for refuses_head in [false, true] {
        let file = content(4 * MIB, 1);
        let served = file.clone();
        let answer = move |request: &Request| match request.method.as_str() {
            "HEAD" if refuses_head => Answer::empty("405 Method Not Allowed", &[]),
            _ => Answer::of(request, &served, TAG, &["Content-Disposition: attachment; filename=a.iso"]),
        };
        let (web, later) = interrupted(3 * MIB, answer.clone(), answer);
        let mut client = Client::new(once());
        get(&mut client, &web, "get?id=3").unwrap_err();
        later.store(true, Ordering::Relaxed);
        let folder = ended(client);
        let finished = get_again(&folder, once(), &web, "get?id=3").unwrap();
        assert_content(&finished, &file);
        assert!(finished.resumed >= 3 * MIB as u64 - 1, "{finished:?}");
        assert!(finished.path.ends_with("a.iso"));
    }
}
