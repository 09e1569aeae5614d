//! Every block is received once, in whatever order connections are opened, lost, slow and relieved of work.

use std::collections::HashMap;

use proptest::prelude::*;

use crate::{client::transfer::ranges::*, protocol::digest::BLOCK_SIZE};
fn whole(blocks: u64) -> Ranges {
    Ranges::new(std::slice::from_ref(&(0..blocks)), Some(blocks * BLOCK_SIZE), u64::MAX, true)
}

fn open(first: u64) -> Ranges {
    Ranges::new(std::slice::from_ref(&(first..u64::MAX)), None, MIN_BLOCKS_PER_CONNECTION, true)
}

/// A connection receives these blocks.
fn receive(ranges: &mut Ranges, id: SegmentId, blocks: Range<u64>, now: Instant) {
    for index in blocks {
        assert!(ranges.receiving(id, index, now), "{index}");
        ranges.block_ended(id, index, true, now);
    }
}

#[test]
fn one_connection_requests_everything_at_once() {
    let (mut ranges, now) = (whole(1000), Instant::now());
    assert_eq!(ranges.request(0, 1, now), Some(0..1000));
    assert_eq!(ranges.request(0, 1, now), None);
    assert!(!ranges.is_done());
    receive(&mut ranges, 0, 0..1000, now);
    assert!(!ranges.is_done(), "its end is not received");
    ranges.ended(0);
    assert!(ranges.is_done() && ranges.is_proven());
}

#[test]
fn holes_are_requested_together() {
    let now = Instant::now();
    let mut ranges = Ranges::new(&[1..2, 5..7, 9..10], Some(10 * BLOCK_SIZE), u64::MAX, true);
    let requested: Vec<_> = std::iter::from_fn(|| ranges.request(0, 1, now)).collect();
    assert_eq!(requested, [1..2, 5..7, 9..10]);
}

#[test]
fn a_small_content_is_not_worth_a_second_connection() {
    let (mut ranges, now) = (whole(2 * MIN_BLOCKS_PER_CONNECTION - 1), Instant::now());
    assert!(ranges.has_work(0, now));
    ranges.request(0, 1, now);
    assert!(!ranges.has_work(1, now + Duration::from_secs(60)), "not even if it is slow");

    let mut ranges = open(0);
    ranges.request(0, 2, now);
    ranges.known(2 * MIN_BLOCKS_PER_CONNECTION * BLOCK_SIZE);
    assert!(ranges.has_work(1, now) && !ranges.has_work(2, now));
}

#[test]
fn two_connections_of_the_same_rate_receive_a_half_each() {
    let (mut ranges, mut now) = (whole(2 * MIN_BLOCKS_PER_CONNECTION), Instant::now());
    let (mut requested, mut brought) = ([VecDeque::new(), VecDeque::new()], [0; 2]);
    while !ranges.is_done() {
        now += Duration::from_millis(90);
        for (id, requested) in (0..).zip(&mut requested) {
            requested.extend(std::iter::from_fn(|| ranges.request(id, 2, now)));
        }
        for ((id, requested), brought) in (0..).zip(&mut requested).zip(&mut brought) {
            let Some(Range { start, end }) = requested.pop_front() else { continue };
            receive(&mut ranges, id, start..start + 1, now);
            *brought += 1;
            match start + 1 == end {
                true => ranges.ended(id),
                false => requested.push_front(start + 1..end),
            }
        }
    }
    assert_eq!(brought, [MIN_BLOCKS_PER_CONNECTION, MIN_BLOCKS_PER_CONNECTION]);
}

#[test]
fn a_size_that_becomes_known_cuts_the_requests() {
    let now = Instant::now();
    let mut ranges = open(0);
    assert_eq!(ranges.request(0, 2, now), Some(0..MIN_BLOCKS_PER_CONNECTION));
    assert_eq!(ranges.request(0, 2, now), None, "there may be nothing after it");
    ranges.known(3 * BLOCK_SIZE - 1);
    assert_eq!(ranges.request(0, 2, now), None);
    receive(&mut ranges, 0, 0..3, now);
    ranges.ended(0);
    assert!(ranges.is_done());
}

