//! Every block is brought once, in whatever order connections come, go, dawdle and are robbed.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::{client::transfer::ranges::*, protocol::digest::BLOCK_SIZE};
fn whole(blocks: u64) -> Ranges {
    Ranges::new(std::slice::from_ref(&(0..blocks)), Some(blocks * BLOCK_SIZE), u64::MAX, true)
}

fn open(first: u64) -> Ranges {
    Ranges::new(std::slice::from_ref(&(first..u64::MAX)), None, MIN_BLOCKS_PER_CONNECTION, true)
}

/// Lets a connection bring the next `count` blocks of its first request.
fn bring(ranges: &mut Ranges, id: SegmentId, blocks: Range<u64>, now: Instant) {
    for index in blocks {
        assert!(ranges.coming(id, index, now), "{index}");
        ranges.came(id, index, true, now);
    }
}

#[test]
fn one_connection_is_asked_for_everything_at_once() {
    let (mut ranges, now) = (whole(1000), Instant::now());
    assert_eq!(ranges.ask(0, 1, now), Some(0..1000));
    assert_eq!(ranges.ask(0, 1, now), None);
    assert!(!ranges.is_done());
    bring(&mut ranges, 0, 0..1000, now);
    assert!(!ranges.is_done(), "its end has not come");
    ranges.ended(0);
    assert!(ranges.is_done() && ranges.is_proven());
}

#[test]
fn holes_are_asked_for_together() {
    let now = Instant::now();
    let mut ranges = Ranges::new(&[1..2, 5..7, 9..10], Some(10 * BLOCK_SIZE), u64::MAX, true);
    let asked: Vec<_> = std::iter::from_fn(|| ranges.ask(0, 1, now)).collect();
    assert_eq!(asked, [1..2, 5..7, 9..10]);
}

#[test]
fn a_small_content_is_not_worth_a_second_connection() {
    let (mut ranges, now) = (whole(2 * MIN_BLOCKS_PER_CONNECTION - 1), Instant::now());
    assert!(ranges.has_work(0, now));
    ranges.ask(0, 1, now);
    assert!(!ranges.has_work(1, now + Duration::from_secs(60)), "not even if it is slow");

    let mut ranges = open(0);
    ranges.ask(0, 2, now);
    ranges.known(2 * MIN_BLOCKS_PER_CONNECTION * BLOCK_SIZE);
    assert!(ranges.has_work(1, now) && !ranges.has_work(2, now));
}

#[test]
fn two_of_the_same_pace_bring_a_half_each() {
    let (mut ranges, mut now) = (whole(2 * MIN_BLOCKS_PER_CONNECTION), Instant::now());
    let (mut asked, mut brought) = ([VecDeque::new(), VecDeque::new()], [0; 2]);
    while !ranges.is_done() {
        now += Duration::from_millis(90);
        for (id, asked) in (0..).zip(&mut asked) {
            asked.extend(std::iter::from_fn(|| ranges.ask(id, 2, now)));
        }
        for ((id, asked), brought) in (0..).zip(&mut asked).zip(&mut brought) {
            let Some(Range { start, end }) = asked.pop_front() else { continue };
            bring(&mut ranges, id, start..start + 1, now);
            *brought += 1;
            match start + 1 == end {
                true => ranges.ended(id),
                false => asked.push_front(start + 1..end),
            }
        }
    }
    assert_eq!(brought, [MIN_BLOCKS_PER_CONNECTION, MIN_BLOCKS_PER_CONNECTION]);
}

#[test]
fn a_size_that_becomes_known_cuts_what_was_asked_for() {
    let now = Instant::now();
    let mut ranges = open(0);
    assert_eq!(ranges.ask(0, 2, now), Some(0..MIN_BLOCKS_PER_CONNECTION));
    assert_eq!(ranges.ask(0, 2, now), None, "there may be nothing behind it");
    ranges.known(3 * BLOCK_SIZE - 1);
    assert_eq!(ranges.ask(0, 2, now), None);
    bring(&mut ranges, 0, 0..3, now);
    ranges.ended(0);
    assert!(ranges.is_done());
}

