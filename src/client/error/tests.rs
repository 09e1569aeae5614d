//! Verdicts and delays.

use super::*;

fn failure(code: Code, retry_after: Option<u32>) -> Failure {
    Failure { code, message: "words of the server".into(), path: None, retry_after }
}

#[test]
fn permanent_errors_are_not_retried() {
    for code in [Code::NotFound, Code::WrongKind, Code::Unsupported, Code::Violation] {
        assert_eq!(Fault::refused("a", &failure(code, Some(1))).verdict, Verdict::Never, "{code:?}");
    }
    for protocol in
        [UnknownProtocol::Http, UnknownProtocol::Ssh, UnknownProtocol::Tls, UnknownProtocol::Unknown]
    {
        let fault = Fault::violation("h:1", &Violation::NotOurs(protocol));
        assert_eq!((fault.verdict, fault.trouble.kind), (Verdict::Never, TroubleKind::Connection));
    }
    assert_eq!(Fault::disk("full").verdict, Verdict::Never);
    assert_eq!(Fault::refused("a", &failure(Code::Unreadable, Some(1))).verdict, Verdict::Unreadable);
}

#[test]
fn a_connection_closed_during_an_answer_is_lost_without_a_protocol_error() {
    let fault = Fault::violation("h:1", &Violation::Truncated);
    assert!(fault.is_lost());
    assert_eq!(fault.trouble.message.as_str(), "h:1: the connection was closed in the middle of an answer");
}

#[test]
fn temporary_errors_are_retried_after_the_time_of_the_server() {
    let seven = Duration::from_secs(7);
    for code in [Code::Internal, Code::TimedOut, Code::TooSlow] {
        let fault = Fault::refused("a", &failure(code, Some(7)));
        assert_eq!(fault.verdict, Verdict::Again(seven), "{code:?}");
    }
    for code in [Code::Busy, Code::ShuttingDown] {
        let fault = Fault::refused("a", &failure(code, Some(7)));
        assert_eq!(fault.verdict, Verdict::Busy(seven), "{code:?} costs no attempt");
    }
    let hostile = Fault::refused("a", &failure(Code::Busy, Some(u32::MAX)));
    assert_eq!(hostile.verdict, Verdict::Busy(MAX_SERVER_DELAY));
}

#[test]
fn the_error_of_a_refused_client_names_the_reason() {
    let wrong = Fault::refused("a", &failure(Code::Denied, None));
    assert_eq!(wrong.verdict, Verdict::WrongToken);
    assert!(wrong.trouble.message.as_str().contains("none or a wrong one"));
    let away = Fault::refused("a", &failure(Code::Denied, Some(57)));
    assert_eq!(away.verdict, Verdict::Busy(Duration::from_secs(57)));
    assert!(
        away.trouble.message.as_str().contains("too many wrong tokens")
            && away.trouble.message.as_str().contains("57 s")
    );
}

#[test]
fn silence_is_an_outage_of_a_server_that_has_answered_before() {
    let now = Instant::now();
    assert_eq!(Fault::unreachable(now, "refused").unreachable_since(false), Some(now));
    for fault in [Fault::silent(now, "closed"), Fault::unknown_host(now, "no such host")] {
        assert_eq!(fault.unreachable_since(true), Some(now));
        assert_eq!(fault.unreachable_since(false), None, "a wrong address is no outage");
    }
    assert_eq!(Fault::silent(now, "closed").retry_after(), Some(Duration::ZERO));
    assert_eq!(Fault::unknown_host(now, "no such host").retry_after(), None);
    assert_eq!(Fault::lost("reset").unreachable_since(true), None, "it was reached");
}

#[test]
fn a_changed_source_starts_over() {
    let fault = Fault::refused("a/b", &failure(Code::Changed, None));
    assert_eq!(fault.verdict, Verdict::StartOver);
    assert_eq!(fault.trouble.kind, TroubleKind::Integrity);
    assert_eq!(fault.trouble.message.as_str(), "/a/b: the source changed on the server");
}

#[test]
fn an_unreadable_path_is_named_once() {
    let mut unreadable = failure(Code::Unreadable, None);
    unreadable.path = Some("f/s".into());
    unreadable.message = "f/s: Permission denied (os error 13)".into();
    let fault = Fault::refused("", &unreadable);
    assert_eq!(fault.trouble.message.as_str(), "/f/s: the server could not read it: Permission denied");
}

#[test]
fn words_of_a_peer_are_made_safe() {
    let mut hostile = failure(Code::Internal, None);
    hostile.message = "\u{1b}[2J".into();
    assert!(!Fault::refused("a", &hostile).trouble.message.as_str().contains('\u{1b}'));
}

#[test]
fn delays_double_with_jitter_up_to_a_cap() {
    for attempt in 1..40 {
        let step = MIN_DELAY * 2u32.saturating_pow(attempt.min(20) - 1);
        for seed in 0..20 {
            let wait = delay(attempt, Duration::ZERO, seed);
            let least = step.min(MAX_DELAY);
            assert!(wait >= least && wait <= least * 2, "{attempt}: {wait:?}");
        }
    }
    assert!(delay(1, Duration::from_secs(9), 1) > Duration::from_secs(9));
    assert_ne!(delay(1, Duration::ZERO, 1), delay(1, Duration::ZERO, 2));
}
