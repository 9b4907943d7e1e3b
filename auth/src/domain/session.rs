//! Sessions: families of refresh tokens, of which one is good at a time.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Digest;
use super::user::whole_milliseconds;

/// How many used tokens of a session are remembered, to be known when they come again.
pub const USED_TOKENS: u8 = 100;
/// Requests of one client may refresh at the same time. Within this time of its exchange
/// a used token is refused without harm, however many came after it; later, it was stolen.
pub const ROTATION_GRACE: Duration = Duration::seconds(10);
/// The longest description of a device, in characters.
const MAX_DEVICE_CHARS: usize = 200;
/// The random part of a token.
const SECRET_BYTES: usize = 32;
const ID_BYTES: usize = 16;

/// Somebody signed in on one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id, a UUID of version 7: sessions sort by when they began.
    pub session_id: Uuid,
    /// Whose it is.
    pub user_id: String,
    /// The user's session epoch when it began; it is good only while that is the same.
    pub epoch: i64,
    /// What the client called itself.
    pub device: Option<String>,
    /// When somebody signed in.
    pub created_at: OffsetDateTime,
    /// When it was last refreshed.
    pub last_used_at: OffsetDateTime,
    /// When it ends unless it is refreshed.
    pub expires_at: OffsetDateTime,
    /// The digest of the one token that is good.
    pub current: Digest,
    /// Those before it, oldest first, the last [`USED_TOKENS`].
    pub used: Vec<UsedToken>,
}

/// A refresh token that was exchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedToken {
    /// Its digest.
    pub digest: Digest,
    /// When it was exchanged; none if that was before it was written down: long ago.
    pub at: Option<OffsetDateTime>,
}

/// A refresh token as somebody presents it: which session it names, and its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedToken {
    /// The session.
    pub session_id: Uuid,
    /// The token's digest.
    pub digest: Digest,
}

/// What a presented token is to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The one that is good.
    Current,
    /// One that was exchanged a moment ago.
    JustRotated,
    /// One that was used before: it is in two hands.
    Reused,
    /// None of its tokens that are remembered.
    Unknown,
}

/// The exchange of a session's token for a new one.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// Which session.
    pub session_id: Uuid,
    /// The token that must be the good one still.
    pub from: Digest,
    /// The one that takes its place.
    pub to: Digest,
    /// When.
    pub at: OffsetDateTime,
    /// When the session ends from now on.
    pub expires_at: OffsetDateTime,
}

impl Session {
    /// A session that begins `now`, and its first refresh token.
    #[must_use]
    pub fn begin(
        user_id: String,
        epoch: i64,
        device: Option<String>,
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> (Self, SecretString) {
        let session_id = Uuid::now_v7();
        let (token, current) = new_token(session_id);
        let now = whole_milliseconds(now);
        let session = Self {
            session_id,
            user_id,
            epoch,
            device,
            created_at: now,
            last_used_at: now,
            expires_at: now + lifetime,
            current,
            used: Vec::new(),
        };
        (session, token)
    }

    /// The exchange of `from` for a new token, and that token.
    #[must_use]
    pub fn rotation(
        &self,
        from: Digest,
        now: OffsetDateTime,
        lifetime: Duration,
    ) -> (Rotation, SecretString) {
        let (token, to) = new_token(self.session_id);
        let at = whole_milliseconds(now);
        (Rotation { session_id: self.session_id, from, to, at, expires_at: at + lifetime }, token)
    }

    /// What `token` is to this session at `now`.
    #[must_use]
    pub fn standing(&self, token: &PresentedToken, now: OffsetDateTime) -> Standing {
        if token.digest == self.current {
            return Standing::Current;
        }
        match self.used.iter().find(|used| used.digest == token.digest) {
            Some(used) if used.at.is_some_and(|at| now - at <= ROTATION_GRACE) => Standing::JustRotated,
            Some(_) => Standing::Reused,
            None => Standing::Unknown,
        }
    }

    /// Whether it goes on, for a user whose epoch is `epoch` now.
    #[must_use]
    pub fn is_good(&self, epoch: i64, now: OffsetDateTime) -> bool {
        self.epoch == epoch && now < self.expires_at
    }
}

impl PresentedToken {
    /// Reads a token. Nothing if it cannot be one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes =
            URL_SAFE_NO_PAD.decode(text).ok().filter(|bytes| bytes.len() == ID_BYTES + SECRET_BYTES)?;
        let session_id = Uuid::from_slice(&bytes[..ID_BYTES]).ok()?;
        Some(Self { session_id, digest: Sha256::digest(&bytes).into() })
    }
}

