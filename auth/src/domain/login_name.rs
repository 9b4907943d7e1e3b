//! What somebody types to sign in: an address or a username.

use super::{EmailAddress, Username};

/// An address or a username. No username has an `@` and every address has one, so
/// no text can be both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LoginName {
    /// An address.
    Email(EmailAddress),
    /// A username.
    Username(Username),
}

/// The text is neither, so it is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give an email address or a username.")]
pub struct InvalidLoginName;

impl LoginName {
    /// Reads `text` as whichever of the two it can be.
    ///
    /// # Errors
    /// [`InvalidLoginName`].
    pub fn parse(text: &str) -> Result<Self, InvalidLoginName> {
        if text.contains('@') {
            EmailAddress::parse(text).map(Self::Email).map_err(|_| InvalidLoginName)
        } else {
            Username::parse(text).map(Self::Username).map_err(|_| InvalidLoginName)
        }
    }

    /// The address or the username, in the one form in which it is kept.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(email) => email.as_str(),
            Self::Username(username) => username.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_tells_an_address_from_a_username() {
        assert!(matches!(LoginName::parse(" ADA@example.com "), Ok(LoginName::Email(_))));
        let name = LoginName::parse(" Ada.L ").expect("a username");
        assert_eq!((matches!(name, LoginName::Username(_)), name.as_str()), (true, "ada.l"));
        for text in ["", "a", "@", "ada@", "a b@example.com"] {
            assert_eq!(LoginName::parse(text), Err(InvalidLoginName), "{text:?}");
        }
    }
}
