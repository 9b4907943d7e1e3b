//! Something that disagrees, said so that whoever reads it knows where to look.

use std::fmt;

use uuid::Uuid;

/// What of an account disagrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The account's own row.
    Account,
    /// The entry of this `seq`.
    Entry(i64),
    /// An allocation.
    Allocation(Uuid),
    /// A usage.
    Usage(Uuid),
    /// A reservation.
    Reservation(Uuid),
}

impl fmt::Display for Place {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account => write!(to, "account"),
            Self::Entry(seq) => write!(to, "entry {seq}"),
            Self::Allocation(id) => write!(to, "allocation {id}"),
            Self::Usage(id) => write!(to, "usage {id}"),
            Self::Reservation(id) => write!(to, "reservation {id}"),
        }
    }
}

/// Something that disagrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose account.
    pub user_id: String,
    /// What of it.
    pub place: Place,
    /// What is the matter, in words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A user id that somebody wrote by hand may hold a line break.
        write!(to, "{}: {}: {}", self.user_id.escape_debug(), self.place, self.what)
    }
}
