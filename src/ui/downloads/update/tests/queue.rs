//! What is done to jobs.

use super::*;

#[test]
fn pause_resumes_what_is_paused() {
    let (mut model, queue) = ready();
    assert!(matches!(command(keys(&mut model, &queue, "p")), Command::Pause(all) if all == ids(&[1])));
    keys(&mut model, &queue, "j j j j j j j");
    assert!(matches!(command(keys(&mut model, &queue, "p")), Command::Resume(all) if all == ids(&[3])));
    keys(&mut model, &queue, "j");
    assert!(keys(&mut model, &queue, "p").is_empty());
    assert_eq!(notice(&model), "nothing here can be paused");
    assert_eq!(command(keys(&mut model, &queue, "P")), Command::PauseAll);
}

#[test]
fn the_question_names_which_partial_files_are_deleted() {
    let question = |keys_before: &str, received: u64| {
        let (mut model, mut queue) = ready();
        let failed = queue.rows.iter_mut().find(|row| matches!(row.state, JobState::Failed(_)));
        failed.expect("one has failed").received = received;
        draw(&mut model, &queue, 80, 24);
        let effects = keys(&mut model, &queue, keys_before);
        let shown = text(&draw(&mut model, &queue, 80, 24));
        (shown.split_whitespace().collect::<Vec<_>>().join(" "), effects)
    };
    let (shown, _) = question("d", 0);
    assert!(shown.contains("and delete the partial file? y remove n keep"), "{shown}");
    let (shown, _) = question("j j j j j j j j d", 6_300_000);
    assert!(shown.contains("Its partial file stays; x deletes it. y remove n keep"), "{shown}");
    let (_, effects) = question("j j j j j j j j d", 0);
    assert!(matches!(command(effects), Command::Remove(_)), "it has left nothing");
    let (shown, _) = question("a d", 6_300_000);
    assert!(shown.contains("unfinished? Those of 1 failed stay."), "{shown}");
}

#[test]
fn cancelling_asks_and_acts_on_the_jobs_of_the_question() {
    let (mut model, mut queue) = ready();
    queue.rows[4].received = 1;
    assert!(keys(&mut model, &queue, "x").is_empty());
    assert!(matches!(
        &model.dialog,
        Dialog::Question(question) if question.pending == Pending::Cancel(ids(&[1]))
    ));
    queue.rows.swap(0, 1);
    queue.generation += 1;
    draw(&mut model, &queue, 80, 24);
    assert!(keys(&mut model, &queue, "enter").is_empty());
    assert_eq!(model.context(), Context::Question, "what deletes has its own key only");
    assert!(matches!(command(keys(&mut model, &queue, "y")), Command::Cancel(all) if all == ids(&[1])));
    assert_eq!(notice(&model), "1 download cancelled; u undoes that");
    keys(&mut model, &queue, "x");
    assert!(keys(&mut model, &queue, "esc").is_empty());
    assert_eq!(model.context(), Context::Queue);
    keys(&mut model, &queue, "G x");
    assert_eq!(notice(&model), "nothing here to cancel");
    // What has failed may have left something.
    keys(&mut model, &queue, "k k x");
    assert!(matches!(
        &model.dialog,
        Dialog::Question(question) if question.pending == Pending::Cancel(ids(&[5]))
    ));
}

#[test]
fn retry_acts_on_what_can_be_retried() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "a");
    assert!(matches!(command(keys(&mut model, &queue, "r")), Command::Retry(all) if all == ids(&[5, 6, 9])));
    assert_eq!(command(keys(&mut model, &queue, "R")), Command::RetryFailed);
    keys(&mut model, &queue, "r");
    assert_eq!(notice(&model), "nothing here to try again");
}

#[test]
fn removing_asks_only_if_something_would_be_lost() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "d");
    assert!(matches!(model.dialog, Dialog::Question(_)));
    assert!(matches!(command(keys(&mut model, &queue, "y")), Command::Remove(all) if all == ids(&[1])));
    keys(&mut model, &queue, "G");
    assert!(matches!(command(keys(&mut model, &queue, "delete")), Command::Remove(all) if all == ids(&[4])));
    assert!(matches!(command(keys(&mut model, &queue, "C")), Command::ClearFinished));
}

