//! Telling of users once more, for a consumer that is new or was restored from a backup.

use accrue_events::user::UserStatus;
use time::OffsetDateTime;

use crate::domain::{Edit, Replay};
use crate::store::{AuthStore, Changed, StoreError};

/// How often it is decided anew because the user was changed meanwhile.
const TRIES: usize = 5;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// The user's state waits in the outbox, as it is or newer.
    Queued,
    /// There is no such user.
    Unknown,
    /// Others changed the user each time; what they made of them waits in the outbox, but may
    /// not be above the version asked for.
    Busy,
}

/// Puts the user's present state into their outbox, tombstones too. It has the version that
/// the user has, so whoever knows that one changes nothing; but one above `above`, if that is
/// given and the user is alive: for a consumer that knows a newer version than auth, which was
/// restored from a backup.
///
/// # Errors
/// [`StoreError`]. Done again it does no harm.
pub async fn replay(
    store: &dyn AuthStore,
    (user_id, above): (&str, Option<i64>),
    now: OffsetDateTime,
    traceparent: Option<&str>,
) -> Result<Replayed, StoreError> {
    let traceparent = traceparent.map(ToOwned::to_owned);
    for _ in 0..TRIES {
        let Some(user) = store.user(user_id).await? else { return Ok(Replayed::Unknown) };
        let above = above.filter(|above| *above >= user.version && user.status != UserStatus::Deleted);
        let Some(above) = above else {
            // Who has changed since has put their event there.
            store.replay(Replay::of(&user, now, traceparent)).await?;
            return Ok(Replayed::Queued);
        };
        let change = Edit::of(&user).above(above).at(now, traceparent.clone());
        match store.change(change).await? {
            Changed::Done(_) => return Ok(Replayed::Queued),
            Changed::NotFound => return Ok(Replayed::Unknown),
            // The last three tell of what such a change does not do.
            Changed::Stale | Changed::EmailTaken | Changed::UsernameTaken | Changed::LastAdmin => {}
        }
    }
    Ok(Replayed::Busy)
}
