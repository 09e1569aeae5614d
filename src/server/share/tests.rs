use std::net::IpAddr;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);
/// The connection that files are sent to.
const OTHER: ConnectionId = ConnectionId(1000);

fn effort(share: &Arc<Share>, id: u8, from: u8) -> Effort {
    Effort::new(share, ConnectionId(id.into()), origin(from), Instant::now())
}

/// Where somebody comes from.
fn origin(number: u8) -> Origin {
    Origin::from(IpAddr::from([10, 0, 0, number]))
}

/// A share of one processor on which files are sent at this part of its speed, in percent, and the time then.
fn sending(percent: u32) -> (Arc<Share>, Instant) {
    let start = Instant::now();
    let share = Arc::new(Share::new(1, start));
    for tick in 1..=100 {
        share.sent(OTHER, MILLISECOND * percent / 100, start + tick * MILLISECOND);
    }
    (share, start + 100 * MILLISECOND)
}

#[test]
fn work_takes_its_part_while_files_are_sent_fast() {
    for (workers, origins) in [(1, 1), (3, 1), (40, 1), (40, 4), (40, 40)] {
        let (share, start) = sending(90);
        let mut efforts: Vec<Effort> =
            (0..workers).map(|number| effort(&share, number, number % origins)).collect();
        let mut worked = Duration::ZERO;
        for tick in 0..20_000 {
            let now = start + tick * MILLISECOND;
            share.sent(OTHER, MILLISECOND, now);
            for effort in &mut efforts {
                if effort.rest(now).is_none() {
                    effort.spend(MILLISECOND / 2, 0, false);
                    worked += MILLISECOND / 2;
                }
            }
        }
        let part = worked.as_secs_f64() / 20.0 * f64::from(PART);
        assert!((0.7..1.3).contains(&part), "{workers} workers from {origins} took {part} of their part");
    }
}

/// What 64 connections of each origin take while files are sent fast, of the part that all may take, if each is replaced by
/// a new one after so much work.
fn taken_by_newcomers(origins: u8, each: Duration) -> f64 {
    let (share, start) = sending(90);
    let newcomer = |from, now| Effort::new(&share, ConnectionId(u64::from(from)), origin(from), now);
    let mut efforts: Vec<Effort> = (0..64).map(|number| newcomer(number % origins, start)).collect();
    let (slice, mut worked) = (MILLISECOND / 4, Duration::ZERO);
    for tick in 0..20_000 {
        let now = start + tick * MILLISECOND;
        share.sent(OTHER, MILLISECOND, now);
        for (number, effort) in efforts.iter_mut().enumerate() {
            if effort.rest(now).is_none() {
                if effort.all >= each {
                    effort.end(now);
                    *effort = newcomer(number as u8 % origins, now);
                    continue;
                }
                effort.spend(slice, 0, false);
                worked += slice;
                // Some leave before they have rested.
                if number % 2 == 0 && effort.all >= each {
                    effort.end(now);
                    *effort = newcomer(number as u8 % origins, now);
                }
            }
        }
    }
    worked.as_secs_f64() / 20.0 * f64::from(PART)
}

#[test]
fn coming_anew_again_and_again_takes_no_more_than_staying() {
    for origins in [1, 4] {
        for each in [MILLISECOND / 4, MILLISECOND, 3 * MILLISECOND] {
            let part = taken_by_newcomers(origins, each);
            assert!(
                (0.5..1.5).contains(&part),
                "{origins} origins, {each:?} each, took {part} of their part"
            );
        }
    }
}

#[test]
fn who_leaves_before_its_rest_leaves_it_to_the_next() {
    let (share, now) = sending(90);
    let mut first = effort(&share, 0, 0);
    first.spend(10 * MILLISECOND, 0, false);
    first.end(now);
    assert_eq!(effort(&share, 1, 1).rest(now), None, "which is one of its address");
    let rest = Effort::new(&share, ConnectionId(2), origin(0), now).rest(now);
    assert_eq!(rest, Some(now + PART * (10 * MILLISECOND - FRESH)));
    assert_eq!(Effort::new(&share, ConnectionId(3), origin(0), now).rest(now), None, "and one only");
    let share = Arc::new(Share::new(1, now));
    let mut first = effort(&share, 0, 0);
    first.spend(10 * MILLISECOND, 0, false);
    first.end(now);
    assert!(effort(&share, 1, 0).worked.is_zero(), "while nobody waits, there is none to leave");
}

#[test]
fn nobody_rests_while_nothing_waits() {
    for percent in [0, 3] {
        let (share, now) = sending(percent);
        let mut effort = effort(&share, 0, 0);
        effort.spend(Duration::from_secs(1), 0, false);
        assert_eq!(effort.rest(now), None, "{percent} %");
    }
    let (_, now) = sending(0);
    let share = Arc::new(Share::new(0, now));
    share.sent(OTHER, Duration::from_secs(1), now + Duration::from_secs(1));
    assert_eq!(share.left(ConnectionId(0), now + Duration::from_secs(1)), None, "nobody is beside anybody");
}

