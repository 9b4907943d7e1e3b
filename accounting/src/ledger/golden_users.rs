//! What users' snapshots make of accounts, worked by hand, one case a line.

use accrue_events::user::{UserSnapshot, UserStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use super::rig::Whole;
use super::*;

const ON_REGISTERED: WelcomePolicy = WelcomePolicy { credits: 25, needs_verified_email: false };
const ON_VERIFIED: WelcomePolicy = WelcomePolicy { credits: 25, needs_verified_email: true };

fn snapshot(version: i64, status: UserStatus, email_verified: bool) -> UserSnapshot {
    let is_deleted = status == UserStatus::Deleted;
    let text = |text: &str| (!is_deleted).then(|| format!("{text}{version}"));
    UserSnapshot {
        user_id: "u".to_owned(),
        version,
        status,
        email: text("mail"),
        email_verified,
        username: text("name"),
        display_name: text("called"),
        registered_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn apply(whole: &mut Whole, welcome: WelcomePolicy, user: UserSnapshot) -> UserChange {
    let policies = Policies { welcome, ..Policies::DEFAULT };
    let command = Command::apply_user(user, Uuid::now_v7());
    match whole.post(&[command], policies, OffsetDateTime::UNIX_EPOCH).remove(0) {
        Ok(Receipt::User(change)) => change,
        other => panic!("no change of a user: {other:?}"),
    }
}

/// An account that knows `version` with `status`.
fn account(version: Option<i64>, status: AccountStatus) -> Whole {
    let mut whole = Whole::new();
    (whole.account.user_version, whole.account.status) = (version, status);
    whole.account.email = Some("before".to_owned());
    whole
}

#[test]
fn a_snapshot_applies_if_it_is_newer() {
    use AccountStatus::{Active as A, Closed as C, Orphaned as O, Placeholder as P, Suspended as S};
    use UserChange::{Applied, Stale};
    use UserStatus::{Active, Deactivated, Deleted};
    // What the account knows, what comes, and what is made of it.
    for ((known, before), (version, status), (change, after, knows)) in [
        ((None, P), (7, Active), (Applied, A, 7)),
        ((None, P), (7, Deactivated), (Applied, S, 7)),
        ((None, P), (7, Deleted), (Applied, C, 7)),
        ((Some(7), A), (8, Deactivated), (Applied, S, 8)),
        ((Some(7), A), (7, Deactivated), (Stale, A, 7)),
        ((Some(7), A), (6, Deactivated), (Stale, A, 7)),
        ((Some(7), S), (8, Active), (Applied, A, 8)),
        // A tombstone wins, however old, and the account knows the newest version of all.
        ((Some(7), A), (7, Deleted), (Applied, C, 7)),
        ((Some(7), A), (6, Deleted), (Applied, C, 7)),
        ((Some(7), C), (9, Active), (Stale, C, 9)),
        ((Some(7), C), (7, Active), (Stale, C, 7)),
        ((Some(7), C), (6, Active), (Stale, C, 7)),
        ((None, C), (6, Active), (Stale, C, 6)),
        // An orphan is lifted by the version that it knows.
        ((Some(7), O), (7, Active), (Applied, A, 7)),
        ((Some(7), O), (8, Deactivated), (Applied, S, 8)),
        ((Some(7), O), (6, Active), (Stale, O, 7)),
        ((Some(7), O), (6, Deleted), (Applied, C, 7)),
    ] {
        let mut whole = account(known, before);
        let made = apply(&mut whole, WelcomePolicy::OFF, snapshot(version, status, false));
        let account = &whole.account;
        let case = format!("{before:?} {known:?} meets {status:?} {version}");
        assert_eq!((made, account.status, account.user_version), (change, after, Some(knows)), "{case}");
        let expected = match (change, status) {
            (Applied, Deleted) => None,
            (Applied, _) => Some(format!("mail{version}")),
            (Stale, _) => Some("before".to_owned()),
        };
        assert_eq!(account.email, expected, "{case}");
    }
}

#[test]
fn what_comes_again_writes_nothing() {
    for status in [UserStatus::Active, UserStatus::Deactivated, UserStatus::Deleted] {
        let mut whole = Whole::new();
        apply(&mut whole, WelcomePolicy::OFF, snapshot(7, status, false));
        let again = Command::apply_user(snapshot(7, status, false), Uuid::now_v7());
        let mut state = whole.load(std::slice::from_ref(&again), OffsetDateTime::UNIX_EPOCH);
        let decided = state.decide(&again, Policies::DEFAULT, OffsetDateTime::UNIX_EPOCH);
        assert_eq!(decided, Ok(Receipt::User(UserChange::Stale)), "{status:?}");
        assert!(!state.is_changed, "{status:?}");
    }
}

#[test]
fn welcome_credits_are_decided_once() {
    use UserStatus::{Active, Deactivated, Deleted};
    use Welcome::{Declined, Granted, Undecided};
    let decided = |policy, snapshots: &[UserSnapshot]| {
        let mut whole = Whole::new();
        for user in snapshots {
            apply(&mut whole, policy, user.clone());
        }
        whole.check();
        (whole.account.welcome, whole.account.available)
    };
    let (unverified, verified) = (snapshot(1, Active, false), snapshot(2, Active, true));
    let gone = snapshot(3, Deleted, false);
    for (policy, snapshots, expected) in [
        (ON_REGISTERED, vec![unverified.clone()], (Granted, 25)),
        (ON_REGISTERED, vec![unverified.clone(), verified.clone(), unverified.clone()], (Granted, 25)),
        (ON_REGISTERED, vec![snapshot(1, Deactivated, false)], (Granted, 25)),
        (ON_REGISTERED, vec![gone.clone(), unverified.clone()], (Declined, 0)),
        (ON_REGISTERED, vec![unverified.clone(), gone.clone()], (Granted, 25)),
        (ON_VERIFIED, vec![unverified.clone()], (Undecided, 0)),
        (ON_VERIFIED, vec![unverified.clone(), verified.clone()], (Granted, 25)),
        // One that is stale by then still tells that the address was verified.
        (ON_VERIFIED, vec![snapshot(9, Active, false), verified.clone()], (Granted, 25)),
        (ON_VERIFIED, vec![gone], (Declined, 0)),
        (WelcomePolicy::OFF, vec![verified.clone()], (Declined, 0)),
        (WelcomePolicy { credits: 1, ..ON_REGISTERED }, vec![verified.clone()], (Granted, 1)),
    ] {
        assert_eq!(decided(policy, &snapshots), expected, "{policy:?}: {snapshots:?}");
    }
    // Where there is no room for them, it is no, and stays no.
    let mut whole = Whole::new();
    whole.account.pending = CREDITS_LIMIT - 25;
    apply(&mut whole, ON_REGISTERED, verified);
    whole.account.pending = 0;
    apply(&mut whole, ON_REGISTERED, snapshot(5, Active, true));
    assert_eq!((whole.account.welcome, whole.account.available), (Declined, 0));
}
