//! Unknown servers: none is trusted by accident, or without its pin on the screen.

use super::*;
use crate::client::Question;

fn new_server(host: &str) -> NewServer {
    let server = Locator::parse(&format!("fdsp://{host}")).unwrap().server();
    NewServer { server, pin: Pin([0xa5; 32]) }
}

/// Reports that a download failed because the server is unknown.
fn meet(model: &mut Model, queue: &Fake, host: &str) {
    assert!(update(model, queue, Message::Doubt(Doubt::New(new_server(host)))).is_empty());
}

fn asks_about(model: &Model, host: &str) -> bool {
    let asks = matches!(&model.dialog, Dialog::Prompt(Prompt { purpose: Purpose::Trust, .. }));
    asks && model.newcomers.first().is_some_and(|server| server.server.name() == host)
}

#[test]
fn a_new_server_is_trusted_by_a_word_and_by_nothing_less() {
    let (mut model, queue) = ready();
    meet(&mut model, &queue, "nas");
    assert!(asks_about(&model, "nas"));
    for typed in ["", "y", "yess", "sure"] {
        type_in(&mut model, &queue, typed);
        assert!(keys(&mut model, &queue, "enter").is_empty(), "{typed}");
        assert!(asks_about(&model, "nas"), "{typed}");
    }
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("nas:7878 is not known yet") && shown.contains("Type yes or no"), "{shown}");
    let small = text(&draw(&mut model, &queue, 40, 8));
    let shown: String = small.split_whitespace().collect();
    assert!(
        shown.contains(&format!("{}?", "a5".repeat(32))),
        "a pin that is cut cannot be compared:\n{small}"
    );
    type_in(&mut model, &queue, "yes");
    let Command::Trust(server) = command(keys(&mut model, &queue, "enter")) else { panic!("not trusted") };
    assert_eq!(server, new_server("nas"));
    assert!(matches!(model.dialog, Dialog::None));
}

/// What Enter does with this pasted.
fn paste_in(model: &mut Model, queue: &Fake, text: &str) -> Vec<Effect> {
    assert!(update(model, queue, Message::Paste(text.to_owned())).is_empty());
    keys(model, queue, "enter")
}

#[test]
fn the_pin_itself_or_the_address_with_it_is_an_answer() {
    let pin = new_server("nas").pin;
    let address = format!("fdsp://s3cr3t-s3cr3t-s3cr3t@NAS:7878/#{pin}");
    for right in [pin.to_string(), format!(" {} ", pin.to_string().to_uppercase())] {
        let (mut model, queue) = ready();
        // Who has the pin need not be shown it.
        draw(&mut model, &queue, 40, 3);
        meet(&mut model, &queue, "nas");
        let Command::Trust(server) = command(paste_in(&mut model, &queue, &right)) else { panic!("{right}") };
        assert_eq!(server, new_server("nas"));
    }
    // A server does not know by which name it is reached; its token belongs to its pin.
    for right in [address.clone(), address.replace("NAS", "192.0.2.1")] {
        let (mut model, queue) = ready();
        meet(&mut model, &queue, "nas");
        let effects = paste_in(&mut model, &queue, &right);
        let [Effect::Engine(Command::Reach(named)), Effect::Engine(Command::Trust(_))] = &effects[..] else {
            panic!("{right}: {effects:?}")
        };
        assert_eq!(named.root().revealed(), address.replace("NAS", "nas"));
    }
    let other = address.replace("a5a5", "a5a6");
    for (wrong, says) in [
        (other.as_str(), "Another pin! Type no"),
        ("fdsp://nas:7878/", "Type yes or no"),
        ("fdsp+plain://nas:7878/", "Type yes or no"),
    ] {
        let (mut model, queue) = ready();
        meet(&mut model, &queue, "nas");
        assert!(paste_in(&mut model, &queue, wrong).is_empty(), "{wrong}");
        assert!(asks_about(&model, "nas"), "{wrong}");
        for (width, height) in [(80, 24), (40, 8)] {
            let shown = text(&draw(&mut model, &queue, width, height));
            assert!(shown.contains(says), "{wrong}:\n{shown}");
        }
    }
}

fn warn(model: &mut Model, queue: &Fake, host: &str) {
    let doubt = Doubt::Other(new_server(host).server);
    assert!(update(model, queue, Message::Doubt(doubt)).is_empty());
}

