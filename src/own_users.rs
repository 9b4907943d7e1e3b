//! auth's users as accounting looks them up where both run in one process.

use std::sync::Arc;

use accrue_accounting::directory::{DirectoryError, Presence, UserDirectory};
use accrue_auth::store::AuthStore;
use accrue_events::user::UserStatus;

/// The store of this process's own auth.
pub(crate) struct OwnUsers(pub(crate) Arc<dyn AuthStore>);

#[async_trait::async_trait]
impl UserDirectory for OwnUsers {
    async fn look_up(&self, user_id: &str) -> Result<Presence, DirectoryError> {
        let user = self.0.user(user_id).await;
        let user = user.map_err(|error| DirectoryError::Unreachable(error.into()))?;
        Ok(match user.map(|user| user.status) {
            Some(UserStatus::Active | UserStatus::Deactivated) => Presence::Alive,
            Some(UserStatus::Deleted) => Presence::Deleted,
            None => Presence::Unknown,
        })
    }
}