#[test]
fn the_more_sending_takes_the_less_is_left() {
    for (percent, times) in [(12, 4), (30, 12), (50, PART), (90, PART)] {
        let (share, now) = sending(percent);
        let mut effort = effort(&share, 0, 0);
        effort.spend(MILLISECOND, 0, false);
        assert_eq!(effort.rest(now), Some(now + times * MILLISECOND), "{percent} %");
    }
}

#[test]
fn a_rest_ends_with_what_it_was_for() {
    let (share, now) = sending(90);
    let mut effort = effort(&share, 0, 0);
    effort.spend(10 * MILLISECOND, 0, false);
    assert_eq!(effort.rest(now), Some(now + PART * 10 * MILLISECOND));
    assert_eq!(effort.rest(now + 2 * BELIEVED), None);
    assert!(lock(&share.resting).is_empty());
}

#[test]
fn a_short_question_rests_shortly_beside_long_work() {
    let (share, now) = sending(90);
    let mut others: Vec<Effort> = (0..20).map(|number| effort(&share, number, 0)).collect();
    for other in &mut others {
        other.spend(Duration::from_secs(1), 0, false);
        assert_eq!(other.rest(now), Some(now + LONGEST));
    }
    for (number, first, later) in [(0, 1, 21), (1, 2, 2)] {
        let mut effort = effort(&share, 100, number);
        effort.spend(MILLISECOND / PART, 0, false);
        assert_eq!(effort.rest(now), Some(now + first * MILLISECOND), "from {number}");
        effort.rest = None;
        (effort.worked, effort.all) = (MILLISECOND / PART, 2 * FRESH);
        assert_eq!(effort.rest(now), Some(now + later * MILLISECOND), "from {number}, which asks on");
    }
    drop(others);
    assert!(lock(&share.resting).is_empty());
}

#[test]
fn sending_is_no_work_to_rest_from() {
    let (share, now) = sending(90);
    let mut effort = effort(&share, 0, 0);
    effort.spend(MILLISECOND, 256 << 10, true);
    effort.spend(MILLISECOND, 0, true);
    assert_eq!(effort.rest(now), None, "it still sends what it has read");
    effort.sent_all();
    effort.earned = Duration::ZERO;
    effort.spend(MILLISECOND, 0, false);
    assert_eq!(effort.rest(now), Some(now + PART * MILLISECOND), "that was something else");
}

#[test]
fn who_is_sent_much_asks_for_the_next_range_without_a_rest() {
    let (share, now) = sending(90);
    let mut others: Vec<Effort> = (0..60).map(|number| effort(&share, number, 0)).collect();
    for other in &mut others {
        other.spend(10 * MILLISECOND, 0, false);
        assert!(other.rest(now).is_some());
    }
    let mut effort = effort(&share, 100, 0);
    let range = |effort: &mut Effort| {
        for _ in 0..256 {
            effort.spend(MILLISECOND / 5, 256 << 10, true);
            effort.sent_all();
        }
    };
    range(&mut effort);
    effort.spend(MILLISECOND, 0, false);
    assert_eq!(effort.rest(now), None, "it was sent for 51 ms");
    effort.spend(MILLISECOND, 0, false);
    assert!(effort.rest(now).is_some(), "that was all that it had for it");
    for _ in 0..10 {
        range(&mut effort);
    }
    assert_eq!(effort.earned, FRESH, "however much it was sent");
}

#[test]
fn a_byte_of_a_file_excuses_no_work() {
    let (share, now) = sending(90);
    let mut effort = effort(&share, 0, 0);
    for _ in 0..1000 {
        effort.spend(BYTE, 1, false);
    }
    effort.spend(MILLISECOND, 1, false);
    let rest = effort.rest(now).expect("a rest");
    assert!(rest > now + (PART - 1) * MILLISECOND, "{:?}", rest - now);
}

#[test]
fn nobody_rests_for_its_own_sake() {
    let (share, now) = sending(90);
    let mut own = Effort::new(&share, OTHER, origin(0), now);
    own.spend(MILLISECOND, 0, false);
    assert_eq!(own.rest(now), None);
    // Another one is sent a file as well.
    for tick in 1..=100 {
        share.sent(ConnectionId(7), MILLISECOND / 2, now + tick * MILLISECOND);
        share.sent(OTHER, MILLISECOND / 2, now + tick * MILLISECOND);
    }
    own.spend(MILLISECOND, 0, false);
    assert!(own.rest(now + 100 * MILLISECOND).is_some());
}
