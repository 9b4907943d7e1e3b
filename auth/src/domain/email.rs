//! Email addresses: trimmed, lower case, of the ordinary form.

use std::fmt;

use email_address::{EmailAddress as Syntax, Options};

/// The longest address, in characters (RFC 5321's limit on a path, less its brackets).
const MAX_CHARS: usize = 254;

/// An address such as `ada@example.com`. It is never shown by `Debug`, so that it
/// reaches no log by accident.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// The text is no address that mail can be sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give an email address such as name@example.com, at most 254 characters.")]
pub struct InvalidEmail;

impl EmailAddress {
    /// Trims, lower-cases and checks `text`.
    ///
    /// # Errors
    /// [`InvalidEmail`]; also for quoted local parts, IP literals and display names.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let address = text.trim().to_lowercase();
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let is_plain =
            !address.contains('"') && !address.chars().any(|c| c.is_control() || c.is_whitespace());
        if address.chars().count() > MAX_CHARS
            || !is_plain
            || Syntax::parse_with_options(&address, options).is_err()
        {
            return Err(InvalidEmail);
        }
        Ok(Self(address))
    }

    /// An address as a store gives it back: checked when it was written, perhaps
    /// under an older rule, and still that person's address.
    pub(crate) fn from_store(text: String) -> Self {
        Self(text)
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn takes_ordinary_addresses_in_one_form() {
        let address = EmailAddress::parse("  Ada.Lovelace+x@Example.COM \n").expect("an address");
        assert_eq!(address.as_str(), "ada.lovelace+x@example.com");
        assert_eq!(format!("{address:?}"), "EmailAddress(..)");
    }

    #[test]
    fn refuses_what_is_none() {
        let long = format!("{}@example.com", "a".repeat(250));
        for text in ["", "ada", "@example.com", "ada@", "ada@localhost", "a b@example.com", "ada@[127.0.0.1]"]
        {
            assert_eq!(EmailAddress::parse(text), Err(InvalidEmail), "{text}");
        }
        for text in
            ["\"a\"@example.com", "Ada <ada@example.com>", "a\0@example.com", "a@b@example.com", &long]
        {
            assert_eq!(EmailAddress::parse(text), Err(InvalidEmail), "{text}");
        }
    }

    proptest! {
        #[test]
        fn parsing_twice_is_parsing_once(text in "\\PC{0,12}@[a-zA-Z]{1,8}\\.[a-z]{2,3}") {
            if let Ok(once) = EmailAddress::parse(&text) {
                prop_assert_eq!(EmailAddress::parse(once.as_str()), Ok(once));
            }
        }
    }
}
