//! What a look came to.

use std::collections::BTreeMap;
use std::fmt;

use super::finding::Kind;

/// What a look came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) users: u64,
    pub(super) accounts: u64,
    found: BTreeMap<Kind, u64>,
    /// Of what was found, what agrees by now.
    pub(super) repaired: u64,
    /// What was to be repaired and is not, or cannot be.
    pub(super) left: u64,
}

impl Tally {
    pub(super) fn found(&mut self, kind: Kind) {
        *self.found.entry(kind).or_default() += 1;
    }

    /// How many there are of a kind.
    pub(super) fn of(&self, kind: Kind) -> u64 {
        self.found.get(&kind).copied().unwrap_or_default()
    }

    /// Whether both sides agree by now.
    pub(super) fn is_settled(&self) -> bool {
        self.found.values().sum::<u64>() == self.repaired
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} users and {} accounts were looked at: ", self.users, self.accounts)?;
        if self.found.is_empty() {
            return write!(formatter, "they agree");
        }
        let each = self.found.iter().map(|(kind, count)| format!("{count} {}", kind.word()));
        write!(formatter, "{}", each.collect::<Vec<_>>().join(", "))?;
        if self.repaired + self.left > 0 {
            write!(formatter, "; {} repaired, {} left", self.repaired, self.left)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repaired_is_settled() {
        let mut tally = Tally { users: 3, accounts: 2, ..Tally::default() };
        assert!(tally.is_settled());
        assert_eq!(tally.to_string(), "3 users and 2 accounts were looked at: they agree");
        tally.found(Kind::Missing);
        tally.found(Kind::Surplus);
        (tally.repaired, tally.left) = (1, 1);
        assert!(!tally.is_settled());
        assert_eq!(
            tally.to_string(),
            "3 users and 2 accounts were looked at: 1 missing, 1 surplus; 1 repaired, 1 left"
        );
    }
}
