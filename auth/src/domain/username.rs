//! Usernames: a short name of one's own to sign in with.

use std::fmt;

/// How long a name may be, in characters.
const CHARS: std::ops::RangeInclusive<usize> = 3..=30;

/// A name of 3 to 30 of the characters `a-z 0-9 . _ -`. It has no `@`, so it cannot
/// be taken for an address. It is never shown by `Debug`, so that it reaches no log
/// by accident.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Username(String);

/// The text is no username.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give a username of 3 to 30 letters a-z, digits, dots, underscores or hyphens, or leave it out.")]
pub struct InvalidUsername;

impl Username {
    /// Trims, lower-cases and checks `text`.
    ///
    /// # Errors
    /// [`InvalidUsername`].
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        let name = text.trim().to_ascii_lowercase();
        let is_allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c);
        if CHARS.contains(&name.len()) && name.bytes().all(is_allowed) {
            Ok(Self(name))
        } else {
            Err(InvalidUsername)
        }
    }

    /// A name as a store gives it back: checked when it was written, perhaps under
    /// an older rule, and still that person's name.
    pub(crate) fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_plain_names_in_one_form() {
        let name = Username::parse(" Ada.L_1-x ").expect("a name");
        assert_eq!(name.as_str(), "ada.l_1-x");
        assert_eq!(format!("{name:?}"), "Username(..)");
        assert!(Username::parse(&"a".repeat(30)).is_ok());
        for text in ["", "ab", "a b c", "ada@example", "ädä", "ada\0", "a/b/c", &"a".repeat(31)] {
            assert_eq!(Username::parse(text), Err(InvalidUsername), "{text:?}");
        }
    }
}