#[test]
fn a_content_without_a_size_is_requested_at_once() {
    let now = Instant::now();
    let mut ranges = open(2);
    ranges.unbounded();
    assert_eq!(ranges.request(0, 2, now), Some(2..u64::MAX));
    assert!(!ranges.has_work(1, now + Duration::from_secs(60)));
    receive(&mut ranges, 0, 2..5, now);
    ranges.known(5 * BLOCK_SIZE);
    ranges.ended(0);
    assert!(ranges.is_done());
}

#[test]
fn a_corrupt_block_is_requested_again_alone() {
    let (mut ranges, now) = (whole(5), Instant::now());
    ranges.request(0, 1, now);
    receive(&mut ranges, 0, 0..2, now);
    ranges.block_ended(0, 2, false, now);
    receive(&mut ranges, 0, 3..5, now);
    ranges.ended(0);
    assert_eq!(ranges.request(0, 1, now), Some(2..3));
}

#[test]
fn the_blocks_of_a_lost_connection_and_its_confirmation_are_requested_again() {
    let (mut ranges, now) = (whole(4), Instant::now());
    ranges.request(0, 1, now);
    receive(&mut ranges, 0, 0..3, now);
    ranges.lost(0);
    assert!(!ranges.is_proven());
    assert_eq!(ranges.request(1, 1, now), Some(3..4));
    receive(&mut ranges, 1, 3..4, now);
    ranges.ended(1);
    assert!(ranges.is_done(), "an answer that was begun later has ended");

    let mut ranges = whole(2);
    ranges.request(0, 1, now);
    receive(&mut ranges, 0, 0..2, now);
    ranges.lost(0);
    assert_eq!(ranges.request(1, 1, now), Some(0..0), "only the confirmation is missing");
    ranges.ended(1);
    assert!(ranges.is_done());
}

#[test]
fn a_connection_without_work_gets_that_of_a_lost_one() {
    let (mut ranges, now) = (whole(2 * MIN_BLOCKS_PER_CONNECTION), Instant::now());
    ranges.request(0, 1, now);
    assert_eq!(ranges.request(1, 2, now), None);
    ranges.lost(0);
    ranges.lost(1);
    assert!(!ranges.is_stuck());
    assert_eq!(ranges.request(2, 1, now), Some(0..2 * MIN_BLOCKS_PER_CONNECTION));
    // Without a size it is unknown what is after an end.
    let mut ranges = open(0);
    ranges.unbounded();
    ranges.request(0, 1, now);
    ranges.ended(0);
    assert!(ranges.is_stuck());
}

#[test]
fn an_answer_that_was_requested_before_the_loss_proves_nothing() {
    let (mut ranges, now) = (whole(4), Instant::now());
    assert_eq!(ranges.request(0, 2, now), Some(0..2));
    assert_eq!(ranges.request(1, 2, now), Some(2..3));
    receive(&mut ranges, 0, 0..2, now);
    ranges.lost(0);
    receive(&mut ranges, 1, 2..3, now);
    ranges.ended(1);
    assert!(!ranges.is_proven());
}

#[test]
fn a_slow_connection_loses_the_blocks_that_it_has_not_started() {
    let (mut ranges, now) = (whole(17), Instant::now());
    assert_eq!(ranges.request(0, 1, now), Some(0..17));
    assert_eq!(ranges.request(1, 2, now), None, "too early to know");
    let later = now + Duration::from_secs(1);
    receive(&mut ranges, 0, 0..1, later);
    assert!(ranges.receiving(0, 1, later));
    // Each answer that reaches the end has it.
    ranges.known(17 * BLOCK_SIZE);
    assert!(ranges.has_work(1, later));
    assert_eq!(ranges.request(1, 2, later), Some(9..17));
    receive(&mut ranges, 0, 1..9, later);
    assert!(!ranges.receiving(0, 9, later), "the block was taken from it");
    ranges.lost(0);
    receive(&mut ranges, 1, 9..17, later);
    ranges.ended(1);
    assert_eq!(ranges.request(1, 2, later), Some(0..0));
}