#[test]
fn rows_are_moved() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "space space");
    assert!(matches!(command(keys(&mut model, &queue, "J")), Command::Move(all, 1) if all == ids(&[1, 2])));
    assert!(matches!(command(keys(&mut model, &queue, "shift-up")), Command::Move(_, -1)));
    assert!(matches!(command(keys(&mut model, &queue, "t")), Command::Move(_, -11)));
    assert_eq!(model.queue.marked(), 2, "the marks stay for the next move");
}

#[test]
fn marking_all_respects_the_filter() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "/");
    type_in(&mut model, &queue, "ISO");
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "enter a");
    assert!(matches!(command(keys(&mut model, &queue, "p")), Command::Pause(all) if all == ids(&[1, 8])));
    assert_eq!(model.targets(), ids(&[1, 8, 9]));
    keys(&mut model, &queue, "esc");
    assert_eq!((model.queue.marked(), model.filter.as_str()), (0, "ISO"));
    keys(&mut model, &queue, "esc");
    assert_eq!(model.queue.keys().len(), 11);
}

#[test]
fn addresses_and_sums_are_sent_and_not_called_copied() {
    let (mut model, queue) = ready();
    let effects = keys(&mut model, &queue, "c");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text.ends_with("/srv/ubuntu-24.04.iso")));
    assert_eq!(notice(&model), "address sent to the terminal's clipboard");
    assert!(keys(&mut model, &queue, "Y").is_empty());
    let effects = keys(&mut model, &queue, "G Y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == HASH));
}

#[test]
fn a_long_name_leaves_room_for_what_is_asked() {
    let mut queue = Fake { rows: vec![row(1, &"n".repeat(255), JobState::Paused)], ..Fake::default() };
    queue.rows[0].received = 1;
    let mut model = model();
    draw(&mut model, &queue, 40, 8);
    keys(&mut model, &queue, "tab");
    for (key, words) in [("x", "and delete the partial file?"), ("d", "and delete the partial file?")] {
        keys(&mut model, &queue, key);
        let shown = text(&draw(&mut model, &queue, 40, 8));
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains(words), "{shown}");
        keys(&mut model, &queue, "n");
    }
}

/// A large queue is reported in numbers with separators, and only those that have room.
#[test]
fn ten_thousand_marked_rows() {
    let rows = |state: fn(u64) -> JobState| {
        let rows = (0..10_000).map(|id| row(id, "a", state(id))).collect();
        Fake { rows, ..Fake::default() }
    };
    let shown = |queue: &Fake, pressed: &str| {
        let mut model = model();
        draw(&mut model, queue, 80, 24);
        keys(&mut model, queue, "tab a");
        keys(&mut model, queue, pressed);
        text(&draw(&mut model, queue, 80, 24))
    };
    let mut queue = rows(|id| if id < 85 { testing::done("a", 1) } else { JobState::Paused });
    for row in &mut queue.rows[..5000] {
        (row.size, row.received) = (Some(1_234_567_890), 617_283_945);
    }
    let screen = shown(&queue, "g");
    assert!(screen.contains("10,000 marked"), "{screen}");
    assert!(screen.contains("p resume"), "{screen}");
    let unmarked = shown(&queue, "esc");
    assert!(unmarked.contains("85 of 10,000 done · 3.1 of 6.2 TB · 5,000 of unknown size"), "{unmarked}");
    let asked = shown(&queue, "d").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(asked.contains("Remove 10,000 downloads and delete the partial files of 4,915"), "{asked}");
    // Of what is out of sight, only the sums are known.
    let screen = shown(&rows(|id| if id == 9_999 { JobState::Queued } else { JobState::Paused }), "g");
    assert!(screen.contains("p pause"), "{screen}");
}

#[test]
fn undo_is_a_command_as_long_as_something_can_be_undone() {
    let (mut model, mut queue) = ready();
    assert!(keys(&mut model, &queue, "u").is_empty());
    assert_eq!(notice(&model), "nothing to undo");
    queue.can_undo = true;
    assert_eq!(command(keys(&mut model, &queue, "u")), Command::Undo);
    draw(&mut model, &queue, 80, 24);
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("u undo"));
}

