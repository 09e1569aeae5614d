//! What the dashboard looks like.

use super::*;

#[test]
fn other_addresses_have_a_row_where_there_is_room() {
    let mut model = busy();
    model.about.others = SafeText::new("also at 10.0.0.5:7878, [fd00::2]:7878");
    let mut shown = |width, height| {
        model.resize(Size { width, height });
        text(&draw(width, height, |frame| view(&model, frame)))
    };
    let full = shown(80, 24);
    assert!(
        full.lines().nth(2).is_some_and(|row| row.contains("also at 10.0.0.5:7878, [fd00::2]:7878")),
        "{full}"
    );
    assert!(shown(40, 8).contains("192.168.1.9"));
}

#[test]
fn pictures_of_a_busy_server() {
    for (width, height) in SIZES.into_iter().chain([(60, 20)]) {
        for (name, look) in LOOKS {
            let mut model = busy();
            model.look = look;
            model.resize(Size { width, height });
            let buffer = draw(width, height, |frame| view(&model, frame));
            insta::assert_snapshot!(format!("busy_{width}x{height}_{name}"), picture(&buffer));
        }
    }
}

#[test]
fn pictures_of_other_states() {
    let scenes: [(&str, &str); 12] = [
        ("details", "j\nj\n"),
        ("client_details", "\nj"),
        ("open", "j>j"),
        ("question", "jd"),
        ("filter_prompt", "/films"),
        ("filtered", "/films\n"),
        ("sorted_by_speed", "SSSSS"),
        ("log_focused", "\t"),
        ("help", "?"),
        ("drain_question", "D"),
        ("copied", "c"),
        ("block_selected", "G"),
    ];
    for (name, pressed) in scenes {
        let mut model = busy();
        keys(&mut model, pressed);
        assert_eq!(model.details.is_some(), name.ends_with("details"), "{name}");
        insta::assert_snapshot!(name, shown(&model));
    }
    let mut model = busy();
    model.frozen = Some("22:31:20".to_owned());
    insta::assert_snapshot!("frozen", shown(&model));
    let mut empty = model_of(Vec::new(), Instant::now());
    empty.picture.snapshot.clients = 0;
    insta::assert_snapshot!("empty", shown(&empty));
    empty.about.is_local = true;
    insta::assert_snapshot!("only_this_machine", shown(&empty));
    let mut line = busy();
    line.resize(Size { width: 30, height: 3 });
    insta::assert_snapshot!("line", shown(&line));
    for (name, pressed) in [("compact_details", "\n"), ("compact_question", "jd"), ("compact_blocked", "G")] {
        let mut compact = busy();
        compact.resize(Size { width: 40, height: 8 });
        keys(&mut compact, pressed);
        insta::assert_snapshot!(name, shown(&compact));
    }
}

#[test]
fn pictures_of_the_qr_code() {
    for (name, look) in LOOKS {
        let mut model = busy();
        model.look = look;
        model.resize(Size { width: 80, height: 40 });
        keys(&mut model, "Q");
        let buffer = draw(80, 40, |frame| view(&model, frame));
        insta::assert_snapshot!(format!("qr_{name}"), picture(&buffer));
        model.resize(Size { width: 40, height: 8 });
        assert!(shown(&model).contains("too small"), "{}", shown(&model));
        keys(&mut model, "d\x1b");
        assert!(!model.shows_code && matches!(model.dialog, Dialog::None));
    }
    let mut model = busy();
    keys(&mut model, "QQ");
    assert!(!model.shows_code, "the same key closes it");
    model.about.code = None;
    keys(&mut model, "Q");
    assert!(shown(&model).contains("too long"));
}

#[test]
fn an_address_that_is_too_long_to_be_read_can_be_copied_whole() {
    let mut model = busy();
    let address = format!("fdsp://0123456789@192.168.1.9:7878/#sha256:{}", "a5".repeat(32));
    model.about.address = SafeText::new(&address);
    model.about.security = Security::Tls { pin: None };
    let shown = shown(&model);
    assert!(shown.contains("TLS") && !shown.contains("not encrypted"), "{shown}");
    let rows: Vec<_> = shown.lines().skip(1).take(2).map(str::trim).collect();
    assert!(rows.concat().starts_with(&format!("{address}   c copies it")), "{shown}");
    assert_eq!(keys(&mut model, "c"), [Effect::Copy(address)]);
    model.resize(Size { width: 40, height: 8 });
    let small = self::shown(&model);
    assert!(small.contains("fdsp://0123456789@192.1…   c copies it"), "{small}");
}

#[test]
fn every_state_is_readable_without_colour() {
    let mut model = busy();
    model.resize(Size { width: 80, height: 40 });
    let shown = shown(&model);
    for word in ["greeting", "idle", "planning", "refused", "waiting", "blocked", " %", "MB/s", "error"] {
        assert!(shown.contains(word), "{word} is not in\n{shown}");
    }
}
