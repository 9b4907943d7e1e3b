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

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::{EmailAddress, NewUser, Profile};
    use crate::passwords::HashCost;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect("long enough")
    }

    async fn login(passwords: &PasswordHashing) -> Login {
        let hash = passwords.hash(password("correct horse")).await.expect("a hash");
        let profile = Profile::of(EmailAddress::parse("ada@example.com").expect("an address"));
        let new = NewUser::new("u1".to_owned(), profile, None, datetime!(2026-01-02 03:04 UTC), None);
        Login { user: new.user().clone(), password_hash: Some(hash) }
    }

    #[tokio::test]
    async fn the_same_work_is_done_for_nobody_and_for_hashes_of_before() {
        let of = |memory_kib, passes| PasswordHashing::new(8, HashCost { memory_kib, passes });
        for (before, now, dummy_cost_kib) in
            [(of(64, 1), of(64, 3), 192), (of(64, 1), of(128, 1), 128), (of(64, 3), of(256, 1), 256)]
        {
            let (dummy, old, new) = (DummyHash::default(), login(&before).await, login(&now).await);
            let worked = async |login: Option<Login>, password| {
                dummy.get(&now).await.expect("a dummy");
                let start_kib = now.work_kib();
                let found = dummy.compare(&now, password, login).await.expect("compared");
                (now.work_kib() - start_kib, found.is_some())
            };
            let (for_nobody, _) = worked(None, Some(password("wrong horse"))).await;
            assert_eq!(for_nobody, dummy_cost_kib);
            assert_eq!(worked(Some(new.clone()), Some(password("wrong horse"))).await, (for_nobody, false));
            assert_eq!(worked(Some(old.clone()), Some(password("wrong horse"))).await, (for_nobody, false));
            assert_eq!(worked(Some(old.clone()), None).await, (for_nobody, false));
            assert_eq!(worked(Some(old), Some(password("correct horse"))).await, (for_nobody, true));
            let without = Login { password_hash: None, ..new };
            assert_eq!(worked(Some(without), Some(password("wrong horse"))).await, (for_nobody, false));
        }
    }
}
