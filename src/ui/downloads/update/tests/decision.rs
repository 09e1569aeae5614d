//! Questions of downloads: which keys answer them, and what is edited.

use std::path::PathBuf;

use super::*;
use crate::{
    client::{Answer, Edit, Question},
    protocol::trust::token::Token,
    ui::downloads::testing::{conflict, undecided},
};

/// Three downloads that ask the same, and one that asks for a token.
fn asking() -> (Model, Fake) {
    let mut queue = every_state();
    let token = Question::Token(testing::server());
    queue.rows.extend([
        row(20, "a.bin", undecided(conflict("a.bin"))),
        row(21, "b.bin", undecided(conflict("b.bin"))),
        row(22, "c.bin", undecided(token.clone())),
        row(23, "d.bin", undecided(token)),
    ]);
    let mut model = model();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab");
    (model, queue)
}

fn open(model: &Model) -> Option<JobId> {
    model.deciding.as_ref().map(|decision| decision.row.id)
}

fn asks_for_token(model: &Model) -> bool {
    let server = testing::server();
    matches!(&model.dialog, Dialog::Prompt(Prompt { purpose: Purpose::Token(of), .. }) if of.host() == server.host())
}

fn answered(effects: Vec<Effect>) -> (Vec<JobId>, Answer, bool) {
    match command(effects) {
        Command::Answer { ids, answer, for_all } => (ids, answer, for_all),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_answers_the_open_question_and_the_next_one_opens() {
    let (mut model, queue) = asking();
    keys(&mut model, &queue, "D");
    assert_eq!((model.context(), open(&model)), (Context::Decision, Some(JobId(20))));
    assert!(keys(&mut model, &queue, "enter").is_empty(), "nothing is replaced by a key pressed by chance");
    assert_eq!(answered(keys(&mut model, &queue, "k")), (ids(&[20]), Answer::Keep, false));
    assert_eq!(open(&model), Some(JobId(21)));
    assert_eq!(answered(keys(&mut model, &queue, "o")), (ids(&[21]), Answer::Replace, false));
    assert!(asks_for_token(&model));
}

#[test]
fn a_capital_letter_answers_all_that_ask_the_same() {
    let (mut model, queue) = asking();
    keys(&mut model, &queue, "D");
    assert_eq!(answered(keys(&mut model, &queue, "S")), (ids(&[20]), Answer::Skip, true));
    assert!(asks_for_token(&model));
}

#[test]
fn a_question_can_wait_and_closes_once_it_is_answered() {
    let (mut model, mut queue) = asking();
    keys(&mut model, &queue, "D tab");
    assert_eq!(open(&model), Some(JobId(21)));
    keys(&mut model, &queue, "esc");
    assert_eq!((model.context(), open(&model)), (Context::Queue, None));
    keys(&mut model, &queue, "D");
    queue.rows.retain(|row| open(&model) != Some(row.id));
    draw(&mut model, &queue, 80, 24);
    assert_eq!(open(&model), None);
    queue.rows.retain(|row| !matches!(row.state, JobState::Undecided(_)));
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "D");
    assert_eq!(notice(&model), "nothing needs a decision");
}

#[test]
fn enter_on_a_row_that_asks_opens_its_question() {
    let (mut model, queue) = asking();
    model.queue.select(Row::Job(JobId(21)));
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "enter");
    assert_eq!(open(&model), Some(JobId(21)));
}

#[test]
fn a_token_is_for_all_downloads_of_the_server_and_is_not_shown() {
    let (mut model, queue) = asking();
    model.queue.select(Row::Job(JobId(23)));
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "enter");
    type_in(&mut model, &queue, "short");
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert!(matches!(&model.dialog, Dialog::Prompt(Prompt { problem: Some(_), .. })));
    type_in(&mut model, &queue, "-but-longer");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(!shown.contains("short") && shown.contains("•••"), "{shown}");
    let token = Token::parse("short-but-longer").unwrap();
    let effects = keys(&mut model, &queue, "enter");
    assert_eq!(command(effects), Command::Reach(testing::server().with_token(Some(token))));
    assert_eq!(open(&model), Some(JobId(20)), "the other one asks nothing any more");
}

/// The server was typed without its scheme; a download has found how it is reached.
#[test]
fn a_failed_listing_is_opened_again_in_the_way_the_server_is_reached() {
    let (mut model, queue) = (model(), every_state());
    type_in(&mut model, &queue, "fdsp://nas.local/");
    let listed = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::List { ticket, directory, .. } => Some((*ticket, directory.server())),
            _ => None,
        })
    };
    let (ticket, server) = listed(&keys(&mut model, &queue, "ctrl-o")).expect("a listing");
    assert!(server.is_encrypted());
    let trouble = Trouble::new(TroubleKind::Connection, "it speaks without TLS");
    update(&mut model, &queue, Message::Listed { ticket, answer: Err(trouble) });
    model.input.clear();
    keys(&mut model, &queue, "esc");
    let (_, server) = listed(&keys(&mut model, &queue, "ctrl-o")).expect("another listing");
    assert_eq!(server, testing::server());
}

