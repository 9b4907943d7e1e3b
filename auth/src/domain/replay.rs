//! A user told of once more: the event of a replay, and when it waits in the outbox already.

use accrue_events::broker::Message;
use accrue_events::user::{UserEvent, UserEventKind, UserStatus};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use uuid::{Builder, Uuid};

use super::User;
use super::user::whole_milliseconds;

/// The state of a user as a store writes it into their outbox once more, if they are still
/// at that version and it does not wait there already.
#[derive(Debug, Clone)]
pub struct Replay {
    pub(crate) user_id: String,
    pub(crate) version: i64,
    pub(crate) event: Message,
    pub(crate) queued_at: OffsetDateTime,
}

impl Replay {
    /// Of `user` as they are, at `now`. `traceparent` names the request that led to it.
    #[must_use]
    pub fn of(user: &User, now: OffsetDateTime, traceparent: Option<String>) -> Self {
        let kind = match user.status {
            UserStatus::Active => UserEventKind::Updated,
            UserStatus::Deactivated => UserEventKind::Deactivated,
            UserStatus::Deleted => UserEventKind::Deleted,
        };
        let queued_at = whole_milliseconds(now);
        let id = event_id(&user.user_id, user.version);
        let event = UserEvent { id, kind, occurred_at: queued_at, user: user.snapshot() };
        Self {
            user_id: user.user_id.clone(),
            version: user.version,
            event: event.to_message(traceparent),
            queued_at,
        }
    }
}

/// The same for one version of one user, so that the same thing does not wait twice in an
/// outbox: a `UUIDv7` of the version's milliseconds.
fn event_id(user_id: &str, version: i64) -> Uuid {
    let digest = Sha256::digest(format!("replay {version} {user_id}"));
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    Builder::from_unix_timestamp_millis(u64::try_from(version).unwrap_or(0), &random).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_of_one_user_has_one_id() {
        let id = event_id("u1", 1_769_871_845_678);
        assert_eq!(id, event_id("u1", 1_769_871_845_678));
        assert_ne!(id, event_id("u2", 1_769_871_845_678));
        assert_ne!(id, event_id("u1", 1_769_871_845_679));
        assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
    }
}
