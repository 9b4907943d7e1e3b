//! What one user id is on both sides, and what does not agree about it. Pure.

use std::fmt;

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

/// A user as auth lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct UserVersion {
    pub(crate) user_id: String,
    /// Milliseconds, or one more than the version before: see `docs/events.md`.
    pub(crate) version: i64,
    pub(crate) status: UserStatus,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UserStatus {
    Active,
    Deactivated,
    Deleted,
}

/// An account as accounting lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct AccountVersion {
    pub(crate) user_id: String,
    /// Of the newest snapshot of the user that was applied.
    pub(crate) user_version: Option<i64>,
    pub(crate) status: AccountStatus,
    /// Credits.
    pub(crate) available: i64,
    pub(crate) reserved: i64,
    pub(crate) pending: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AccountStatus {
    Placeholder,
    Active,
    Suspended,
    Closed,
    Orphaned,
}

/// One user id on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) user_id: String,
    pub(crate) user: Option<UserVersion>,
    pub(crate) account: Option<AccountVersion>,
}

/// In which way the two sides disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Alive in auth, and accounting has no account, or a placeholder.
    Missing,
    /// accounting knows an older version, or not that the user is deleted, or takes them
    /// for unknown to auth.
    Stale,
    /// accounting knows a newer version than auth has, or the same one with another status: auth was
    /// restored from a backup.
    Ahead,
    /// An account that had a user, whom auth does not know.
    Orphaned,
    /// An old placeholder of nobody whom auth knows.
    Surplus,
    /// Closed here, alive in auth: the backup that auth was restored from had them still.
    Resurrected,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Missing, Self::Stale, Self::Ahead, Self::Orphaned, Self::Surplus, Self::Resurrected];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Ahead => "ahead",
            Self::Orphaned => "orphaned",
            Self::Surplus => "surplus",
            Self::Resurrected => "resurrected",
        }
    }
}

/// What mends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// auth publishes the user once more; in a version above this one, if there is one.
    Replay { above: Option<i64> },
    /// accounting marks the account of this version as orphaned.
    Orphan { user_version: Option<i64> },
    /// auth erases the user again.
    Erase,
    /// Nothing: credits of nobody are for a person to look at.
    None,
}

/// A disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) pair: Pair,
}

impl Pair {
    /// What disagrees, if anything. A placeholder without a user counts from `old`
    /// on: its event may be on its way.
    pub(crate) fn judge(&self, old: OffsetDateTime) -> Option<Kind> {
        match (&self.user, &self.account) {
            (None, None) => None,
            (Some(user), None) => (user.status != UserStatus::Deleted).then_some(Kind::Missing),
            (None, Some(account)) => match account.status {
                AccountStatus::Active | AccountStatus::Suspended => Some(Kind::Orphaned),
                AccountStatus::Placeholder if account.created_at <= old => Some(Kind::Surplus),
                AccountStatus::Placeholder | AccountStatus::Closed | AccountStatus::Orphaned => None,
            },
            (Some(user), Some(account)) => judge_both(user, account),
        }
    }

    /// When auth's user changed last, by their version; none without a user.
    pub(crate) fn changed_at(&self) -> Option<OffsetDateTime> {
        let version = self.user.as_ref()?.version;
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(version) * 1_000_000).ok()
    }
}

fn judge_both(user: &UserVersion, account: &AccountVersion) -> Option<Kind> {
    let is_deleted = user.status == UserStatus::Deleted;
    match account.status {
        AccountStatus::Closed => (!is_deleted).then_some(Kind::Resurrected),
        _ if is_deleted => Some(Kind::Stale),
        AccountStatus::Placeholder => Some(Kind::Missing),
        AccountStatus::Orphaned => Some(if is_behind(user, account) { Kind::Stale } else { Kind::Ahead }),
        AccountStatus::Active | AccountStatus::Suspended => match account.user_version {
            Some(known) if known == user.version && says_the_same(user, account) => None,
            Some(known) if known >= user.version => Some(Kind::Ahead),
            _ => Some(Kind::Stale),
        },
    }
}

/// Whether both say the same of whether the user may act. One version says two things where auth was
/// restored from a backup and counted on from there.
fn says_the_same(user: &UserVersion, account: &AccountVersion) -> bool {
    (user.status == UserStatus::Deactivated) == (account.status == AccountStatus::Suspended)
}

/// Whether a replay of the version that auth has would be taken; an orphaned account takes
/// its own version again.
fn is_behind(user: &UserVersion, account: &AccountVersion) -> bool {
    account.user_version.is_none_or(|known| known <= user.version)
}

impl Finding {
    pub(crate) fn repair(&self) -> Repair {
        let known = self.pair.account.as_ref().and_then(|account| account.user_version);
        match (self.kind, known) {
            (Kind::Missing | Kind::Stale, _) => Repair::Replay { above: None },
            (Kind::Ahead, _) => Repair::Replay { above: known },
            (Kind::Orphaned, user_version) => Repair::Orphan { user_version },
            (Kind::Resurrected, _) => Repair::Erase,
            (Kind::Surplus, _) => Repair::None,
        }
    }
}

