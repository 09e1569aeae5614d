//! Who is let in: the token, and those who have sent too many wrong ones.

use std::{
    io,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use lru::LruCache;
use zeroize::Zeroizing;

use super::{origin::Network, registry::lock};
use crate::{
    protocol::{message::Hello, pin::Pin, token::Token},
    state,
    text::SafeText,
    tls,
};

/// Wrong tokens of one peer within [`WINDOW`]; then it is turned away. Wider networks have higher limits: see [`Network::with_limits`].
const MOST: usize = 10;
/// Wrong tokens are forgotten after this.
const WINDOW: Duration = Duration::from_secs(60);
/// Characters of a token that nobody guesses: so many has one that a server makes.
const LONG: usize = 32;
/// Networks that are remembered, three for each peer; those that were wrong longest ago are forgotten first.
const NETWORKS: usize = 3 * 4096;
/// The name of the file with the token.
const FILE: &str = "token";

/// Who may fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Who has this token.
    Token(Token),
    /// On a loopback address everybody, if other users of the machine can read the served folder anyway; otherwise who has the
    /// token that was made on the first start and is kept in this folder.
    Kept(PathBuf),
    /// Who has a token that is made for this run.
    Temporary,
}

impl Access {
    /// The file in which the server keeps a token that it has made itself.
    pub fn token_file(&self) -> Option<PathBuf> {
        match self {
            Access::Kept(folder) => Some(folder.join(FILE)),
            Access::Public | Access::Token(_) | Access::Temporary => None,
        }
    }

    /// The token to ask for. `asks`: whether [`Access::Kept`] asks for one at the address where the server listens.
    ///
    /// # Errors
    /// The file that it is kept in, and why that cannot be used.
    pub(super) fn token(&self, asks: bool) -> Result<Option<Token>, (SafeText, io::Error)> {
        match self {
            Access::Public => Ok(None),
            Access::Token(token) => Ok(Some(token.clone())),
            Access::Kept(_) if !asks => Ok(None),
            Access::Temporary => random().map(Some).map_err(|error| (SafeText::default(), error)),
            Access::Kept(folder) => {
                let path = folder.join(FILE);
                kept(&path).map(Some).map_err(|error| (SafeText::from_path(&path), error))
            }
        }
    }
}

/// The token of a file, which is made if it is not there.
fn kept(path: &Path) -> io::Result<Token> {
    let bytes = state::read_or_make(path, || Ok([random()?.reveal().as_bytes(), b"\n"].concat()))?;
    let bytes = Zeroizing::new(bytes);
    if !state::is_private(path)? {
        return Err(io::Error::other(
            "others may read it; take that away with chmod 600, or delete it and a new one is made",
        ));
    }
    let text = String::from_utf8_lossy(&bytes);
    Token::parse(text.trim())
        .map_err(|error| io::Error::other(format!("{error}; delete it and a new one is made")))
}

fn random() -> io::Result<Token> {
    Ok(Token::of(&Zeroizing::new(tls::random()?)))
}

/// What a client is told who knocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Welcome.
    Open,
    /// There was no token, or it is not the one.
    Denied,
    /// There were too many wrong ones; not before so long.
    TurnedAway(Duration),
}

/// The token of a server, and who was wrong about it.
#[derive(Debug)]
pub(super) struct Door {
    token: Option<Token>,
    /// The networks that were wrong least recently first.
    wrong: Mutex<LruCache<Network, Wrong>>,
}

/// The wrong tokens of one network.
#[derive(Clone, Copy, Debug)]
struct Wrong {
    since: Instant,
    count: usize,
}

impl Door {
    pub fn new(token: Option<Token>) -> Door {
        Door { token, wrong: Mutex::new(LruCache::unbounded()) }
    }

    /// Whether clients need a token.
    pub fn is_locked(&self) -> bool {
        self.token.is_some()
    }

