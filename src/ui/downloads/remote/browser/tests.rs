//! Pages, sorting, filters and marks of a listing.

use proptest::prelude::*;

use super::*;
use crate::protocol::message::Timestamp;

fn browser() -> Browser {
    Browser::new(Locator::parse("fdsp+plain://nas").expect("an address"), Ticket(0))
}

fn page(names: impl IntoIterator<Item = String>) -> Entries {
    let modified = Timestamp { seconds: 0, nanoseconds: 0 };
    let entry = |name| Entry { name, kind: Kind::File, size: None, modified };
    Entries { entries: names.into_iter().map(entry).collect(), more: true }
}

/// Answers as long as more is asked for; how many pages that were.
fn read(browser: &mut Browser, page_after: impl Fn(u64) -> Entries) -> u64 {
    for number in 0.. {
        assert!(number < 2_000, "it reads for ever");
        assert!(browser.answer(Ticket(number), Ok(page_after(number))));
        if browser.wants_more().is_none() {
            return number + 1;
        }
        browser.asked(Ticket(number + 1));
    }
    0
}

#[test]
fn a_listing_without_end_is_not_read_for_ever() {
    let mut browser = browser();
    browser.set_filter("zzz");
    let thousand = |number| page((0..1000).map(|name| format!("{:09}", number * 1000 + name)));
    assert_eq!(read(&mut browser, thousand), 200);
    assert_eq!(browser.note(), "0 entries with \"zzz\" in the first 200,000, the rest is not read");
    assert_eq!(browser.emptiness().as_deref(), Some("none of the first 200,000 has that in its name"));
    browser.set_filter("");
    browser.list.go(usize::MAX);
    assert_eq!(browser.wants_more(), None, "nor by hand");
    assert_eq!(browser.note(), "first 200,000 entries, the rest is not read");
}

#[test]
fn a_listing_of_long_names_is_not_read_for_ever() {
    let mut browser = browser();
    browser.set_filter("zzz");
    let pages = read(&mut browser, |number| page([format!("{number:060000}")]));
    assert_eq!(pages, (MAX_NAME_BYTES as u64).div_ceil(60_000));
}

#[test]
fn what_was_selected_before_is_found_in_a_later_page() {
    let mut browser = browser();
    browser.go(browser.directory.clone(), Some("c".to_owned()), Ticket(0));
    browser.answer(Ticket(0), Ok(page(["a".to_owned(), "b".to_owned()])));
    browser.asked(Ticket(1));
    browser.answer(Ticket(1), Ok(page(["c".to_owned(), "d".to_owned()])));
    assert_eq!(browser.selected().map(|entry| entry.name.as_str()), Some("c"));
}

#[test]
fn what_is_about_the_whole_folder_waits_until_it_is_read() {
    let names = |from: u32| page((from..from + 1000).map(|name| format!("{name:04}")));
    let mut browser = browser();
    assert!(!browser.defer(Deferred::Mark), "that is about one entry");
    assert!(browser.defer(Deferred::MarkAll), "nothing is read yet");
    browser.answer(Ticket(0), Ok(names(0)));
    assert!(browser.defer(Deferred::Act(BrowserAction::Enter)), "it follows an action that waits");
    assert_eq!(browser.wants_more(), Some("0999"));
    assert_eq!(browser.take_pending(), []);
    browser.asked(Ticket(1));
    assert_eq!(browser.note(), "reading all, 1,000 so far");
    browser.answer(Ticket(1), Ok(Entries { more: false, ..names(1000) }));
    assert_eq!(browser.take_pending(), [Deferred::MarkAll, Deferred::Act(BrowserAction::Enter)]);
    assert!(!browser.defer(Deferred::MarkAll), "all of it is read");
}

fn sized(name: &str, size: Option<u64>, seconds: i64) -> Entry {
    let kind = if size.is_some() { Kind::File } else { Kind::Directory };
    Entry { name: name.to_owned(), kind, size, modified: Timestamp { seconds, nanoseconds: 0 } }
}

