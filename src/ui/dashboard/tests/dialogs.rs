//! Questions, blocks and what is pasted.

use super::*;

#[test]
fn what_cannot_be_undone_asks_first_and_takes_only_its_own_key() {
    let address = IpAddr::from([192, 168, 1, 20]);
    let mut model = busy();
    keys(&mut model, "j");
    for question in ["d", "D", "q"] {
        assert_eq!(keys(&mut model, question), []);
        assert_eq!(keys(&mut model, "\n"), [], "Enter is no answer");
        assert!(matches!(model.dialog, Dialog::Question(_)));
        assert_eq!(keys(&mut model, "n"), []);
        assert!(matches!(model.dialog, Dialog::None));
    }
    assert_eq!(keys(&mut model, "dy"), [Effect::Command(Command::DisconnectAddress(address))]);
    assert_eq!(keys(&mut model, "db"), [Effect::Command(Command::Block(address, BLOCK_TIME))]);
    keys(&mut model, ">j");
    assert_eq!(keys(&mut model, "dy"), [Effect::Command(Command::Disconnect(ConnectionId(20)))]);
    assert_eq!(keys(&mut model, "db"), [Effect::Command(Command::Block(address, BLOCK_TIME))]);
    assert_eq!(keys(&mut model, "Db"), [], "only a client can be blocked");
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::Drain)]);
    assert_eq!(keys(&mut model, "q"), []);
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::Stop), Effect::Quit]);
    let mut empty = model_of(Vec::new(), Instant::now());
    assert_eq!(
        keys(&mut empty, "q"),
        [Effect::Command(Command::Stop), Effect::Quit],
        "no client is connected"
    );
}

#[test]
fn a_block_is_shown_with_the_time_left_and_can_be_lifted() {
    let address = IpAddr::from([192, 168, 1, 66]);
    let mut model = busy();
    assert_eq!(keys(&mut model, "u"), []);
    assert!(model.notice.is_some(), "nothing that is blocked is selected");
    keys(&mut model, "G");
    assert_eq!(model.rows.selected(), Some(RowKey::Block(address)));
    let text = shown(&model);
    assert!(text.contains("9 m 40 s") && text.contains("blocked") && text.contains("3 refused"), "{text}");
    assert_eq!(keys(&mut model, "d"), []);
    assert!(matches!(model.dialog, Dialog::None), "it is disconnected already");
    assert_eq!(keys(&mut model, "u"), [Effect::Command(Command::Unblock(address))]);
}

#[test]
fn the_question_is_about_the_client_it_was_asked_of() {
    let mut model = busy();
    keys(&mut model, "jd");
    assert!(shown(&model).contains("Disconnect 192.168.1.20 (3 connections)?"));
    let mut rows = reading(&model).rows;
    rows.drain(..2);
    read(&mut model, rows);
    assert!(shown(&model).contains("Disconnect 192.168.1.20?"));
    read(&mut model, Vec::new());
    let address = IpAddr::from([192, 168, 1, 20]);
    assert_eq!(keys(&mut model, "y"), [Effect::Command(Command::DisconnectAddress(address))]);
}

#[test]
fn a_waiting_client_cannot_be_cut() {
    let mut model = busy();
    keys(&mut model, "Gk");
    let Some(waiting) = model.rows.keys().iter().position(|key| *key == client(83)) else { panic!("no row") };
    model.rows.go(waiting);
    keys(&mut model, "d");
    assert!(matches!(model.dialog, Dialog::None));
    assert!(shown(&model).contains("not accepted yet"));
}

#[test]
fn a_paste_into_a_prompt_submits_nothing() {
    let mut model = busy();
    paste(&mut model, "y\n");
    assert_eq!(model.filter, "");
    keys(&mut model, "/");
    paste(&mut model, "fil\nms\n");
    assert_eq!(model.filter, "fil ms");
    assert!(matches!(model.dialog, Dialog::Prompt(..)));
}

#[test]
fn a_paste_into_a_prompt_is_bounded_and_harmless() {
    let mut model = busy();
    keys(&mut model, "/");
    paste(&mut model, &format!("a\u{202e}b\u{1b}{}", "c".repeat(1 << 20)));
    assert!(model.filter.starts_with("abcc") && model.filter.len() <= 8 * 1024, "{}", model.filter.len());
    keys(&mut model, "\u{202e}");
    assert!(!shown(&model).contains('\u{202e}') && !model.filter.contains('\u{202e}'));
}