#[test]
fn a_content_without_a_size_comes_in_one_go_and_ends_where_it_ends() {
    let now = Instant::now();
    let mut ranges = open(2);
    ranges.unbounded();
    assert_eq!(ranges.ask(0, 2, now), Some(2..u64::MAX));
    assert!(!ranges.has_work(1, now + Duration::from_secs(60)));
    bring(&mut ranges, 0, 2..5, now);
    ranges.known(5 * BLOCK_SIZE);
    ranges.ended(0);
    assert!(ranges.is_done());
}

#[test]
fn a_corrupt_block_is_asked_for_again_alone() {
    let (mut ranges, now) = (whole(5), Instant::now());
    ranges.ask(0, 1, now);
    bring(&mut ranges, 0, 0..2, now);
    ranges.came(0, 2, false, now);
    bring(&mut ranges, 0, 3..5, now);
    ranges.ended(0);
    assert_eq!(ranges.ask(0, 1, now), Some(2..3));
}

#[test]
fn what_a_lost_connection_did_not_bring_goes_to_others_and_its_word_is_asked_for() {
    let (mut ranges, now) = (whole(4), Instant::now());
    ranges.ask(0, 1, now);
    bring(&mut ranges, 0, 0..3, now);
    ranges.lost(0);
    assert!(!ranges.is_proven());
    assert_eq!(ranges.ask(1, 1, now), Some(3..4));
    bring(&mut ranges, 1, 3..4, now);
    ranges.ended(1);
    assert!(ranges.is_done(), "an answer that was begun later has come to its end");

    let mut ranges = whole(2);
    ranges.ask(0, 1, now);
    bring(&mut ranges, 0, 0..2, now);
    ranges.lost(0);
    assert_eq!(ranges.ask(1, 1, now), Some(0..0), "only the word is missing");
    ranges.ended(1);
    assert!(ranges.is_done());
}

#[test]
fn who_finds_no_work_because_others_have_it_has_some_once_they_are_lost() {
    let (mut ranges, now) = (whole(2 * MIN_BLOCKS_PER_CONNECTION), Instant::now());
    ranges.ask(0, 1, now);
    assert_eq!(ranges.ask(1, 2, now), None);
    ranges.lost(0);
    ranges.lost(1);
    assert!(!ranges.is_stuck());
    assert_eq!(ranges.ask(2, 1, now), Some(0..2 * MIN_BLOCKS_PER_CONNECTION));
    // Without a size nobody knows what lies behind an end.
    let mut ranges = open(0);
    ranges.unbounded();
    ranges.ask(0, 1, now);
    ranges.ended(0);
    assert!(ranges.is_stuck());
}

#[test]
fn an_answer_that_was_asked_for_before_the_loss_proves_nothing() {
    let (mut ranges, now) = (whole(4), Instant::now());
    assert_eq!(ranges.ask(0, 2, now), Some(0..2));
    assert_eq!(ranges.ask(1, 2, now), Some(2..3));
    bring(&mut ranges, 0, 0..2, now);
    ranges.lost(0);
    bring(&mut ranges, 1, 2..3, now);
    ranges.ended(1);
    assert!(!ranges.is_proven());
}

#[test]
fn a_slow_connection_is_robbed_of_what_it_has_not_begun() {
    let (mut ranges, now) = (whole(17), Instant::now());
    assert_eq!(ranges.ask(0, 1, now), Some(0..17));
    assert_eq!(ranges.ask(1, 2, now), None, "too early to tell");
    let later = now + Duration::from_secs(1);
    bring(&mut ranges, 0, 0..1, later);
    assert!(ranges.coming(0, 1, later));
    // Each answer that reaches the end tells it again.
    ranges.known(17 * BLOCK_SIZE);
    assert!(ranges.has_work(1, later));
    assert_eq!(ranges.ask(1, 2, later), Some(9..17));
    bring(&mut ranges, 0, 1..9, later);
    assert!(!ranges.coming(0, 9, later), "it is no longer wanted from there");
    ranges.lost(0);
    bring(&mut ranges, 1, 9..17, later);
    ranges.ended(1);
    assert_eq!(ranges.ask(1, 2, later), Some(0..0));
}