#[test]
fn a_server_that_is_another_one_is_said_until_it_is_put_away() {
    let (mut model, queue) = ready();
    for _ in 0..2 {
        warn(&mut model, &queue, "nas");
    }
    warn(&mut model, &queue, "other");
    let shown = |model: &mut Model, width, height| {
        let screen = text(&draw(model, &queue, width, height));
        let together = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        ["CHANGED: nas:7878.", "CHANGED: other:7878."].map(|words| together.contains(words))
    };
    // Whatever is typed, and whatever is asked in between.
    model.focus = Focus::Input;
    type_in(&mut model, &queue, "some/path");
    for (width, height) in [(80, 24), (40, 8), (40, 5), (50, 3), (50, 1), (24, 14)] {
        assert_eq!(shown(&mut model, width, height), [true, false], "{width}x{height}");
    }
    meet(&mut model, &queue, "new");
    assert_eq!(shown(&mut model, 40, 8), [true, false], "before any question");
    keys(&mut model, &queue, "esc");
    assert_eq!(shown(&mut model, 40, 8), [false, true]);
    assert_eq!(model.focus, Focus::Input, "one step at a time");
    keys(&mut model, &queue, "esc");
    assert!(asks_about(&model, "new"));
    warn(&mut model, &queue, "new");
    draw(&mut model, &queue, 40, 8);
    assert!(!asks_about(&model, "new"), "nor is a question that is open before it");
    keys(&mut model, &queue, "esc");
    assert!(asks_about(&model, "new"));
    keys(&mut model, &queue, "esc");
    warn(&mut model, &queue, "nas");
    assert_eq!(shown(&mut model, 40, 8), [false, false], "it was said");
    keys(&mut model, &queue, "esc tab R");
    warn(&mut model, &queue, "nas");
    assert_eq!(shown(&mut model, 40, 8), [true, false], "it was tried again");
}

#[test]
fn who_trusts_one_certificate_is_asked_about_no_other_of_the_same_server() {
    let (mut model, queue) = ready();
    meet(&mut model, &queue, "nas");
    let other = NewServer { pin: Pin([7; 32]), ..new_server("nas") };
    assert!(update(&mut model, &queue, Message::Doubt(Doubt::New(other))).is_empty());
    draw(&mut model, &queue, 80, 24);
    type_in(&mut model, &queue, "yes");
    let Command::Trust(server) = command(keys(&mut model, &queue, "enter")) else { panic!("not trusted") };
    assert_eq!(server, new_server("nas"));
    assert!(matches!(model.dialog, Dialog::None));
}

#[test]
fn a_server_is_asked_about_once_until_it_is_tried_again() {
    let (mut model, queue) = ready();
    for _ in 0..3 {
        meet(&mut model, &queue, "nas");
    }
    meet(&mut model, &queue, "other");
    keys(&mut model, &queue, "esc");
    assert!(asks_about(&model, "other"), "one after the other");
    type_in(&mut model, &queue, "no");
    keys(&mut model, &queue, "enter");
    assert!(matches!(model.dialog, Dialog::None));
    meet(&mut model, &queue, "nas");
    assert!(matches!(model.dialog, Dialog::None), "the answer was no");
    keys(&mut model, &queue, "R");
    meet(&mut model, &queue, "nas");
    assert!(asks_about(&model, "nas"));
}

#[test]
fn a_no_holds_for_every_certificate_of_the_server() {
    let (mut model, queue) = ready();
    for number in 1..=3 {
        let doubt = Doubt::New(NewServer { pin: Pin([number; 32]), ..new_server("nas") });
        assert!(update(&mut model, &queue, Message::Doubt(doubt)).is_empty());
    }
    type_in(&mut model, &queue, "no");
    keys(&mut model, &queue, "enter");
    assert!(matches!(model.dialog, Dialog::None));
    let doubt = Doubt::New(NewServer { pin: Pin([9; 32]), ..new_server("nas") });
    assert!(update(&mut model, &queue, Message::Doubt(doubt)).is_empty());
    assert!(matches!(model.dialog, Dialog::None));
}

#[test]
fn what_was_drawn_and_is_not_on_the_terminal_yet_is_neither_trusted_nor_put_away() {
    let (mut model, queue) = ready();
    draw(&mut model, &queue, 80, 24);
    meet(&mut model, &queue, "nas");
    model.refresh(&queue, Size { width: 80, height: 24 });
    model.drawn();
    assert!(!takes_yes(&mut model, &queue) && asks_about(&model, "nas"));
    model.shown();
    assert!(takes_yes(&mut model, &queue));
    warn(&mut model, &queue, "nas");
    model.drawn();
    keys(&mut model, &queue, "esc");
    assert_eq!(model.alarms.len(), 1);
    model.shown();
    keys(&mut model, &queue, "esc");
    assert!(model.alarms.is_empty());
}

#[test]
fn no_name_is_so_long_that_it_hides_the_warning() {
    for host in ["nas", &long_host(), &"y".repeat(70)] {
        for width in 24..=130 {
            for height in [1, 4, 8, 14, 24] {
                let (mut model, queue) = (model(), Fake::default());
                warn(&mut model, &queue, host);
                let shown = text(&draw(&mut model, &queue, width, height));
                let together: String = shown.split_whitespace().collect();
                assert!(together.contains("SERVERIDENTITYCHANGED"), "{width}x{height}:\n{shown}");
            }
        }
    }
}

