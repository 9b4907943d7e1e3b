//! A store whose server is away, and whose errors quote what must not be told.

use std::time::Duration;

use accrue_auth::domain::{IdempotencyKey, KeptReply, LoginName, NewUser, User, UserChange};
use accrue_auth::store::{Changed, Login, Registration, StoreError, UserFilter, UserPosition, UserStore};
use accrue_events::outbox::{Backlog, Claim, Entry, Outbox, OutboxError};
use async_trait::async_trait;
use secrecy::SecretString;

/// A store whose server is away.
pub(crate) struct Away;

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
