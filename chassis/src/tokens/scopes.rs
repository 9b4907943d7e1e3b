//! Scopes: what a token allows, as OAuth writes it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// A set of scopes. Written as words with spaces between (RFC 6749, section 3.3). Clones
/// share it: every request has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scopes(Arc<BTreeSet<String>>);

impl Scopes {
    /// The scopes in `text`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        text.split_ascii_whitespace().collect()
    }

    /// Whether `scope` is among them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(scope)
    }

    /// Whether each of these is among `others`.
    #[must_use]
    pub fn is_within(&self, others: &Self) -> bool {
        self.0.is_subset(&others.0)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<String>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        Self(Arc::new(scopes.into_iter().map(Into::into).collect()))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            write!(f, "{}{scope}", if index == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_words() {
        let scopes = Scopes::parse("  b a  b ");
        assert_eq!(scopes.to_string(), "a b");
        assert!(scopes.contains("a") && !scopes.contains("a b"));
        assert!(Scopes::parse("a").is_within(&scopes) && !Scopes::parse("a c").is_within(&scopes));
        assert!(Scopes::parse("").is_empty());
    }
}
