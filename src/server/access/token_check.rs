//! Verifies tokens, and limits the number of wrong ones of a network.

use std::{
    net::IpAddr,
    sync::Mutex,
    time::{Duration, Instant},
};

use lru::LruCache;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{
    net::tls,
    protocol::{
        message::Hello,
        trust::{pin::Pin, token::Token},
    },
    server::{limits::origin::Network, sync::lock},
};

/// The maximum number of wrong tokens of one peer within [`WINDOW`]; then it is rate limited. Wider networks have higher limits: see [`Network::with_limits`].
const MAX_WRONG: usize = 10;
/// Wrong tokens are forgotten after this.
const WINDOW: Duration = Duration::from_secs(60);
/// The length of a token that cannot be guessed: that of a generated one.
const LONG: usize = 32;
/// The maximum number of remembered networks, three for each peer; the least recent ones are removed first.
const NETWORKS: usize = 3 * 4096;
/// The result of a client's attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Welcome.
    Open,
    /// There was no token, or a wrong one.
    Denied,
    /// There were too many wrong ones; the next attempt is allowed after this time.
    RateLimited(Duration),
}

/// The token of a server, and the networks that sent wrong ones.
#[derive(Debug)]
pub(crate) struct TokenCheck {
    token: Option<Token>,
    /// What browsers send in place of the token: random, as one that was computed from the token could be computed for each guess, and
    /// tried without the rate limit.
    cookie: Option<Zeroizing<String>>,
    /// The networks with wrong tokens, the least recent one first.
    wrong: Mutex<LruCache<Network, Wrong>>,
}

/// The wrong tokens of one network.
#[derive(Clone, Copy, Debug)]
struct Wrong {
    since: Instant,
    count: usize,
}

impl TokenCheck {
    pub fn new(token: Option<Token>) -> TokenCheck {
        // Without randomness there are no cookies.
        let random = token.is_some().then(tls::random).and_then(Result::ok);
        let cookie = random.map(|bytes| Zeroizing::new(hex::encode(bytes)));
        TokenCheck { token, cookie, wrong: Mutex::new(LruCache::unbounded()) }
    }

    /// Whether clients need a token.
    pub fn is_locked(&self) -> bool {
        self.token.is_some()
    }

