use super::*;

const HOUR: i64 = 3600;
const DAY_SECONDS: i64 = 24 * HOUR;

fn time(text: &str) -> TimeOfDay {
    text.parse().expect(text)
}

fn period(from: &str, to: &str, limit: u64) -> LimitPeriod {
    LimitPeriod { from: time(from), to: time(to), limit: Some(limit).filter(|limit| *limit > 0) }
}

fn schedule(periods: &[LimitPeriod]) -> LimitSchedule {
    LimitSchedule::new(periods.to_vec()).expect("a schedule")
}

/// The limits in force over some time, with the Unix time of each change.
fn changes(schedule: &LimitSchedule, from: i64, until: i64) -> Vec<(i64, Option<u64>)> {
    let limit = |unix| schedule.at(unix).expect("periods").period.and_then(|period| period.limit);
    let (mut unix, mut found) = (from, vec![(from, limit(from))]);
    while unix < until {
        let next = schedule.at(unix).expect("periods").next;
        assert!(next > unix, "time passes");
        unix = next;
        if found.last().is_some_and(|(_, last)| *last != limit(unix)) && unix < until {
            found.push((unix, limit(unix)));
        }
    }
    found
}

#[test]
fn times_of_day_are_parsed_and_shown() {
    for (text, shown) in [("8:00", "08:00"), ("08:05", "08:05"), ("0:00", "00:00"), ("24:00", "24:00")] {
        assert_eq!(time(text).to_string(), shown);
    }
    for text in
        ["", "8", "8:0", "8:60", "24:01", "25:00", "-1:00", "+8:00", " 8:00", "8:00:00", "99999:00", "8.00"]
    {
        assert_eq!(text.parse::<TimeOfDay>(), Err(NotATime), "{text}");
    }
}

#[test]
fn a_period_is_in_force_from_its_first_minute_to_its_end() {
    let schedule = schedule(&[period("08:00", "18:00", 2)]);
    let at = |unix| schedule.at(unix).expect("a period");
    assert_eq!(at(8 * HOUR - 1), InForce { period: None, next: 8 * HOUR });
    assert_eq!(at(8 * HOUR).period, Some(period("08:00", "18:00", 2)));
    assert_eq!(at(8 * HOUR).next, 18 * HOUR);
    assert_eq!(at(18 * HOUR), InForce { period: None, next: DAY_SECONDS + 8 * HOUR });
}

#[test]
fn a_period_can_contain_midnight() {
    let schedule = schedule(&[period("22:30", "06:00", 5)]);
    let expected = [
        (0, Some(5)),
        (6 * HOUR, None),
        (22 * HOUR + HOUR / 2, Some(5)),
        (DAY_SECONDS + 6 * HOUR, None),
        (DAY_SECONDS + 22 * HOUR + HOUR / 2, Some(5)),
    ];
    assert_eq!(changes(&schedule, 0, 2 * DAY_SECONDS), expected);
}

#[test]
fn periods_can_touch_and_fill_the_day() {
    let filled = schedule(&[period("08:00", "18:00", 2), period("18:00", "08:00", 0)]);
    assert_eq!(changes(&filled, 0, DAY_SECONDS), [(0, None), (8 * HOUR, Some(2)), (18 * HOUR, None)]);
    let whole = schedule(&[period("00:00", "24:00", 3)]);
    assert_eq!(changes(&whole, 1, 3 * DAY_SECONDS), [(1, Some(3))]);
    assert!(LimitSchedule::default().at(0).is_none());
}

#[test]
fn empty_and_overlapping_periods_are_rejected() {
    let new = |periods: &[LimitPeriod]| LimitSchedule::new(periods.to_vec()).expect_err("wrong").to_string();
    let day = period("08:00", "18:00", 1);
    assert_eq!(new(&[day, period("17:59", "20:00", 1)]), "08:00 to 18:00 and 17:59 to 20:00 overlap");
    assert_eq!(
        new(&[period("22:00", "06:00", 1), period("05:00", "07:00", 1)]),
        "22:00 to 06:00 and 05:00 to 07:00 overlap"
    );
    assert_eq!(
        new(&[period("22:00", "06:00", 1), period("23:00", "01:00", 1)]),
        "22:00 to 06:00 and 23:00 to 01:00 overlap"
    );
    assert_eq!(new(&[day, day]), "08:00 to 18:00 and 08:00 to 18:00 overlap");
    assert_eq!(
        new(&[period("08:00", "08:00", 1)]),
        "08:00 to 08:00 is no time at all; the whole day is 00:00 to 24:00"
    );
    assert!(LimitSchedule::new(vec![period("24:00", "08:00", 1)]).is_err());
}

#[test]
fn the_local_clock_counts_also_where_it_is_changed() {
    // Two hours east of UTC in summer: the clock goes forward at 01:00 UTC of the first day, and back at that of the second.
    let zone = Zone::fixed(HOUR, &[(HOUR, 2 * HOUR), (DAY_SECONDS + HOUR, HOUR)]);
    let schedule = schedule(&[period("02:30", "08:00", 2)]).in_zone(zone);
    let expected = [
        (0, None),
        // 02:30 does not exist: the clock shows 03:00 after 01:59.
        (HOUR, Some(2)),
        (6 * HOUR, None),
        // 02:30 in summer time; at 03:00 it is 02:00 once more.
        (DAY_SECONDS + HOUR / 2, Some(2)),
        (DAY_SECONDS + HOUR, None),
        (DAY_SECONDS + HOUR + HOUR / 2, Some(2)),
        (DAY_SECONDS + 7 * HOUR, None),
    ];
    assert_eq!(changes(&schedule, 0, 2 * DAY_SECONDS), expected);
}

#[test]
fn the_next_change_is_the_first_time_that_differs() {
    let zone = Zone::fixed(-5 * HOUR, &[(3 * DAY_SECONDS, 4 * HOUR)]);
    let schedule = schedule(&[period("23:15", "01:00", 7), period("12:00", "13:00", 0)]).in_zone(zone);
    let period = |unix| schedule.at(unix).expect("periods").period;
    let mut next = schedule.at(0).expect("periods").next;
    for minute in 0..6 * 24 * 60 {
        let unix = minute * 60;
        if unix >= next {
            next = schedule.at(unix).expect("periods").next;
        }
        let checked = schedule.at(unix).expect("periods");
        assert!(checked.next >= next.min(checked.next) && checked.next > unix);
        // Nothing changes before the time that was announced.
        assert_eq!(period(checked.next - 1), checked.period, "after minute {minute}");
    }
}
