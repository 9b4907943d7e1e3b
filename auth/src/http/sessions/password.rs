//! Comparing a password so that nobody learns from the time whether there is a user.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::OnceCell;

use crate::domain::Password;
use crate::passwords::{HashingError, PasswordHashing};
use crate::store::Login;

/// Long enough to be a password, and nobody's: compared where what was sent is none.
const NO_PASSWORD: &str = "sixteen characters";

/// A hash that costs what others cost, of a password that nobody knows: what is
/// compared where there is no user.
#[derive(Clone, Default)]
pub(crate) struct DummyHash(Arc<OnceCell<SecretString>>);

impl DummyHash {
    async fn get(&self, passwords: &PasswordHashing) -> Result<SecretString, HashingError> {
        let hash = self.0.get_or_try_init(async || {
            let text = uuid::Uuid::new_v4().to_string();
            let password = Password::parse(text).map_err(|error| HashingError::Failed(error.to_string()))?;
            passwords.hash(password).await
        });
        hash.await.cloned()
    }

    /// The login, if `password` is its password. It does the same work whether there
    /// is a login, whether that has a password, and whether what was sent can be one.
    pub(super) async fn compare(
        &self,
        passwords: &PasswordHashing,
        password: Option<Password>,
        login: Option<Login>,
    ) -> Result<Option<Login>, HashingError> {
        // Also where it is not needed: the first one makes it, whoever that is about.
        let dummy = self.get(passwords).await?;
        let is_sent = password.is_some();
        let password = match password {
            Some(password) => password,
            None => Password::parse(NO_PASSWORD.to_owned())
                .map_err(|error| HashingError::Failed(error.to_string()))?,
        };
        let hash = login.as_ref().and_then(|login| login.password_hash.clone());
        let is_kept = hash.is_some();
        let is_right = passwords.verify(password, hash.unwrap_or(dummy)).await?;
        Ok(login.filter(|_| is_sent && is_kept && is_right))
    }
}
