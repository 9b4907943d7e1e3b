//! Passwords as people type them.

use secrecy::{ExposeSecret as _, SecretString};

/// A password of 8 to 128 characters. `Debug` does not show it, and its memory is
/// wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct Password(SecretString);

/// Too short or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give a password of 8 to 128 characters.")]
pub struct InvalidPassword;

impl Password {
    /// Checks the length, in characters. Nothing is trimmed: a space is a character.
    ///
    /// # Errors
    /// [`InvalidPassword`].
    pub fn parse(text: String) -> Result<Self, InvalidPassword> {
        if (8..=128).contains(&text.chars().count()) { Ok(Self(text.into())) } else { Err(InvalidPassword) }
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
}