fn names(browser: &Browser) -> String {
    let name = |index: &usize| browser.entries[*index].name.clone();
    browser.list.keys().iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_sort_is_on_the_whole_folder_and_stays_in_the_next_one() {
    let first = vec![sized("a", Some(10), 3), sized("b", None, 9), sized("c", Some(30), 1)];
    let second = vec![sized("d", Some(20), 5), sized("e", Some(20), 9)];
    let mut browser = browser();
    browser.list.set_height(10);
    browser.set_sort(FileSort::Size);
    browser.answer(Ticket(0), Ok(Entries { entries: first, more: true }));
    assert_eq!(names(&browser), "a b c", "not before all of it is read");
    assert_eq!(browser.wants_more(), Some("c"));
    browser.asked(Ticket(1));
    assert_eq!(browser.note(), "reading all, 3 so far");
    browser.answer(Ticket(1), Ok(Entries { entries: second, more: false }));
    assert_eq!(names(&browser), "c d e a b");
    assert_eq!(browser.list.cursor(), 0);
    browser.list.step(1);
    browser.set_sort(FileSort::Date);
    assert_eq!((names(&browser).as_str(), browser.list.cursor()), ("b e d a c", 2), "the same is selected");
    browser.set_filter("e");
    browser.set_filter("");
    assert_eq!(names(&browser), "b e d a c");
    browser.set_sort(FileSort::Name);
    assert_eq!(names(&browser), "a b c d e");
    browser.set_sort(FileSort::Date);
    browser.go(browser.directory.clone(), None, Ticket(2));
    assert_eq!(browser.sort(), FileSort::Date);
}

#[test]
fn what_is_marked_is_summed_up() {
    let mut browser = browser();
    let entries = vec![sized("a", Some(2_000_000), 0), sized("b", None, 0), sized("c", None, 0)];
    browser.answer(Ticket(0), Ok(Entries { entries, more: false }));
    browser.list.toggle_mark();
    assert_eq!(browser.note(), "3 entries, 1 marked, 2.0 MB");
    browser.list.toggle_all();
    assert_eq!(browser.note(), "3 entries, 3 marked, 2.0 MB and 2 folders");
    browser.set_filter("b");
    browser.list.toggle_all();
    assert_eq!(browser.note(), "1 entry with \"b\", 1 marked");
}

#[test]
fn what_is_local_and_what_is_queued_is_told_apart() {
    let mut browser = browser();
    browser.list.set_height(10);
    let entries =
        vec![sized("a", Some(1), 0), sized("b", Some(2), 0), sized("c", None, 0), sized("d", Some(4), 0)];
    browser.answer(Ticket(0), Ok(Entries { entries, more: false }));
    assert_eq!(browser.files(1)[..2], [("b".to_owned(), 2), ("c".to_owned(), u64::MAX)]);
    browser.set_local(Ticket(0), 1, &[true, true, false]);
    let queued = |addresses: &[Locator]| addresses.iter().map(|address| address.path() == "c").collect();
    assert!(browser.look(queued) && !browser.look(queued));
    let known = |browser: &Browser| (0..4).map(|index| browser.known(index)).collect::<Vec<_>>();
    assert_eq!(known(&browser), [None, Some(Known::Local), Some(Known::Queued), None]);
    browser.add_local(Path::new("d"), 5);
    browser.add_local(Path::new("d"), 4);
    assert_eq!(known(&browser)[3], Some(Known::Local));
}

proptest! {
    #[test]
    fn the_filter_shows_the_same_whether_it_or_the_pages_came_first(
        pages in prop::collection::vec(prop::collection::vec("[a-cA-C]{1,3}", 1..5), 1..5),
        filter in "[a-c]{0,2}",
    ) {
        let [mut before, mut after] = [browser(), browser()];
        before.set_filter(&filter);
        for (ticket, names) in (0..).map(Ticket).zip(pages) {
            for browser in [&mut before, &mut after] {
                browser.asked(ticket);
                browser.answer(ticket, Ok(page(names.clone())));
            }
        }
        after.set_filter(&filter);
        prop_assert_eq!(before.list.keys(), after.list.keys());
    }
}
