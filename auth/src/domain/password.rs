//! Passwords as people type them.

use secrecy::{ExposeSecret as _, SecretString};

use super::common_passwords::is_common;
use super::{EmailAddress, Username};

/// A password of 8 to 128 characters. `Debug` does not show it, and its memory is
/// wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

/// Why a text is no password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    /// Too short or too long.
    #[error("Give a password of 8 to 128 characters.")]
    Length,
    /// Among those that are guessed first.
    #[error("This password is one of the most common, which are guessed first; choose another one.")]
    Common,
    /// The user's own address or name.
    #[error("This password is the email address or the username itself; choose another one.")]
    OwnName,
}

impl Password {
    /// Checks the length, in characters. Nothing is trimmed: a space is a character.
    /// For a password that is compared; one that is set is checked by [`Password::choose`].
    ///
    /// # Errors
    /// [`InvalidPassword::Length`].
    pub fn parse(text: String) -> Result<Self, InvalidPassword> {
        if (8..=128).contains(&text.chars().count()) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPassword::Length)
        }
    }

    /// Checks a password that somebody of this address and username wants to have.
    ///
    /// # Errors
    /// [`InvalidPassword`].
    pub fn choose(
        text: String,
        email: Option<&EmailAddress>,
        username: Option<&Username>,
    ) -> Result<Self, InvalidPassword> {
        let password = Self::parse(text)?;
        let lower = password.expose().trim().to_lowercase();
        let own = [email.map(EmailAddress::as_str), username.map(Username::as_str)];
        let local_part = email.and_then(|email| email.as_str().split('@').next());
        if own.into_iter().chain([local_part]).flatten().any(|name| name == lower) {
            return Err(InvalidPassword::OwnName);
        }
        if is_common(&lower) { Err(InvalidPassword::Common) } else { Ok(password) }
    }

    /// The password itself, for hashing.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_characters_and_shows_nothing() {
        assert!(Password::parse("short77".to_owned()).is_err());
        assert!(Password::parse("ä".repeat(8)).is_ok());
        assert!(Password::parse("ä".repeat(128)).is_ok());
        assert!(Password::parse("a".repeat(129)).is_err());
        let password = Password::parse("correct horse".to_owned()).expect("long enough");
        assert!(!format!("{password:?}").contains("horse"));
    }

    #[test]
    fn a_password_that_is_set_is_no_common_one_and_no_name() {
        let email = EmailAddress::parse("ada.lovelace@example.com").ok();
        let username = Username::parse("countess").ok();
        let choose =
            |text: &str| Password::choose(text.to_owned(), email.as_ref(), username.as_ref()).map(drop);
        assert_eq!(choose("correct horse"), Ok(()));
        assert_eq!(choose("short"), Err(InvalidPassword::Length));
        assert_eq!(choose("Password1"), Err(InvalidPassword::Common));
        for own in ["ADA.lovelace@example.com", "Ada.Lovelace", " countess"] {
            assert_eq!(choose(own), Err(InvalidPassword::OwnName), "{own}");
        }
        assert!(Password::parse("Password1".to_owned()).is_ok(), "those who have it can still sign in");
    }
}