/// A queue of three that are done and two that are not.
fn with_done() -> Fake {
    let done = |id, name: &str| row(id, name, testing::done(name, 1_000_000));
    let mut rows = vec![done(1, "c"), row(2, "b", JobState::Queued), done(3, "a"), done(4, "d")];
    rows.push(testing::running(5, "e", 5, 10, 1.0, 1.0));
    rows.iter_mut().for_each(|row| row.size = Some(1_000_000 * row.id.0));
    Fake { rows, ..Fake::default() }
}

#[test]
fn what_is_done_is_one_line_that_opens() {
    let (mut model, queue) = (model(), with_done());
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab");
    assert_eq!(
        model.queue.keys(),
        [5, 2].map(|id| Row::Job(JobId(id))).into_iter().chain([Row::Done]).collect::<Vec<_>>()
    );
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("3 done, 8.0 MB"));
    keys(&mut model, &queue, "G enter");
    assert_eq!(model.queue.keys().len(), 6);
    assert_eq!(model.queue.selected(), Some(Row::Done), "the line stays selected");
    // An action on the line is one on all of it.
    assert_eq!(command(keys(&mut model, &queue, "d")), Command::Remove(ids(&[1, 3, 4])));
    keys(&mut model, &queue, "enter");
    assert_eq!(model.queue.keys().len(), 3);
    keys(&mut model, &queue, "/ c enter");
    assert_eq!(model.queue.keys(), [Row::Job(JobId(1))], "a filter finds what is done, too");
}

#[test]
fn the_sort_goes_through_the_columns_and_the_selection_stays_on_its_job() {
    let (mut model, queue) = (model(), with_done());
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab j");
    let selected = Some(Row::Job(JobId(2)));
    assert_eq!(model.queue.selected(), selected);
    keys(&mut model, &queue, "S");
    assert_eq!((notice(&model), model.queue.selected()), ("sorted by name", selected));
    assert_eq!(model.visible_jobs(), ids(&[2, 5]));
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("NAME▴"));
    assert!(keys(&mut model, &queue, "J").is_empty());
    assert!(notice(&model).starts_with("rows move in the order of the queue only"), "{}", notice(&model));
    keys(&mut model, &queue, "S");
    assert_eq!(model.visible_jobs(), ids(&[5, 2]));
    keys(&mut model, &queue, "S S S S S");
    assert_eq!(model.sort, Sort::Queue);
}

#[test]
fn marks_are_counted_with_their_bytes() {
    let (mut model, queue) = (model(), with_done());
    draw(&mut model, &queue, 80, 24);
    keys(&mut model, &queue, "tab space");
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("1 marked, 5.0 MB"));
    keys(&mut model, &queue, "a");
    assert!(text(&draw(&mut model, &queue, 80, 24)).contains("5 marked, 15.0 MB"));
}

#[test]
fn a_lost_server_is_tried_at_once_from_any_row() {
    let (mut model, mut queue) = ready();
    queue.lost.push(LostServer {
        server: SafeText::new("nas:7878"),
        seconds: Some(8.2),
        reason: SafeText::new("Connection refused"),
    });
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("nas:7878 cannot be reached, next try in 8 s: Connection refused"), "{shown}");
    assert!(shown.contains("r try now"), "{shown}");
    assert_eq!(command(keys(&mut model, &queue, "r")), Command::TryServers);
    // A row that waits for itself is what is meant.
    keys(&mut model, &queue, "j j j j j");
    assert_eq!(command(keys(&mut model, &queue, "r")), Command::Retry(ids(&[6])));
}

#[test]
fn the_key_that_undoes_is_named_once() {
    let (mut model, mut queue) = ready();
    keys(&mut model, &queue, "x y");
    queue.can_undo = true;
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("u undoes that") && !shown.contains("u undo "), "{shown}");
    keys(&mut model, &queue, "j");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("u undo "), "{shown}");
}

#[test]
fn marks_bring_the_key_that_clears_them() {
    let (mut model, queue) = ready();
    keys(&mut model, &queue, "space space");
    let shown = text(&draw(&mut model, &queue, 80, 24));
    assert!(shown.contains("d remove  Esc unmark  "), "{shown}");
    assert!(!shown.contains("Enter details"), "{shown}");
}
