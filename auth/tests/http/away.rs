//! A store whose server is away, and whose errors quote what must not be told.

use std::sync::Mutex;
use std::time::Duration;

use accrue_auth::domain::{
    Client, Digest, IdempotencyKey, KeptReply, LoginName, NewUser, Posting, Replay, Rotation, Session,
    TicketKind, User, UserChange, WaitingMail,
};
use accrue_auth::sealing::Sealed;
use accrue_auth::store::{
    Changed, ClaimedMail, ClientStore, Login, MailClaim, MailStore, Registration, SessionStore,
    SigningKeyStore, StoreError, Throttle, ThrottleStore, UserFilter, UserPosition, UserStore, UserVersion,
};
use accrue_auth::tokens::SigningKeyRecord;
use accrue_events::outbox::{Backlog, Claim, Entry, Outbox, OutboxError};
use async_trait::async_trait;
use secrecy::SecretString;
use time::OffsetDateTime;
use uuid::Uuid;

/// A store whose server is away, but for the signing keys, without which nobody would
/// get past the guard.
#[derive(Default)]
pub(crate) struct Away(Mutex<Vec<SigningKeyRecord>>);

fn unavailable() -> StoreError {
    StoreError::Unavailable("duplicate of ada@example.com at 10.0.0.7:27017".into())
}

#[async_trait]
impl UserStore for Away {
    fn new_user_id(&self) -> String {
        "u1".to_owned()
    }

    async fn register(&self, _: NewUser) -> Result<Registration, StoreError> {
        Err(unavailable())
    }

    async fn kept_reply(&self, _: IdempotencyKey) -> Result<Option<KeptReply>, StoreError> {
        Err(unavailable())
    }

    async fn login(&self, _: &LoginName) -> Result<Option<Login>, StoreError> {
        Err(unavailable())
    }

    async fn change(&self, _: UserChange) -> Result<Changed, StoreError> {
        Err(unavailable())
    }

    async fn replay(&self, _: Replay) -> Result<(), StoreError> {
        Err(unavailable())
    }

    async fn versions(&self, _: Option<&str>, _: u32) -> Result<Option<Vec<UserVersion>>, StoreError> {
        Err(unavailable())
    }

    async fn upgrade_password_hash(
        &self,
        _: &str,
        _: &SecretString,
        _: SecretString,
    ) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn list(&self, _: &UserFilter, _: Option<&UserPosition>, _: u32) -> Result<Vec<User>, StoreError> {
        Err(unavailable())
    }

    async fn login_of(&self, user_id: &str) -> Result<Option<Login>, StoreError> {
        if user_id == "garbled" {
            return Err(StoreError::Corrupt("ada@example.com is no status".into()));
        }
        Err(unavailable())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Err(unavailable())
    }
}

#[async_trait]
impl ThrottleStore for Away {
    async fn count(&self, _: &Throttle) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn uncount(&self, _: &Throttle) -> Result<(), StoreError> {
        Err(unavailable())
    }
}

#[async_trait]
impl MailStore for Away {
    async fn post(&self, _: &str, _: i64, _: Posting) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn ticket_holder(
        &self,
        _: TicketKind,
        _: &Digest,
    ) -> Result<Option<(User, OffsetDateTime)>, StoreError> {
        Err(unavailable())
    }

    async fn claim_mail(&self, _: usize, _: Duration) -> Result<MailClaim, StoreError> {
        Err(unavailable())
    }

    async fn mark_sent(&self, _: &MailClaim, _: &ClaimedMail) -> Result<(), StoreError> {
        Err(unavailable())
    }

    async fn put_off(&self, _: &MailClaim, _: &ClaimedMail, _: OffsetDateTime) -> Result<(), StoreError> {
        Err(unavailable())
    }

    async fn mail_not_under(
        &self,
        _: &str,
        _: &str,
        _: usize,
    ) -> Result<Vec<(String, WaitingMail)>, StoreError> {
        Err(unavailable())
    }

    async fn reseal_mail(&self, _: &str, _: &WaitingMail, _: &Sealed) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn release_mail(&self, _: &MailClaim) -> Result<(), StoreError> {
        Err(unavailable())
    }
}

#[async_trait]
impl Outbox for Away {
    async fn claim(&self, _: usize, _: Duration) -> Result<Claim, OutboxError> {
        Err(unavailable().into())
    }

    async fn mark_published(&self, _: &Claim, _: &[Entry]) -> Result<(), OutboxError> {
        Err(unavailable().into())
    }

    async fn release(&self, _: &Claim) -> Result<(), OutboxError> {
        Err(unavailable().into())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        Err(unavailable().into())
    }
}

#[async_trait]
impl SessionStore for Away {
    async fn begin_session(&self, _: &Session) -> Result<(), StoreError> {
        Err(unavailable())
    }

    async fn session(&self, _: Uuid) -> Result<Option<Session>, StoreError> {
        Err(unavailable())
    }

    async fn rotate_session(&self, _: &Rotation) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn sessions_of(
        &self,
        _: &str,
        _: i64,
        _: OffsetDateTime,
        _: Option<Uuid>,
        _: u32,
    ) -> Result<Vec<Session>, StoreError> {
        Err(unavailable())
    }

    async fn carry_session(&self, _: &str, _: Uuid, _: i64) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn end_session(&self, _: &str, _: Uuid) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn end_sessions(&self, _: &str, _: Option<Uuid>) -> Result<u64, StoreError> {
        Err(unavailable())
    }
}

#[async_trait]
impl ClientStore for Away {
    async fn create_client(&self, _: &Client) -> Result<(), StoreError> {
        Err(unavailable())
    }

    async fn client(&self, _: &str) -> Result<Option<Client>, StoreError> {
        Err(unavailable())
    }

    async fn clients(&self) -> Result<Vec<Client>, StoreError> {
        Err(unavailable())
    }

    async fn replace_secrets(&self, _: &str, _: &[Digest], _: &[Digest]) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn delete_client(&self, _: &str) -> Result<bool, StoreError> {
        Err(unavailable())
    }
}

#[async_trait]
impl SigningKeyStore for Away {
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError> {
        Ok(self.0.lock().expect("no test panicked").clone())
    }

    async fn add_signing_key(&self, key: &SigningKeyRecord) -> Result<bool, StoreError> {
        let mut keys = self.0.lock().expect("no test panicked");
        let is_free = keys.iter().all(|other| other.generation != key.generation);
        keys.extend(is_free.then(|| key.clone()));
        Ok(is_free)
    }

    async fn reseal_signing_key(&self, _: i64, _: &Sealed, _: &Sealed) -> Result<bool, StoreError> {
        Err(unavailable())
    }

    async fn delete_signing_keys_below(&self, _: i64) -> Result<(), StoreError> {
        Err(unavailable())
    }
}