#[test]
fn a_listing_that_wants_a_token_asks_for_it_and_opens() {
    let (mut model, queue) = (model(), every_state());
    draw(&mut model, &queue, 80, 24);
    let ticket = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::List { ticket, directory, .. } => Some((*ticket, directory.server())),
            _ => None,
        })
    };
    let mut listing = ticket(&keys(&mut model, &queue, "ctrl-o"));
    for typed in ["a-wrong-token-for-it", "sesame-sesame-sesame"] {
        let (at, _) = listing.expect("a listing");
        let question = Question::Token(testing::server().with_token(None));
        let trouble =
            Trouble { question: Some(Box::new(question)), ..Trouble::new(TroubleKind::Refused, "no") };
        update(&mut model, &queue, Message::Listed { ticket: at, answer: Err(trouble) });
        assert!(asks_for_token(&model));
        let shown = text(&draw(&mut model, &queue, 80, 24));
        assert!(shown.contains("wants its token"), "{shown}");
        type_in(&mut model, &queue, typed);
        let shown = text(&draw(&mut model, &queue, 80, 24));
        assert!(!shown.contains(typed), "{shown}");
        let effects = keys(&mut model, &queue, "enter");
        let server = testing::server().with_token(Some(Token::parse(typed).unwrap()));
        let is_reach =
            |effect: &Effect| matches!(effect, Effect::Engine(Command::Reach(reached)) if *reached == server);
        assert!(effects.iter().any(is_reach), "{effects:?}");
        listing = ticket(&effects);
        assert_eq!(listing.as_ref().map(|(_, at)| at), Some(&server));
    }
    let (at, _) = listing.expect("a listing");
    update(&mut model, &queue, Message::Listed { ticket: at, answer: Ok(entries(&["films/"], false)) });
    assert!(matches!(model.dialog, Dialog::None));
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("films"));
}

#[test]
fn name_folder_and_address_of_what_is_not_done_can_be_changed() {
    let (mut model, mut queue) = ready();
    keys(&mut model, &queue, "e");
    type_in(&mut model, &queue, ".new");
    let edited = command(keys(&mut model, &queue, "enter"));
    let path = PathBuf::from("/home/u/ubuntu-24.04.iso.new");
    assert_eq!(edited, Command::Edit(JobId(1), Edit::Path(path)));
    // Only the folder changes, and the server may still announce another name.
    queue.rows[0].target = SafeText::new("/home/u");
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "e ctrl-u");
    type_in(&mut model, &queue, "/srv/ubuntu-24.04.iso");
    let edited = command(keys(&mut model, &queue, "enter"));
    assert_eq!(edited, Command::Edit(JobId(1), Edit::Path(PathBuf::from("/srv/"))));
    keys(&mut model, &queue, "e");
    assert!(keys(&mut model, &queue, "enter").is_empty(), "nothing was changed");
    // What was not found needs another address.
    for open in ["e", "E"] {
        model.queue.select(Row::Job(JobId(5)));
        draw(&mut model, &queue, 80, 24);
        keys(&mut model, &queue, open);
        type_in(&mut model, &queue, "2");
        let edited = command(keys(&mut model, &queue, "enter"));
        let address = Locator::parse("fdsp+plain://nas.local:7878/srv/old.bin2").unwrap();
        assert_eq!(edited, Command::Edit(JobId(5), Edit::Address(address)));
    }
    model.queue.select(Row::Job(JobId(4)));
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "e");
    assert_eq!(notice(&model), "notes.tar.zst cannot be changed: it is done");
}

#[test]
fn what_has_no_partial_file_is_cancelled_without_a_question() {
    let (mut model, queue) = asking();
    model.queue.select(Row::Job(JobId(20)));
    draw(&mut model, &queue, 80, 24);
    let effects = keys(&mut model, &queue, "x");
    assert!(matches!(command(effects), Command::Cancel(all) if all == ids(&[20])));
    assert_eq!(notice(&model), "1 download cancelled; u undoes that");
}

#[test]
fn with_only_done_rows_marked_neither_pause_nor_cancel_is_offered() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "G space");
    let shown = text(&draw(&mut model, &queue, 120, 24));
    let bar = shown.lines().last().unwrap_or_default();
    assert!(!bar.contains("pause") && !bar.contains("cancel") && bar.contains("d remove"), "{bar}");
}
