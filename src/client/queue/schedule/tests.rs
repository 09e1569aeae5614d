//! Permits and outages of servers.

use super::*;

fn address() -> Locator {
    Locator::parse("fdsp+plain://h:1").unwrap()
}

#[test]
fn a_server_gets_as_many_connections_as_it_announced() {
    let mut servers = Servers::default();
    let server = servers.number(&address(), Speak::V1);
    assert_eq!(servers.number(&address(), Speak::V1), server);
    servers.take(server);
    assert!(!servers.has_room(server), "one until it said more");
    assert!(servers.set_parallel(server, 3));
    assert!(!servers.set_parallel(server, 3));
    servers.take(server);
    servers.take(server);
    assert!(!servers.has_room(server));
    servers.give_back(server);
    assert!(servers.has_room(server));
    servers.set_parallel(server, 0);
    servers.give_back(server);
    servers.give_back(server);
    assert!(servers.has_room(server), "at least one");
}

const SECOND: Duration = Duration::from_secs(1);

fn one() -> (Servers, ServerId) {
    let mut servers = Servers::default();
    let server = servers.number(&address(), Speak::V1);
    (servers, server)
}

#[test]
fn a_server_that_cannot_be_reached_is_tried_by_one_at_a_time() {
    let (mut servers, server) = one();
    let start = Instant::now();
    let lose = |servers: &mut Servers, now| {
        servers.lost(server, (start, now), "refused".into(), None, |attempt| SECOND * 2u32.pow(attempt))
    };
    assert_eq!(lose(&mut servers, start), Lost::Now(2 * SECOND));
    assert_eq!(lose(&mut servers, start), Lost::Still, "another job had begun before that");
    assert!(!servers.has_room(server) && !servers.has_spare(server));
    let ready = || [server].into_iter();
    assert_eq!(servers.next_due(ready()), Some(start + 2 * SECOND));
    assert!(servers.take_due(ready(), start + SECOND).is_empty());
    assert_eq!(servers.take_due(ready(), start + 2 * SECOND).len(), 1);
    assert!(servers.take_due(ready(), start + 3 * SECOND).is_empty(), "it is being tried");
    assert_eq!(servers.next_due(ready()), None);
    assert_eq!(lose(&mut servers, start + 3 * SECOND), Lost::Still);
    assert_eq!(servers.next_due(ready()), Some(start + 7 * SECOND));
    assert_eq!(servers.next_due([].into_iter()), None, "no job wants it");
    assert_eq!(servers.reached(server, start + 5 * SECOND), Some(5 * SECOND));
    assert!(servers.has_room(server) && servers.is_known(server));
    assert_eq!(servers.reached(server, start), None);
}

#[test]
fn a_server_is_no_longer_retried_after_the_maximum_time() {
    let (mut servers, server) = one();
    let (start, max) = (Instant::now(), Some(10 * SECOND));
    let lose = |servers: &mut Servers, seconds: u32| {
        servers.take_due([server].into_iter(), start + SECOND * seconds);
        servers.lost(server, (start, start + SECOND * seconds), "refused".into(), max, |_| 8 * SECOND)
    };
    assert_eq!(lose(&mut servers, 1), Lost::Now(8 * SECOND));
    assert_eq!(lose(&mut servers, 9), Lost::Still);
    let due = servers.next_due([server].into_iter());
    assert_eq!(due, Some(start + 10 * SECOND), "the last attempt is at the very end");
    assert_eq!(lose(&mut servers, 10), Lost::TooLong);
    assert!(servers.outage(server).is_none());
    assert_eq!(lose(&mut servers, 31), Lost::TooLong, "an attempt may take that long by itself");
}

#[test]
fn the_user_may_try_now() {
    let (mut servers, server) = one();
    let start = Instant::now();
    assert!(!servers.try_now(server, start));
    let slow = |_| 60 * SECOND;
    servers.lost(server, (start, start), "refused".into(), None, slow);
    servers.take(server);
    assert!(servers.take_due([server].into_iter(), start + 60 * SECOND).is_empty(), "it has a connection");
    servers.give_back(server);
    assert!(servers.try_now(server, start + SECOND));
    assert_eq!(servers.take_due([server].into_iter(), start + SECOND).len(), 1);
    assert!(servers.try_now(server, start + SECOND), "it is being tried already");
    assert!(servers.take_due([server].into_iter(), start + SECOND).is_empty());
}