#[test]
fn the_last_block_of_a_connection_is_not_taken_but_a_stall_is_noticed() {
    let (mut ranges, now) = (whole(1), Instant::now());
    ranges.request(0, 1, now);
    let later = now + STALL_TIMEOUT + Duration::from_secs(1);
    assert_eq!(ranges.request(1, 2, later), None);
    assert_eq!(ranges.stalled(0, now + STALL_TIMEOUT), None);
    assert_eq!(ranges.stalled(0, later), Some(0));
    assert_eq!(ranges.stalled(1, later), None);
}

#[test]
fn faster_connections_request_more() {
    let (mut ranges, start) = (whole(1000), Instant::now());
    for (id, millis) in [(0, 10), (1, 500)] {
        let range = ranges.request(id, 2, start).unwrap();
        let mut now = start;
        for index in range {
            now += Duration::from_millis(millis);
            receive(&mut ranges, id, index..index + 1, now);
        }
        ranges.ended(id);
    }
    assert_eq!(ranges.request(0, 2, start).map(|range| range.count()), Some(248));
    assert_eq!(ranges.request(1, 2, start).map(|range| range.count()), Some(8));
}

#[test]
fn a_partial_block_is_the_first_of_a_range() {
    let now = Instant::now();
    let mut ranges = whole(10).with_begun([(3, 500), (7, 9)].into());
    let requested: Vec<_> = std::iter::from_fn(|| ranges.request(0, 1, now)).collect();
    assert_eq!(
        requested,
        [3..7, 7..10, 0..3],
        "only of the first block of a range some bytes can be skipped"
    );
    assert_eq!([3, 7, 0].map(|first| ranges.skip(first)), [500, 9, 0]);
    // A block of which all but a few bytes are local is still missing.
    let mut ranges =
        Ranges::new(&[2..3, 5..9], Some(9 * BLOCK_SIZE), u64::MAX, true).with_begun([(4, 1), (8, 2)].into());
    let requested: Vec<_> = std::iter::from_fn(|| ranges.request(0, 1, now)).collect();
    assert_eq!(requested, [8..9, 2..3, 5..8], "block 4 is here");
}

#[test]
fn the_local_bytes_of_a_block_grow_until_it_is_complete() {
    let (mut ranges, now) = (whole(4), Instant::now());
    ranges.request(0, 1, now);
    receive(&mut ranges, 0, 0..1, now);
    assert!(ranges.receiving(0, 1, now));
    ranges.keep(1, 700);
    ranges.lost(0);
    assert_eq!(ranges.request(1, 1, now), Some(1..4));
    assert_eq!((ranges.skip(1), ranges.skip(2)), (700, 0));
    // The server did not skip, and was lost earlier.
    ranges.keep(1, 300);
    ranges.lost(1);
    assert_eq!((ranges.request(2, 1, now), ranges.skip(1)), (Some(1..4), 700));
    // With the local bytes it is corrupt: all of it is requested.
    ranges.block_ended(2, 1, false, now);
    assert_eq!(ranges.skip(1), 0);
    ranges.keep(2, 9);
    receive(&mut ranges, 2, 2..4, now);
    ranges.ended(2);
    assert_eq!((ranges.request(2, 1, now), ranges.begun().len()), (Some(1..2), 0));
}

/// A step of a random run.
#[derive(Clone, Debug)]
enum RandomStep {
    /// A connection looks for work.
    Ask(SegmentId, bool),
    /// A block is received.
    Received(SegmentId),
    /// A block is received corrupt.
    Corrupt(SegmentId),
    /// The connection is lost, with this much of the current block.
    Lost(SegmentId, u32),
    /// Time passes, in milliseconds.
    Time(u64),
}

fn random_step() -> impl Strategy<Value = RandomStep> {
    let id = 0..4u32;
    prop_oneof![
        4 => (id.clone(), prop::bool::weighted(0.1)).prop_map(|(id, alone)| RandomStep::Ask(id, alone)),
        8 => id.clone().prop_map(RandomStep::Received),
        1 => id.clone().prop_map(RandomStep::Corrupt),
        1 => (id, 0..BLOCK_SIZE as u32).prop_map(|(id, bytes)| RandomStep::Lost(id, bytes)),
        2 => (0..5000u64).prop_map(RandomStep::Time),
    ]
}

