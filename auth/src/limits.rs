//! Limits on guessing and on flooding: so many tries of a kind by one subject within
//! a window, counted in the store before anything is tried.
//!
//! Windows are fixed and begin with the epoch, so that each is one counter. A subject
//! that straddles two of them gets at most twice the limit in a window's length.

mod rates;

use std::sync::Arc;

use accrue_chassis::clock::{SharedClock, to_millis};
use accrue_chassis::http::SECURITY_LOG;
use accrue_chassis::problem::Problem;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

use crate::domain::Digest;
use crate::store::{AuthStore, StoreError, Throttle};

pub use rates::{InvalidRate, LimitArgs, Rate, Rates};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Tries of one user's password, wherever they come from and by whichever name.
    /// Where a name is nobody's, the subject is the name as it was typed.
    LoginByAccount,
    /// Tries to sign in from one client address.
    LoginByPeer,
    /// Sign-ups from one client address.
    SignUpByPeer,
    /// Mails to one email address.
    MailByAddress,
    /// Requests for mail from one client address.
    ResetByPeer,
    /// Tries to use a token out of a mail, from one client address.
    TicketByPeer,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 6] = [
        Self::LoginByAccount,
        Self::LoginByPeer,
        Self::SignUpByPeer,
        Self::MailByAddress,
        Self::ResetByPeer,
        Self::TicketByPeer,
    ];

    /// The word for it in logs and in the counters' keys.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LoginByAccount => "login_by_account",
            Self::LoginByPeer => "login_by_peer",
            Self::SignUpByPeer => "sign_up_by_peer",
            Self::MailByAddress => "mail_by_address",
            Self::ResetByPeer => "reset_by_peer",
            Self::TicketByPeer => "ticket_by_peer",
        }
    }
}

/// What subjects begin with that are users.
const BY_USER: &str = "user ";

/// The subject of what is counted by user. No address is one: it has no blank in it.
#[must_use]
pub fn by_user(user_id: &str) -> String {
    format!("{BY_USER}{user_id}")
}

/// One try that was counted; whoever succeeds may give it back.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Slot(Throttle);

/// Whether a try is admitted.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub enum Admission {
    /// It is, and is counted.
    Admitted(Slot),
    /// It is not, and is not counted.
    Refused {
        /// When the next one is admitted, in seconds; at least 1.
        retry_after_s: u32,
    },
}

/// Why it is not known whether a try is admitted: then it is not.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The counters cannot be reached.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Admission {
    /// The slot, or the problem to answer with: 429 `too_many_requests`.
    ///
    /// # Errors
    /// The problem.
    pub fn or_problem(self) -> Result<Slot, Problem> {
        match self {
            Self::Admitted(slot) => Ok(slot),
            Self::Refused { retry_after_s } => {
                let detail = "Too many tries; wait as long as Retry-After says, then try again.";
                Err(Problem::too_many("too_many_requests", detail, retry_after_s))
            }
        }
    }
}

/// The limits, over the counters that all processes share.
#[derive(Clone)]
pub struct Limits {
    store: Arc<dyn AuthStore>,
    clock: SharedClock,
    rates: Rates,
}

impl Limits {
    /// Limits at these rates.
    #[must_use]
    pub fn new(store: Arc<dyn AuthStore>, clock: SharedClock, rates: Rates) -> Self {
        Self { store, clock, rates }
    }

    /// Counts one try, unless there were too many already. To be asked before
    /// anything is tried: of parallel tries no more than the limit get through.
    ///
    /// # Errors
    /// [`LimitError`], to be answered with 503: what cannot be counted is not admitted.
    pub async fn admit(&self, limit: Limit, subject: &str) -> Result<Admission, LimitError> {
        let now = self.clock.now();
        let throttle = throttle(limit, subject, self.rates.of(limit), now);
        if self.store.count(&throttle).await? {
            return Ok(Admission::Admitted(Slot(throttle)));
        }
        // Any other subject is an address, or what somebody typed.
        let user_id = subject.strip_prefix(BY_USER);
        tracing::info!(target: SECURITY_LOG, event = "throttled", limit = limit.word(), user_id);
        metrics::counter!("throttled_total", "limit" => limit.word()).increment(1);
        let wait_s = (throttle.expires_at - now).whole_seconds() + 1;
        Ok(Admission::Refused { retry_after_s: u32::try_from(wait_s).unwrap_or(u32::MAX) })
    }

    /// Writes a counter that nobody asks for: where a mail would have been written if the
    /// address were somebody's, so that as much is written for nobody.
    ///
    /// # Errors
    /// [`LimitError`].
    pub async fn count_nobody(&self) -> Result<(), LimitError> {
        let expires_at = self.clock.now() + Duration::minutes(1);
        self.store.count(&Throttle { key: rand::random(), admits: 1, expires_at }).await?;
        Ok(())
    }

    /// Gives back the slot of a try that succeeded, so that only failures count.
    ///
    /// # Errors
    /// [`LimitError`]; the slot may then stay used until its window ends.
    pub async fn give_back(&self, slot: Slot) -> Result<(), LimitError> {
        Ok(self.store.uncount(&slot.0).await?)
    }
}

/// The counter of the window that `now` lies in.
fn throttle(limit: Limit, subject: &str, rate: Rate, now: OffsetDateTime) -> Throttle {
    let window_ms = i64::from(rate.window_s) * 1_000;
    let now_ms = to_millis(now);
    let past_ms = now_ms.rem_euclid(window_ms);
    let window = now_ms.div_euclid(window_ms);
    let mut digest = Sha256::new();
    // The window is part of the key, so the same subject is not known again later.
    digest.update(window.to_be_bytes());
    digest.update(rate.window_s.to_be_bytes());
    digest.update(limit.word());
    digest.update(b"\0");
    digest.update(subject);
    let key: Digest = digest.finalize().into();
    Throttle { key, admits: rate.count, expires_at: now + Duration::milliseconds(window_ms - past_ms) }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const RATE: Rate = Rate { count: 10, window_s: 900 };

    #[test]
    fn a_window_ends_and_another_begins() {
        let at = |now| throttle(Limit::LoginByPeer, "10.0.0.1", RATE, now);
        let first = at(datetime!(2026-01-02 03:00 UTC));
        assert_eq!(first.expires_at, datetime!(2026-01-02 03:15 UTC));
        assert_eq!(first, at(datetime!(2026-01-02 03:14:59.999 UTC)));
        assert_ne!(first.key, at(datetime!(2026-01-02 03:15 UTC)).key);
    }

    #[test]
    fn each_limit_and_subject_has_a_counter_of_its_own() {
        let now = datetime!(2026-01-02 03:00 UTC);
        let one = throttle(Limit::LoginByPeer, "a", RATE, now).key;
        assert_ne!(one, throttle(Limit::LoginByPeer, "b", RATE, now).key);
        assert_ne!(one, throttle(Limit::LoginByAccount, "a", RATE, now).key);
    }
}
