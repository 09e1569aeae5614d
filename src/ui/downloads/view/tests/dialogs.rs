//! Questions, prompts, decisions and what is pasted.

use super::*;

#[test]
fn a_paste_is_shown_line_by_line_before_it_is_queued() {
    let lines = "films/ubuntu-24.04.iso\nphotos/\nother:9000/backup/2026-11-30.tar.zst\nother:9000\n\
                 fdsp://third.example\nfilms/ubuntu-24.04.iso\nme@nas:films\n../etc/passwd\nftp://nas/a\nlast";
    for (name, look) in [("utf8", LOOKS[0].1), ("ascii", LOOKS[3].1)] {
        let (mut model, queue) = ready(look);
        update(&mut model, &queue, Message::Paste(lines.to_owned()));
        insta::assert_snapshot!(format!("paste-80x24-{name}"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("paste-40x8-{name}"), text(&draw(&mut model, &queue, 40, 8)));
    }
}

#[test]
fn what_is_typed_is_read_below_the_line() {
    let (mut model, queue) = ready(Look::default());
    keys(&mut model, &queue, "i");
    for (name, typed) in [("path", "films/a.iso"), ("server", "other:9000"), ("wrong", "me@nas:films/a.iso")]
    {
        model.input.set(typed);
        insta::assert_snapshot!(format!("typed-{name}-80x24"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("typed-{name}-40x8"), text(&draw(&mut model, &queue, 40, 8)));
    }
}

#[test]
fn dialogs_take_the_bar() {
    let (mut model, queue) = ready(Look::default());
    keys(&mut model, &queue, "j x");
    insta::assert_snapshot!("question-80x24", text(&draw(&mut model, &queue, 80, 24)));
    insta::assert_snapshot!("question-40x8", text(&draw(&mut model, &queue, 40, 8)));
    keys(&mut model, &queue, "n b x enter");
    insta::assert_snapshot!("prompt-with-a-problem-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "esc / i s o");
    insta::assert_snapshot!("filter-80x24", text(&draw(&mut model, &queue, 80, 24)));
    keys(&mut model, &queue, "esc ?");
    insta::assert_snapshot!("help-80x24", text(&draw(&mut model, &queue, 80, 24)));
}

#[test]
fn a_new_server_is_asked_about_with_all_of_its_pin_or_not_at_all() {
    let names = [("short", "nas.local".to_owned()), ("long", format!("first.{}.last", "x".repeat(242)))];
    for (name, host) in names {
        let (mut model, queue) = ready(Look::default());
        let server = Locator::parse(&format!("fdsp://{host}")).expect("an address").server();
        let server = NewServer { server, pin: Pin(std::array::from_fn(|index| index as u8)) };
        update(&mut model, &queue, Message::Doubt(Doubt::New(server)));
        for (width, height) in [(80, 24), (40, 8), (40, 3), (20, 3)] {
            let shown = text(&draw(&mut model, &queue, width, height));
            insta::assert_snapshot!(format!("trust-{name}-{width}x{height}"), shown);
        }
        // The terminal changes after a frame was prepared.
        draw(&mut model, &queue, 80, 24);
        for (width, height) in [(120, 40), (40, 8), (40, 6), (40, 5), (30, 9), (24, 4), (20, 3)] {
            let shown = text(&drawn(&model, width, height));
            let together: String = shown.split_whitespace().collect();
            assert!(
                together.contains("1b1c1d1e1f?") || !shown.contains("0001"),
                "{width}x{height}:\n{shown}"
            );
        }
    }
}

#[test]
fn another_server_than_the_one_that_was_meant_is_plain_to_see() {
    let (mut model, mut queue) = (testing::model(), Fake::default());
    let doubt = Doubt::Other(Locator::parse("fdsp://nas.local").expect("an address").server());
    let message = "SERVER IDENTITY CHANGED: nas.local:7878: its certificate is …";
    let mut trouble = Trouble::new(TroubleKind::Refused, message);
    trouble.question = Some(Box::new(Question::Trust(doubt.clone())));
    queue.rows = vec![row(1, "backup.tar", JobState::Failed(trouble)), row(2, "next.tar", JobState::Queued)];
    update(&mut model, &queue, Message::Doubt(doubt));
    for (width, height) in [(80, 24), (40, 8), (40, 3)] {
        let shown = text(&draw(&mut model, &queue, width, height));
        insta::assert_snapshot!(format!("alarm-{width}x{height}"), shown);
    }
}

#[test]
fn what_a_server_says_is_cut_with_a_sign() {
    let (mut model, queue) = (testing::model(), Fake::default());
    draw(&mut model, &queue, 40, 8);
    model.complain("all that a server says, ".repeat(100));
    let shown = text(&draw(&mut model, &queue, 40, 8));
    assert!(shown.trim_end().ends_with('…'), "{shown}");
}

#[test]
fn an_expired_link_names_the_key_for_a_new_one() {
    let mut queue = every_state();
    let mut asking = row(20, "notes.txt", undecided(Question::Expired));
    (asking.size, asking.received) = (Some(1_500_000), 600_000);
    queue.rows.push(asking);
    let mut model = logged();
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab D");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("notes.txt: the link has expired: paste a new one"), "{shown}");
    assert!(shown.contains("e edit the address"), "{shown}");
}

/// Each question with its keys, where there is room and where there is little.
#[test]
fn decisions_show_what_is_asked_and_the_keys_of_the_answers() {
    let claimed = Claimed {
        path: "/home/u/x.bin".into(),
        by: None,
        other: SafeText::new("fdsp+plain://nas.local:7878/a/x.bin"),
    };
    let zip = Question::Changed { part: "/home/u/photos.zip.part".into(), received: 1_100_000_000 };
    let token = Question::Token(testing::server());
    let questions = [
        ("exists", conflict("notes.txt")),
        ("claimed", Question::Claimed(claimed)),
        ("gone", Question::Gone),
        ("changed", zip),
        ("token", token),
    ];
    for (name, question) in questions {
        let mut queue = every_state();
        let mut asking = row(20, "notes.txt", undecided(question.clone()));
        (asking.size, asking.received) = (Some(1_500_000), 600_000);
        queue.rows.push(asking);
        queue.rows.push(JobView { id: JobId(21), size: None, received: 0, ..queue.rows[11].clone() });
        let mut model = logged();
        draw(&mut model, &queue, 80, 24);
        keys(&mut model, &queue, "tab");
        if name == "exists" {
            insta::assert_snapshot!("undecided-80x24", text(&draw(&mut model, &queue, 80, 24)));
        }
        keys(&mut model, &queue, "D");
        insta::assert_snapshot!(format!("decision-{name}-80x24"), text(&draw(&mut model, &queue, 80, 24)));
        insta::assert_snapshot!(format!("decision-{name}-40x8"), text(&draw(&mut model, &queue, 40, 8)));
    }
}