/// The first frame of a question makes void what was typed before: letters that were handled, and by its answer those that were not.
#[test]
fn what_was_typed_before_a_question_was_shown_is_no_answer_to_it() {
    let (mut model, queue) = ready();
    draw(&mut model, &queue, 80, 24);
    for host in ["nas", "other"] {
        meet(&mut model, &queue, host);
    }
    for host in ["nas", "other"] {
        type_in(&mut model, &queue, "yes");
        model.refresh(&queue, Size { width: 80, height: 24 });
        model.drawn();
        assert!(model.shown() && !model.shown(), "{host}: once for each question");
        assert!(keys(&mut model, &queue, "enter").is_empty() && asks_about(&model, host), "{host}");
        assert!(takes_yes(&mut model, &queue), "{host}");
    }
    draw(&mut model, &queue, 80, 24);
    assert!(!model.shown(), "nothing is asked");
}

#[test]
fn a_new_server_waits_until_nothing_else_is_asked() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "b");
    meet(&mut model, &queue, "nas");
    assert!(!asks_about(&model, "nas"));
    keys(&mut model, &queue, "esc");
    assert!(asks_about(&model, "nas"));
}

#[test]
fn a_server_that_nobody_knows_can_be_browsed_once_it_is_trusted() {
    let (mut model, queue) = ready();
    let effects = keys(&mut model, &queue, "o");
    let [Effect::List { ticket, .. }] = &effects[..] else { panic!("{effects:?}") };
    let mut trouble = Trouble::new(TroubleKind::Refused, "not known");
    trouble.question = Some(Box::new(Question::Trust(Doubt::New(new_server("nas")))));
    update(&mut model, &queue, Message::Listed { ticket: *ticket, answer: Err(trouble) });
    assert!(asks_about(&model, "nas"));
    draw(&mut model, &queue, 80, 24);
    type_in(&mut model, &queue, "yes");
    let effects = keys(&mut model, &queue, "enter");
    assert!(matches!(&effects[..], [Effect::Engine(Command::Trust(_)), Effect::List { .. }]), "{effects:?}");
}

/// The longest host name that there is.
fn long_host() -> String {
    format!("first.{}.last", "x".repeat(242))
}

/// Whether the screen has all of the pin, row after row, and what to type.
fn shows_pin(screen: &str) -> bool {
    let together: String = screen.split_whitespace().collect();
    together.contains(&format!("sha256:{}?", "a5".repeat(32))) && together.contains("Typeyes")
}

/// Whether a yes is taken for the server that is asked about on a screen of this size.
fn takes_yes(model: &mut Model, queue: &Fake) -> bool {
    type_in(model, queue, "yes");
    match &keys(model, queue, "enter")[..] {
        [] => false,
        [Effect::Engine(Command::Trust(_))] => true,
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_is_trusted_whose_pin_has_no_room() {
    for host in ["nas", &long_host()] {
        for (width, height, room) in
            [(80, 24, true), (40, 8, true), (24, 14, true), (40, 5, false), (40, 3, false), (20, 3, false)]
        {
            let (mut model, queue) = ready();
            draw(&mut model, &queue, width, height);
            meet(&mut model, &queue, host);
            let shown = text(&draw(&mut model, &queue, width, height));
            assert_eq!(shows_pin(&shown), room, "{shown}");
            assert_eq!(shown.contains("large"), !room, "{shown}");
            assert_eq!(takes_yes(&mut model, &queue), room, "{shown}");
            assert_eq!(asks_about(&model, host), !room);
            // What could not be seen can be refused all the same, and seen once there is room.
            draw(&mut model, &queue, 80, 24);
            if !room {
                assert!(takes_yes(&mut model, &queue));
            }
        }
    }
}

#[test]
fn at_every_size_a_yes_is_taken_if_the_pin_is_shown() {
    let check = |host: &str| {
        for width in 1..=130 {
            for height in [1, 3, 4, 6, 8, 13, 14, 24, 40] {
                let (mut model, queue) = (model(), Fake::default());
                meet(&mut model, &queue, host);
                let shown = text(&draw(&mut model, &queue, width, height));
                let shows = shows_pin(&shown);
                assert!(shows || width < 24 || height < 14, "{width}x{height}:\n{shown}");
                assert_eq!(takes_yes(&mut model, &queue), shows, "{width}x{height}:\n{shown}");
            }
        }
    };
    std::thread::scope(|scope| {
        for host in ["nas".to_owned(), long_host(), "y".repeat(70)] {
            scope.spawn(move || check(&host));
        }
    });
}

#[test]
fn a_yes_before_the_pin_was_shown_counts_for_nothing() {
    let (mut model, queue) = ready();
    meet(&mut model, &queue, "nas");
    meet(&mut model, &queue, "other");
    draw(&mut model, &queue, 80, 24);
    assert!(takes_yes(&mut model, &queue));
    assert!(asks_about(&model, "other") && !takes_yes(&mut model, &queue), "typed ahead");
    draw(&mut model, &queue, 40, 3);
    assert!(!takes_yes(&mut model, &queue), "the window shrank");
    keys(&mut model, &queue, "esc");
    assert!(matches!(model.dialog, Dialog::None), "a no needs no pin");
}
