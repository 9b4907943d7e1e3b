//! Display names: what to call somebody, in their own words.

use std::fmt;

/// The longest name, in characters.
const MAX_CHARS: usize = 100;

/// A name of 1 to 100 characters. It is never shown by `Debug`, so that it reaches
/// no log by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// The text is no name that can be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Give a display name of 1 to 100 characters without control characters, or leave it out.")]
pub struct InvalidDisplayName;

impl DisplayName {
    /// Trims `text` and checks it.
    ///
    /// # Errors
    /// [`InvalidDisplayName`]; line breaks and tabs inside are control characters too.
    pub fn parse(text: &str) -> Result<Self, InvalidDisplayName> {
        let name = text.trim();
        if (1..=MAX_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidDisplayName)
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

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trims_and_counts_characters() {
        let name = DisplayName::parse("  Ada Lovelace\n").expect("a name");
        assert_eq!(name.as_str(), "Ada Lovelace");
        assert_eq!(format!("{name:?}"), "DisplayName(..)");
        assert!(DisplayName::parse(&"ä".repeat(100)).is_ok());
        for text in ["", " \t ", "a\nb", "a\u{7f}b", &"a".repeat(101)] {
            assert_eq!(DisplayName::parse(text), Err(InvalidDisplayName), "{text:?}");
        }
    }
}