/// A line for people and for `cut -f`.
impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { user_id, user, account } = &self.pair;
        write!(formatter, "{}\t{user_id}\t", self.kind.word())?;
        match user {
            Some(user) => write!(formatter, "auth: {} version {}", user.status.word(), user.version)?,
            None => write!(formatter, "auth: unknown")?,
        }
        let Some(account) = account else { return write!(formatter, "\taccounting: no account") };
        write!(formatter, "\taccounting: {}", account.status.word())?;
        if let Some(version) = account.user_version {
            write!(formatter, " version {version}")?;
        }
        let AccountVersion { available, reserved, pending, .. } = account;
        write!(formatter, ", {available} available, {reserved} reserved, {pending} pending")
    }
}

impl UserStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deactivated => "deactivated",
            Self::Deleted => "deleted",
        }
    }
}

impl AccountStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Placeholder => "placeholder",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
            Self::Orphaned => "orphaned",
        }
    }
}

/// Before which a placeholder that nobody in auth stands behind is worth telling of.
pub(crate) fn old(now: OffsetDateTime, threshold: std::time::Duration) -> OffsetDateTime {
    now - Duration::try_from(threshold).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn user(version: i64, status: UserStatus) -> UserVersion {
        UserVersion { user_id: "u".to_owned(), version, status }
    }

    fn account(user_version: Option<i64>, status: AccountStatus) -> AccountVersion {
        AccountVersion {
            user_id: "u".to_owned(),
            user_version,
            status,
            available: 5,
            reserved: 0,
            pending: 0,
            created_at: NOW,
        }
    }

    fn found(
        user: impl Into<Option<UserVersion>>,
        account: impl Into<Option<AccountVersion>>,
    ) -> Option<(Kind, Repair)> {
        let pair = Pair { user_id: "u".to_owned(), user: user.into(), account: account.into() };
        let kind = pair.judge(NOW)?;
        Some((kind, Finding { kind, pair }.repair()))
    }

    #[test]
    fn sides_that_agree_are_not_told_of() {
        use UserStatus::{Active, Deactivated, Deleted};
        assert_eq!(found(user(7, Active), account(Some(7), AccountStatus::Active)), None);
        assert_eq!(found(user(7, Deactivated), account(Some(7), AccountStatus::Suspended)), None);
        // Events that a closed account met may be newer than the tombstone, and are no matter.
        assert_eq!(found(user(7, Deleted), account(Some(9), AccountStatus::Closed)), None);
        // Deleted before accounting ever heard of them.
        assert_eq!(found(user(7, Deleted), None), None);
        assert_eq!(found(None, account(Some(7), AccountStatus::Closed)), None);
        assert_eq!(found(None, account(Some(7), AccountStatus::Orphaned)), None);
    }

    #[test]
    fn each_disagreement_has_its_repair() {
        use UserStatus::{Active, Deactivated, Deleted};
        let replay = |kind| Some((kind, Repair::Replay { above: None }));
        assert_eq!(found(user(7, Active), None), replay(Kind::Missing));
        assert_eq!(
            found(user(7, Deactivated), account(None, AccountStatus::Placeholder)),
            replay(Kind::Missing)
        );
        assert_eq!(found(user(7, Active), account(Some(6), AccountStatus::Active)), replay(Kind::Stale));
        assert_eq!(found(user(7, Deleted), account(Some(9), AccountStatus::Active)), replay(Kind::Stale));
        assert_eq!(found(user(7, Deleted), account(None, AccountStatus::Placeholder)), replay(Kind::Stale));
        assert_eq!(found(user(7, Active), account(Some(7), AccountStatus::Orphaned)), replay(Kind::Stale));
        let above = Some((Kind::Ahead, Repair::Replay { above: Some(9) }));
        assert_eq!(found(user(7, Active), account(Some(9), AccountStatus::Active)), above);
        assert_eq!(found(user(7, Active), account(Some(9), AccountStatus::Orphaned)), above);
        // One version of a user whose auth was restored from a backup, and of whom it was made twice.
        let above = Some((Kind::Ahead, Repair::Replay { above: Some(7) }));
        assert_eq!(found(user(7, Active), account(Some(7), AccountStatus::Suspended)), above);
        assert_eq!(found(user(7, Deactivated), account(Some(7), AccountStatus::Active)), above);
        let orphan = Some((Kind::Orphaned, Repair::Orphan { user_version: Some(9) }));
        assert_eq!(found(None, account(Some(9), AccountStatus::Suspended)), orphan);
        assert_eq!(
            found(user(7, Active), account(Some(6), AccountStatus::Closed)),
            Some((Kind::Resurrected, Repair::Erase))
        );
    }

    #[test]
    fn a_young_placeholder_may_have_its_event_on_the_way() {
        let pair = Pair {
            user_id: "u".to_owned(),
            user: None,
            account: Some(account(None, AccountStatus::Placeholder)),
        };
        assert_eq!(pair.judge(NOW - Duration::SECOND), None);
        assert_eq!(pair.judge(NOW), Some(Kind::Surplus));
    }

    #[test]
    fn a_line_names_both_sides() {
        let pair = Pair {
            user_id: "u".to_owned(),
            user: None,
            account: Some(account(Some(9), AccountStatus::Active)),
        };
        let told = Finding { kind: Kind::Orphaned, pair }.to_string();
        assert_eq!(
            told,
            "orphaned\tu\tauth: unknown\taccounting: active version 9, 5 available, 0 reserved, 0 pending"
        );
    }
}