#[test]
fn the_last_block_of_a_connection_is_not_taken_but_its_silence_is_noticed() {
    let (mut ranges, now) = (whole(1), Instant::now());
    ranges.ask(0, 1, now);
    let later = now + STALL_TIMEOUT + Duration::from_secs(1);
    assert_eq!(ranges.ask(1, 2, later), None);
    assert_eq!(ranges.stalled(0, now + STALL_TIMEOUT), None);
    assert_eq!(ranges.stalled(0, later), Some(0));
    assert_eq!(ranges.stalled(1, later), None);
}

#[test]
fn faster_connections_are_asked_for_more() {
    let (mut ranges, start) = (whole(1000), Instant::now());
    for (id, millis) in [(0, 10), (1, 500)] {
        let range = ranges.ask(id, 2, start).unwrap();
        let mut now = start;
        for index in range {
            now += Duration::from_millis(millis);
            bring(&mut ranges, id, index..index + 1, now);
        }
        ranges.ended(id);
    }
    assert_eq!(ranges.ask(0, 2, start).map(|range| range.count()), Some(248));
    assert_eq!(ranges.ask(1, 2, start).map(|range| range.count()), Some(8));
}

#[test]
fn a_begun_block_is_the_first_of_a_range() {
    let now = Instant::now();
    let mut ranges = whole(10).with_begun([(3, 500), (7, 9)].into());
    let asked: Vec<_> = std::iter::from_fn(|| ranges.ask(0, 1, now)).collect();
    assert_eq!(asked, [3..7, 7..10, 0..3], "only of the first block of a range some bytes can be skipped");
    assert_eq!([3, 7, 0].map(|first| ranges.skip(first)), [500, 9, 0]);
    // A block of which all but a few bytes are here is not missing any less.
    let mut ranges =
        Ranges::new(&[2..3, 5..9], Some(9 * BLOCK_SIZE), u64::MAX, true).with_begun([(4, 1), (8, 2)].into());
    let asked: Vec<_> = std::iter::from_fn(|| ranges.ask(0, 1, now)).collect();
    assert_eq!(asked, [8..9, 2..3, 5..8], "block 4 is here");
}

#[test]
fn what_is_kept_of_a_block_grows_until_the_block_comes_whatever_became_of_its_connection() {
    let (mut ranges, now) = (whole(4), Instant::now());
    ranges.ask(0, 1, now);
    bring(&mut ranges, 0, 0..1, now);
    assert!(ranges.coming(0, 1, now));
    ranges.keep(1, 700);
    ranges.lost(0);
    assert_eq!(ranges.ask(1, 1, now), Some(1..4));
    assert_eq!((ranges.skip(1), ranges.skip(2)), (700, 0));
    // The server did not skip, and was lost sooner.
    ranges.keep(1, 300);
    ranges.lost(1);
    assert_eq!((ranges.ask(2, 1, now), ranges.skip(1)), (Some(1..4), 700));
    // With what was here it is corrupt: it is fetched whole.
    ranges.came(2, 1, false, now);
    assert_eq!(ranges.skip(1), 0);
    ranges.keep(2, 9);
    bring(&mut ranges, 2, 2..4, now);
    ranges.ended(2);
    assert_eq!((ranges.ask(2, 1, now), ranges.begun().len()), (Some(1..2), 0));
}

/// What happens next in a random run.
#[derive(Clone, Debug)]
enum Happens {
    /// A connection looks for work.
    Ask(SegmentId, bool),
    /// A block comes.
    Comes(SegmentId),
    /// It comes corrupt.
    Corrupt(SegmentId),
    /// The connection is lost, with this much of the block that is coming.
    Lost(SegmentId, u32),
    /// Time goes by, in milliseconds.
    Time(u64),
}