    /// The value of the cookie that replaces the token in this run.
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_ref().map(|value| value.as_str())
    }

    /// The answer to a client that sends this `hello` after it was shown this certificate. A rate-limited peer does not
    /// learn whether a short token is right: it could continue to guess. A right token that is too long to be guessed is accepted
    /// anyway: otherwise one client could lock out all others of its network.
    pub fn verify(&self, peer: IpAddr, hello: &Hello, certificate: Option<Pin>, now: Instant) -> Verdict {
        let Some(right) = &self.token else { return Verdict::Open };
        let Hello { credential, token_id, .. } = hello;
        let has_tried = credential.is_some() || token_id.is_some();
        // The only token has no id.
        let is_right =
            token_id.is_none() && credential.as_ref().is_some_and(|shown| shown.is_of(right, certificate));
        self.judge(peer, right, has_tried, is_right, now)
    }

    /// The answer to a client that shows this text as the token, or none.
    pub fn verify_text(&self, peer: IpAddr, shown: Option<&str>, now: Instant) -> Verdict {
        let Some(right) = &self.token else { return Verdict::Open };
        let is_right = shown.is_some_and(|shown| shown.as_bytes().ct_eq(right.reveal().as_bytes()).into());
        self.judge(peer, right, shown.is_some(), is_right, now)
    }

    fn judge(&self, peer: IpAddr, right: &Token, has_tried: bool, is_right: bool, now: Instant) -> Verdict {
        let mut wrong = lock(&self.wrong);
        if is_right && right.reveal().len() >= LONG {
            return Verdict::Open;
        }
        let is_recent = |known: &&Wrong| now.saturating_duration_since(known.since) < WINDOW;
        let networks = Network::with_limits(peer, MAX_WRONG);
        let full = networks.iter().filter_map(|(network, limit)| {
            wrong.peek(network).filter(is_recent).filter(|known| known.count >= *limit)
        });
        if let Some(since) = full.map(|known| known.since).max() {
            return Verdict::RateLimited((since + WINDOW).saturating_duration_since(now));
        }
        match has_tried {
            true if is_right => Verdict::Open,
            true => {
                for (network, _) in networks {
                    let known = wrong.peek(&network).filter(is_recent);
                    let known = known.copied().unwrap_or(Wrong { since: now, count: 0 });
                    wrong.put(network, Wrong { count: known.count + 1, ..known });
                    if wrong.len() > NETWORKS {
                        wrong.pop_lru();
                    }
                }
                Verdict::Denied
            }
            // A client without a token does not guess.
            false => Verdict::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that was computed from the token could be tried for each guess without a wrong attempt being counted.
    #[test]
    fn the_cookie_is_not_computed_from_the_token() {
        let cookie = || TokenCheck::new(Some(token("the-right-one"))).cookie().map(str::to_owned);
        assert!(cookie().is_some_and(|value| value.len() == 64));
        assert_ne!(cookie(), cookie());
        assert_eq!(TokenCheck::new(None).cookie(), None);
    }
    use crate::protocol::{
        message::{Credential, TokenId},
        trust::token_proof::TokenProof,
    };

    fn token(text: &str) -> Token {
        Token::parse(text).unwrap()
    }

    /// Verifies a `hello` with a token, or without one.
    fn verify(check: &TokenCheck, peer: IpAddr, token: Option<&Token>, now: Instant) -> Verdict {
        check.verify(peer, &hello(token.cloned().map(Credential::Token)), None, now)
    }

    fn hello(credential: Option<Credential>) -> Hello {
        Hello { agent: "test".to_owned(), credential, token_id: None }
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_server_without_a_token_admits_every_client() {
        let check = TokenCheck::new(None);
        assert_eq!(verify(&check, peer("::1"), None, Instant::now()), Verdict::Open);
        assert_eq!(verify(&check, peer("::1"), Some(&token("anything")), Instant::now()), Verdict::Open);
    }

    #[test]
    fn too_many_wrong_tokens_are_rejected_for_a_while() {
        let (check, start) = (TokenCheck::new(Some(token("the-right-one"))), Instant::now());
        let (attacker, other) = (peer("10.0.0.1"), peer("10.0.0.2"));
        for second in 0..MAX_WRONG as u64 {
            let now = start + Duration::from_secs(second);
            assert_eq!(verify(&check, attacker, None, now), Verdict::Denied, "which does not count");
            assert_eq!(verify(&check, attacker, Some(&token("the-wrong-one")), now), Verdict::Denied);
        }
        let now = start + Duration::from_secs(20);
        for attempt in ["the-wrong-one", "the-right-one"] {
            let answer = verify(&check, attacker, Some(&token(attempt)), now);
            assert_eq!(answer, Verdict::RateLimited(Duration::from_secs(40)));
        }
        assert_eq!(verify(&check, other, Some(&token("the-right-one")), now), Verdict::Open);
        assert_eq!(verify(&check, attacker, Some(&token("the-right-one")), start + WINDOW), Verdict::Open);
    }

    #[test]
    fn tokens_of_all_protocols_count_together() {
        let (check, now) = (TokenCheck::new(Some(token("the-right-one"))), Instant::now());
        let client = peer("10.0.0.1");
        assert_eq!(check.verify_text(client, Some("the-right-one"), now), Verdict::Open);
        for number in 0..MAX_WRONG {
            assert_eq!(check.verify_text(client, None, now), Verdict::Denied, "which does not count");
            let answer = match number % 2 {
                0 => check.verify_text(client, Some("wrong"), now),
                _ => verify(&check, client, Some(&token("the-wrong-one")), now),
            };
            assert_eq!(answer, Verdict::Denied);
        }
        assert_eq!(check.verify_text(client, Some("the-right-one"), now), Verdict::RateLimited(WINDOW));
    }

    #[test]
    fn every_kind_of_wrong_token_counts() {
        let (right, certificate, now) = (token("the-right-one"), Pin([1; 32]), Instant::now());
        let wrong = token("the-wrong-one");
        let proof =
            |token: &Token, shown| hello(Some(Credential::Proof(TokenProof::new(token, shown, [2; 32]))));
        let named = Hello { token_id: Some(TokenId::Name("ann".to_owned())), ..proof(&right, certificate) };
        let tries = [
            hello(Some(Credential::Token(wrong.clone()))),
            proof(&wrong, certificate),
            proof(&right, Pin([3; 32])),
            named.clone(),
            Hello { credential: None, ..named },
        ];
        for kind in 0..=tries.len() {
            let check = TokenCheck::new(Some(right.clone()));
            for number in 0..MAX_WRONG {
                // All of one kind, or of all kinds.
                let hello = tries.get(kind).unwrap_or(&tries[number % tries.len()]);
                assert_eq!(check.verify(peer("10.0.0.1"), hello, Some(certificate), now), Verdict::Denied);
            }
            for hello in tries.iter().chain([&proof(&right, certificate)]) {
                let answer = check.verify(peer("10.0.0.1"), hello, Some(certificate), now);
                assert_eq!(answer, Verdict::RateLimited(WINDOW), "{kind}: {hello:?}");
            }
            let other = check.verify(peer("10.0.0.2"), &proof(&right, certificate), Some(certificate), now);
            assert_eq!(other, Verdict::Open);
        }
        let check = TokenCheck::new(Some(right.clone()));
        assert_eq!(
            check.verify(peer("10.0.0.1"), &proof(&right, certificate), None, now),
            Verdict::Denied,
            "no TLS"
        );
    }

    #[test]
    fn a_token_that_cannot_be_guessed_is_accepted_at_any_time() {
        let (right, now) = (Token::of(&[7; 32]), Instant::now());
        assert_eq!(right.reveal().len(), LONG);
        let check = TokenCheck::new(Some(right.clone()));
        let (neighbour, wrong) = (peer("10.0.0.1"), Token::of(&[8; 32]));
        for _ in 0..MAX_WRONG {
            assert_eq!(verify(&check, neighbour, Some(&wrong), now), Verdict::Denied);
        }
        for _ in 0..3 {
            assert_eq!(verify(&check, neighbour, Some(&wrong), now), Verdict::RateLimited(WINDOW));
            assert_eq!(verify(&check, neighbour, None, now), Verdict::RateLimited(WINDOW));
            assert_eq!(verify(&check, neighbour, Some(&right), now), Verdict::Open);
        }
    }

    #[test]
    fn wrong_tokens_are_counted_by_network() {
        let (check, now) = (TokenCheck::new(Some(token("the-right-one"))), Instant::now());
        for number in 0..MAX_WRONG {
            let attacker = peer(&format!("2001:db8::{number:x}"));
            assert_eq!(verify(&check, attacker, Some(&token("the-wrong-one")), now), Verdict::Denied);
        }
        let right = token("the-right-one");
        assert!(matches!(verify(&check, peer("2001:db8::ffff"), Some(&right), now), Verdict::RateLimited(_)));
        assert_eq!(verify(&check, peer("2001:db8:0:1::1"), Some(&right), now), Verdict::Open);
    }

    /// A client with a whole network of 56 or 48 bits can guess from many networks of 64 bits.
    #[test]
    fn wide_networks_have_limits_of_their_own() {
        let (right, wrong, now) = (token("the-right-one"), token("the-wrong-one"), Instant::now());
        for (step, limit) in [(1, 2 * MAX_WRONG), (0x100, 3 * MAX_WRONG)] {
            let check = TokenCheck::new(Some(right.clone()));
            let link = |number: usize| peer(&format!("2001:db8:0:{:x}::1", number * step));
            for number in 0..limit {
                assert_eq!(verify(&check, link(number), Some(&wrong), now), Verdict::Denied, "{number}");
            }
            assert_eq!(verify(&check, link(limit), Some(&right), now), Verdict::RateLimited(WINDOW));
            assert_eq!(verify(&check, link(limit), Some(&wrong), now), Verdict::RateLimited(WINDOW));
            let site = peer("2001:db8:1::1");
            assert_eq!(verify(&check, site, Some(&right), now), Verdict::Open);
            assert_eq!(verify(&check, link(limit), Some(&right), now + WINDOW), Verdict::Open);
        }
    }

    #[test]
    fn wrong_tokens_from_many_addresses_take_little_memory() {
        let (check, start) = (TokenCheck::new(Some(token("the-right-one"))), Instant::now());
        for number in 0..NETWORKS as u32 + 100 {
            let now = start + Duration::from_millis(number.into());
            verify(&check, IpAddr::V4(number.into()), Some(&token("the-wrong-one")), now);
        }
        assert_eq!(lock(&check.wrong).len(), NETWORKS);
    }

    #[test]
    fn a_known_address_replaces_no_other() {
        let check = TokenCheck::new(Some(token("sesame-sesame")));
        let (start, wrong) = (Instant::now(), token("wrong-wrong"));
        let peer = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..NETWORKS / 3 {
            verify(&check, peer(number), Some(&wrong), start);
        }
        for _ in 0..3 {
            verify(&check, peer(7), Some(&wrong), start);
        }
        assert_eq!(lock(&check.wrong).len(), NETWORKS);
    }
}