/// A token of the session. Its digest is enough to know it again: there is nothing to
/// guess in 256 random bits, so the digest need not be slow.
fn new_token(session_id: Uuid) -> (SecretString, Digest) {
    let secret = rand::random::<[u8; SECRET_BYTES]>();
    let bytes = [session_id.as_bytes().as_slice(), &secret].concat();
    (URL_SAFE_NO_PAD.encode(&bytes).into(), Sha256::digest(&bytes).into())
}

/// What is kept of the `User-Agent` that a client sent.
#[must_use]
pub fn device(user_agent: Option<&str>) -> Option<String> {
    let text: String =
        user_agent?.chars().filter(|character| !character.is_control()).take(MAX_DEVICE_CHARS).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);

    #[test]
    fn a_token_stands_by_its_place_and_the_time() {
        let (mut session, first) = Session::begin("u1".into(), 3, None, NOW, Duration::days(30));
        let first = PresentedToken::parse(first.expose_secret()).expect("a token");
        assert_eq!(first.session_id, session.session_id);
        assert_eq!(session.standing(&first, NOW), Standing::Current);
        let mut exchange = |token: &PresentedToken, at| {
            let (rotation, next) = session.rotation(token.digest, at, Duration::days(30));
            session.used.push(UsedToken { digest: rotation.from, at: Some(rotation.at) });
            session.current = rotation.to;
            PresentedToken::parse(next.expose_secret()).expect("a token")
        };
        let second = exchange(&first, NOW);
        let third = exchange(&second, NOW + Duration::seconds(4));
        let standing = |token, after_s| session.standing(token, NOW + Duration::seconds(after_s));
        assert_eq!(standing(&third, 11), Standing::Current);
        // Each by its own exchange, and not only the last one.
        assert_eq!((standing(&first, 10), standing(&first, 11)), (Standing::JustRotated, Standing::Reused));
        assert_eq!((standing(&second, 14), standing(&second, 15)), (Standing::JustRotated, Standing::Reused));
        let untimed = UsedToken { digest: [1; 32], at: None };
        session.used.insert(0, untimed);
        assert_eq!(session.standing(&PresentedToken { digest: [1; 32], ..first }, NOW), Standing::Reused);
        let other = PresentedToken { digest: [0; 32], ..second };
        assert_eq!(session.standing(&other, NOW), Standing::Unknown);
    }

    #[test]
    fn a_session_is_good_in_its_epoch_and_time() {
        let (session, _) = Session::begin("u1".into(), 3, None, NOW, Duration::days(1));
        assert!(session.is_good(3, NOW) && !session.is_good(4, NOW));
        assert!(!session.is_good(3, NOW + Duration::days(1)));
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        for text in ["", "x", &"A".repeat(63), &"A".repeat(65), &"=".repeat(64), &"é".repeat(32)] {
            assert_eq!(PresentedToken::parse(text), None, "{text}");
        }
        assert!(PresentedToken::parse(&"A".repeat(64)).is_some());
    }

    #[test]
    fn devices_are_short_and_clean() {
        assert_eq!(device(Some(" curl/8\u{7}\n ")).as_deref(), Some("curl/8"));
        assert_eq!(device(Some(&"é".repeat(300))).map(|text| text.chars().count()), Some(200));
        assert_eq!((device(Some("\t")), device(None)), (None, None));
    }
}