fn happens() -> impl Strategy<Value = Happens> {
    let id = 0..4u32;
    prop_oneof![
        4 => (id.clone(), prop::bool::weighted(0.1)).prop_map(|(id, alone)| Happens::Ask(id, alone)),
        8 => id.clone().prop_map(Happens::Comes),
        1 => id.clone().prop_map(Happens::Corrupt),
        1 => (id, 0..BLOCK_SIZE as u32).prop_map(|(id, bytes)| Happens::Lost(id, bytes)),
        2 => (0..5000u64).prop_map(Happens::Time),
    ]
}

/// Connections that bring what they were asked for, in that order.
struct World {
    ranges: Ranges,
    now: Instant,
    /// What each connection still sends: whole ranges, whether or not they were taken away meanwhile.
    sends: HashMap<SegmentId, VecDeque<Range<u64>>>,
    came: Vec<u32>,
    /// Bytes that are here of each block that has not come.
    kept: Vec<u32>,
}

impl World {
    fn ask(&mut self, id: SegmentId, alone: bool) -> bool {
        let Some(range) = self.ranges.ask(id, if alone { 1 } else { 4 }, self.now) else { return false };
        // Of all blocks but the first all bytes are sent.
        assert!(range.clone().skip(1).all(|index| self.ranges.skip(index) == 0), "{range:?}");
        if !range.is_empty() {
            assert_eq!(self.ranges.skip(range.start), self.kept[range.start as usize]);
        }
        self.sends.entry(id).or_default().push_back(range);
        true
    }

    fn comes(&mut self, id: SegmentId, intact: bool) {
        let Some(queue) = self.sends.get_mut(&id) else { return };
        let Some(range) = queue.front_mut() else { return };
        if let Some(index) = range.next() {
            if !self.ranges.coming(id, index, self.now) {
                // It was taken away: the connection is given up.
                return self.lost(id, 0);
            }
            self.ranges.came(id, index, intact, self.now);
            self.kept[index as usize] = 0;
            self.came[index as usize] += u32::from(intact);
        }
        if range.is_empty() {
            queue.pop_front();
            self.ranges.ended(id);
        }
    }

    fn lost(&mut self, id: SegmentId, bytes: u32) {
        let coming = self.sends.remove(&id).and_then(|mut queue| queue.front_mut()?.next());
        if let Some(index) = coming.filter(|index| self.ranges.coming(id, *index, self.now)) {
            self.ranges.keep(index, bytes);
            let kept = &mut self.kept[index as usize];
            *kept = bytes.max(*kept);
        }
        self.ranges.lost(id);
    }
}

proptest! {
    #[test]
    fn every_block_comes_exactly_once(
        there in prop::collection::vec(any::<bool>(), 1..120),
        steps in prop::collection::vec(happens(), 0..400),
    ) {
        let mut missing: Vec<Range<u64>> = Vec::new();
        for (index, _) in (0u64..).zip(&there).filter(|(_, there)| !**there) {
            match missing.last_mut() {
                Some(run) if run.end == index => run.end += 1,
                _ => missing.push(index..index + 1),
            }
        }
        let size = there.len() as u64 * BLOCK_SIZE;
        let mut world = World {
            ranges: Ranges::new(&missing, Some(size), u64::MAX, false),
            now: Instant::now(),
            sends: HashMap::new(),
            came: there.iter().map(|&there| u32::from(there)).collect(),
            kept: vec![0; there.len()],
        };
        for step in steps {
            match step {
                Happens::Ask(id, alone) => { world.ask(id, alone); }
                Happens::Comes(id) => world.comes(id, true),
                Happens::Corrupt(id) => world.comes(id, false),
                Happens::Lost(id, bytes) => world.lost(id, bytes),
                Happens::Time(millis) => world.now += Duration::from_millis(millis),
            }
            prop_assert!(world.came.iter().all(|&count| count <= 1), "{:?}", world.came);
        }
        // From here on all goes well: it comes to an end.
        let mut turns = 0;
        while !world.ranges.is_done() {
            for id in 0..4 {
                world.ask(id, false);
                world.comes(id, true);
            }
            world.now += Duration::from_millis(100);
            turns += 1;
            prop_assert!(turns < 2000, "{:?}", world.ranges);
        }
        prop_assert!(world.came.iter().all(|&count| count == 1), "{:?}", world.came);
    }
}