    /// The answer to a client that sends this `hello` after it was shown this certificate. A peer that is turned away does not
    /// learn whether a short token is right: it could continue to guess. A right token that is too long to be guessed is accepted
    /// all the same, or else one client could lock out all others of its network.
    pub fn knock(&self, peer: IpAddr, hello: &Hello, certificate: Option<Pin>, now: Instant) -> Answer {
        let Some(right) = &self.token else { return Answer::Open };
        let Hello { credential, token_id, .. } = hello;
        let has_tried = credential.is_some() || token_id.is_some();
        // The only token has no name.
        let is_right =
            token_id.is_none() && credential.as_ref().is_some_and(|shown| shown.is_of(right, certificate));
        let mut wrong = lock(&self.wrong);
        if is_right && right.reveal().len() >= LONG {
            return Answer::Open;
        }
        let is_recent = |known: &&Wrong| now.saturating_duration_since(known.since) < WINDOW;
        let networks = Network::with_limits(peer, MOST);
        let full = networks.iter().filter_map(|(network, limit)| {
            wrong.peek(network).filter(is_recent).filter(|known| known.count >= *limit)
        });
        if let Some(since) = full.map(|known| known.since).max() {
            return Answer::TurnedAway((since + WINDOW).saturating_duration_since(now));
        }
        match has_tried {
            true if is_right => Answer::Open,
            true => {
                for (network, _) in networks {
                    let known = wrong.peek(&network).filter(is_recent);
                    let known = known.copied().unwrap_or(Wrong { since: now, count: 0 });
                    wrong.put(network, Wrong { count: known.count + 1, ..known });
                    if wrong.len() > NETWORKS {
                        wrong.pop_lru();
                    }
                }
                Answer::Denied
            }
            // A client without a token does not guess.
            false => Answer::Denied,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::protocol::{
        message::{Credential, TokenId},
        token_proof::TokenProof,
    };

    fn token(text: &str) -> Token {
        Token::parse(text).unwrap()
    }

    /// Knocks with a token, or without one.
    fn knock(door: &Door, peer: IpAddr, token: Option<&Token>, now: Instant) -> Answer {
        door.knock(peer, &hello(token.cloned().map(Credential::Token)), None, now)
    }

    fn hello(credential: Option<Credential>) -> Hello {
        Hello { agent: "test".to_owned(), credential, token_id: None }
    }

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn without_a_token_everybody_is_let_in() {
        let door = Door::new(None);
        assert_eq!(knock(&door, peer("::1"), None, Instant::now()), Answer::Open);
        assert_eq!(knock(&door, peer("::1"), Some(&token("anything")), Instant::now()), Answer::Open);
    }

    #[test]
    fn too_many_wrong_tokens_close_the_door_for_a_while() {
        let (door, start) = (Door::new(Some(token("the-right-one"))), Instant::now());
        let (attacker, other) = (peer("10.0.0.1"), peer("10.0.0.2"));
        for second in 0..MOST as u64 {
            let now = start + Duration::from_secs(second);
            assert_eq!(knock(&door, attacker, None, now), Answer::Denied, "which does not count");
            assert_eq!(knock(&door, attacker, Some(&token("the-wrong-one")), now), Answer::Denied);
        }
        let now = start + Duration::from_secs(20);
        for attempt in ["the-wrong-one", "the-right-one"] {
            let answer = knock(&door, attacker, Some(&token(attempt)), now);
            assert_eq!(answer, Answer::TurnedAway(Duration::from_secs(40)));
        }
        assert_eq!(knock(&door, other, Some(&token("the-right-one")), now), Answer::Open);
        assert_eq!(knock(&door, attacker, Some(&token("the-right-one")), start + WINDOW), Answer::Open);
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
            let door = Door::new(Some(right.clone()));
            for number in 0..MOST {
                // All of one kind, or of all kinds.
                let hello = tries.get(kind).unwrap_or(&tries[number % tries.len()]);
                assert_eq!(door.knock(peer("10.0.0.1"), hello, Some(certificate), now), Answer::Denied);
            }
            for hello in tries.iter().chain([&proof(&right, certificate)]) {
                let answer = door.knock(peer("10.0.0.1"), hello, Some(certificate), now);
                assert_eq!(answer, Answer::TurnedAway(WINDOW), "{kind}: {hello:?}");
            }
            let other = door.knock(peer("10.0.0.2"), &proof(&right, certificate), Some(certificate), now);
            assert_eq!(other, Answer::Open);
        }
        let door = Door::new(Some(right.clone()));
        assert_eq!(
            door.knock(peer("10.0.0.1"), &proof(&right, certificate), None, now),
            Answer::Denied,
            "no TLS"
        );
    }

    #[test]
    fn what_nobody_guesses_opens_the_door_at_any_time() {
        let (right, now) = (Token::of(&[7; 32]), Instant::now());
        assert_eq!(right.reveal().len(), LONG);
        let door = Door::new(Some(right.clone()));
        let (neighbour, wrong) = (peer("10.0.0.1"), Token::of(&[8; 32]));
        for _ in 0..MOST {
            assert_eq!(knock(&door, neighbour, Some(&wrong), now), Answer::Denied);
        }
        for _ in 0..3 {
            assert_eq!(knock(&door, neighbour, Some(&wrong), now), Answer::TurnedAway(WINDOW));
            assert_eq!(knock(&door, neighbour, None, now), Answer::TurnedAway(WINDOW));
            assert_eq!(knock(&door, neighbour, Some(&right), now), Answer::Open);
        }
    }

    #[test]
    fn the_addresses_of_one_network_are_one_peer() {
        let (door, now) = (Door::new(Some(token("the-right-one"))), Instant::now());
        for number in 0..MOST {
            let attacker = peer(&format!("2001:db8::{number:x}"));
            assert_eq!(knock(&door, attacker, Some(&token("the-wrong-one")), now), Answer::Denied);
        }
        let right = token("the-right-one");
        assert!(matches!(knock(&door, peer("2001:db8::ffff"), Some(&right), now), Answer::TurnedAway(_)));
        assert_eq!(knock(&door, peer("2001:db8:0:1::1"), Some(&right), now), Answer::Open);
    }

    /// Who has a whole network of 56 or 48 bits has many networks of 64 bits to guess from.
    #[test]
    fn wide_networks_have_limits_of_their_own() {
        let (right, wrong, now) = (token("the-right-one"), token("the-wrong-one"), Instant::now());
        for (step, limit) in [(1, 2 * MOST), (0x100, 3 * MOST)] {
            let door = Door::new(Some(right.clone()));
            let link = |number: usize| peer(&format!("2001:db8:0:{:x}::1", number * step));
            for number in 0..limit {
                assert_eq!(knock(&door, link(number), Some(&wrong), now), Answer::Denied, "{number}");
            }
            assert_eq!(knock(&door, link(limit), Some(&right), now), Answer::TurnedAway(WINDOW));
            assert_eq!(knock(&door, link(limit), Some(&wrong), now), Answer::TurnedAway(WINDOW));
            let site = peer("2001:db8:1::1");
            assert_eq!(knock(&door, site, Some(&right), now), Answer::Open);
            assert_eq!(knock(&door, link(limit), Some(&right), now + WINDOW), Answer::Open);
        }
    }

    #[test]
    fn many_attackers_take_little_memory() {
        let (door, start) = (Door::new(Some(token("the-right-one"))), Instant::now());
        for number in 0..NETWORKS as u32 + 100 {
            let now = start + Duration::from_millis(number.into());
            knock(&door, IpAddr::V4(number.into()), Some(&token("the-wrong-one")), now);
        }
        assert_eq!(lock(&door.wrong).len(), NETWORKS);
    }

    #[test]
    fn who_is_known_already_displaces_nobody() {
        let door = Door::new(Some(token("sesame-sesame")));
        let (start, wrong) = (Instant::now(), token("wrong-wrong"));
        let peer = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..NETWORKS / 3 {
            knock(&door, peer(number), Some(&wrong), start);
        }
        for _ in 0..3 {
            knock(&door, peer(7), Some(&wrong), start);
        }
        assert_eq!(lock(&door.wrong).len(), NETWORKS);
    }

    #[test]
    fn a_token_is_made_once_and_only_where_it_is_needed() {
        let place = tempfile::tempdir().unwrap();
        let access = Access::Kept(place.path().join("state"));
        assert_eq!(access.token(false).unwrap(), None);
        assert!(!place.path().join("state").exists());
        let first = access.token(true).unwrap();
        assert!(first.is_some());
        assert_eq!(access.token(true).unwrap(), first);
        assert_eq!(Access::Public.token(true).unwrap(), None);
        assert_ne!(Access::Temporary.token(false).unwrap(), Access::Temporary.token(true).unwrap());
        let file = place.path().join("state/token");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = access.token(true).unwrap_err().1.to_string();
        assert!(error.contains("others may read it"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "short").unwrap();
        let error = access.token(true).unwrap_err().1.to_string();
        assert!(error.contains("delete it") && !error.contains("short\n"), "{error}");
    }
}
