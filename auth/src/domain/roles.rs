//! Roles: what somebody may do beyond what is their own.

use std::collections::BTreeSet;

use accrue_chassis::http::OWNER_SCOPE;
use accrue_chassis::tokens::Scopes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One role. Who has none is a plain user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Runs the system: users, dead letters, every account, rates.
    Admin,
    /// Looks after accounts: reads them all and allocates credits.
    Supervisor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Supervisor];

    /// The word for it in requests, replies and stores.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Supervisor => "supervisor",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// What it adds to what tokens allow.
    #[must_use]
    pub fn scopes(self) -> &'static [&'static str] {
        match self {
            Self::Admin => &[
                "users:admin",
                "events:admin",
                "accounts:read",
                "credits:write",
                "usage:write",
                "rates:write",
            ],
            Self::Supervisor => &["accounts:read", "credits:write"],
        }
    }
}

/// The roles of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    /// None: a plain user.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether `role` is among them.
    #[must_use]
    pub fn contains(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Role> {
        self.0.iter().copied()
    }

    /// What tokens of a user with these roles allow: what is their own, and what the roles add.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        std::iter::once(&OWNER_SCOPE).chain(self.iter().flat_map(Role::scopes)).copied().collect()
    }

    /// Every scope that a role gives.
    pub(crate) fn all_scopes() -> Scopes {
        Role::ALL.into_iter().flat_map(Role::scopes).copied().collect()
    }

    /// The roles of these words, as a store keeps them. A word that a newer release
    /// has written gives nobody anything here.
    pub(crate) fn from_store<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        words.filter_map(Role::from_word).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_add_up() {
        assert_eq!(Roles::none().scopes().to_string(), "me");
        let supervisor: Roles = [Role::Supervisor].into_iter().collect();
        assert_eq!(supervisor.scopes().to_string(), "accounts:read credits:write me");
        let both: Roles = Role::ALL.into_iter().collect();
        assert!(supervisor.scopes().is_within(&both.scopes()));
        assert!(both.scopes().contains("users:admin") && !supervisor.contains(Role::Admin));
        assert_eq!(Roles::from_store("admin emperor".split(' ')), [Role::Admin].into_iter().collect());
    }
}