/// Connections that receive what they requested, in that order.
struct World {
    ranges: Ranges,
    now: Instant,
    /// What each connection still receives: complete ranges, including blocks that were taken from it.
    sends: HashMap<SegmentId, VecDeque<Range<u64>>>,
    came: Vec<u32>,
    /// Local bytes of each incomplete block.
    kept: Vec<u32>,
}

impl World {
    fn ask(&mut self, id: SegmentId, alone: bool) -> bool {
        let Some(range) = self.ranges.request(id, if alone { 1 } else { 4 }, self.now) else { return false };
        // Of all blocks but the first all bytes are sent.
        assert!(range.clone().skip(1).all(|index| self.ranges.skip(index) == 0), "{range:?}");
        if !range.is_empty() {
            assert_eq!(self.ranges.skip(range.start), self.kept[range.start as usize]);
        }
        self.sends.entry(id).or_default().push_back(range);
        true
    }

    fn receive(&mut self, id: SegmentId, intact: bool) {
        let Some(queue) = self.sends.get_mut(&id) else { return };
        let Some(range) = queue.front_mut() else { return };
        if let Some(index) = range.next() {
            if !self.ranges.receiving(id, index, self.now) {
                // It was taken from the connection, which is closed.
                return self.lost(id, 0);
            }
            self.ranges.block_ended(id, index, intact, self.now);
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
        if let Some(index) = coming.filter(|index| self.ranges.receiving(id, *index, self.now)) {
            self.ranges.keep(index, bytes);
            let kept = &mut self.kept[index as usize];
            *kept = bytes.max(*kept);
        }
        self.ranges.lost(id);
    }
}

proptest! {
    #[test]
    fn every_block_is_received_exactly_once(
        there in prop::collection::vec(any::<bool>(), 1..120),
        steps in prop::collection::vec(random_step(), 0..400),
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
                RandomStep::Ask(id, alone) => { world.ask(id, alone); }
                RandomStep::Received(id) => world.receive(id, true),
                RandomStep::Corrupt(id) => world.receive(id, false),
                RandomStep::Lost(id, bytes) => world.lost(id, bytes),
                RandomStep::Time(millis) => world.now += Duration::from_millis(millis),
            }
            prop_assert!(world.came.iter().all(|&count| count <= 1), "{:?}", world.came);
        }
        // From here on nothing fails: everything is received.
        let mut turns = 0;
        while !world.ranges.is_done() {
            for id in 0..4 {
                world.ask(id, false);
                world.receive(id, true);
            }
            world.now += Duration::from_millis(100);
            turns += 1;
            prop_assert!(turns < 2000, "{:?}", world.ranges);
        }
        prop_assert!(world.came.iter().all(|&count| count == 1), "{:?}", world.came);
    }
}

#[test]
fn a_block_that_one_source_has_begun_is_not_continued_by_another() {
    let mut ranges = whole(10);
    ranges.keep_of(3, 700, 2);
    ranges.keep(4, 50);
    assert_eq!(ranges.begun_by_first(), [(4, 50)].into());
    assert_eq!((ranges.forget_others(3, Some(2)), ranges.skip(3)), (0, 700));
    assert_eq!((ranges.forget_others(3, None), ranges.skip(3)), (700, 0));
    assert_eq!((ranges.forget_others(4, None), ranges.skip(4)), (0, 50));
    assert_eq!((ranges.forget_others(4, Some(1)), ranges.skip(4)), (50, 0));
}

#[test]
fn blocks_that_are_verified_together_are_given_to_one_connection() {
    let now = Instant::now();
    let mut ranges = whole(20).with_mirrors().with_unit(4);
    for id in 0..4 {
        let range = ranges.request(id, 4, now).expect("something is left");
        assert!(range.start.is_multiple_of(4) && range.end.is_multiple_of(4), "{range:?}");
    }
    let mut ranges = whole(20);
    let all = ranges.request(0, 1, now).expect("all");
    for index in all {
        ranges.block_ended(0, index, true, now);
    }
    ranges.ended(0);
    assert!(ranges.is_done());
    ranges.again(5..6);
    ranges.again(6..7);
    assert_eq!((ranges.is_done(), ranges.request(1, 1, now)), (false, Some(5..7)));
}
