//! Migrations adopt the older system's accounting database, balances and all.

use std::sync::Arc;

use accrue_accounting::audit::{Progress, audit};
use accrue_accounting::ledger::{
    AccountStatus, Action, Allocate, Command, DEFAULT_PRIORITY, Draw, EntryKind, IdempotencyKey, Parts,
    Policies, Welcome, WelcomePolicy,
};
use accrue_accounting::store::{AccountView, EntryFilter, LedgerStore, open, open_audit};
use accrue_chassis::clock::SystemClock;
use accrue_events::user::{UserSnapshot, UserStatus};
use sqlx::{Connection as _, PgConnection, Row as _};
use time::macros::datetime;
use uuid::Uuid;

/// The older service's tables, as its ORM creates them.
const SCHEMA: &str = include_str!("legacy/schema.sql");
/// A few users and credits, the odd ones among them.
const ROWS: &str = include_str!("legacy/rows.sql");

fn allocation(user_id: &str, credits: i64) -> Command {
    Command {
        user_id: user_id.to_owned(),
        actor: "test".to_owned(),
        idempotency: Some(IdempotencyKey {
            client: "test".to_owned(),
            key: format!("{user_id}-{credits}"),
            fingerprint: [0; 32],
        }),
        action: Action::Allocate(Allocate {
            allocation_id: Uuid::now_v7(),
            credits,
            priority: DEFAULT_PRIORITY,
            effective_at: None,
            expires_at: None,
            reason: None,
            metadata: None,
        }),
    }
}

async fn account(store: &Arc<dyn LedgerStore>, user_id: &str) -> AccountView {
    store.account(user_id).await.expect("readable").expect("the account was copied")
}

/// That the audit finds nothing.
async fn audits_clean(url: &str) {
    let source = open_audit(url).await.expect("it can be audited");
    let (mut tell, mut found) = (|_, _| {}, Vec::new());
    let mut report = |finding| found.push(finding);
    let is_clean = audit(&*source, None, None, &mut Progress::new(&mut tell), &mut report).await;
    assert!(is_clean.expect("readable"), "{found:?}");
}

#[tokio::test]
async fn an_older_database_is_adopted_whole() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    let mut connection = PgConnection::connect(database.url()).await.expect("connected");
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await.expect("the older schema");
    sqlx::raw_sql(ROWS).execute(&mut connection).await.expect("its rows");

    // The outage: auth knew the user, accounting did not, and refused the credits.
    let refused = sqlx::query(
        "INSERT INTO credit_allocations
             (user_id, total_credits, remaining_credits, allocated_by, allocated_at, expires_at)
         VALUES ('known-to-auth-only', 100, 100, 'admin', now(), now() + interval '30 days')",
    )
    .execute(&mut connection)
    .await
    .expect_err("the older schema refuses credits for a user that it has not seen");
    let refused = refused.into_database_error().expect("the database's own error");
    assert_eq!(refused.constraint(), Some("credit_allocations_user_id_fkey"));

    let store = open(database.url(), 1, true, Arc::new(SystemClock)).await.expect("migrated");
    audits_clean(database.url()).await;
    let posted = store.post(&[allocation("known-to-auth-only", 100)], Policies::DEFAULT).await;
    assert!(posted.expect("posted")[0].is_ok());
    assert_eq!(account(&store, "known-to-auth-only").await.account.available, 100);

    accounts_were_copied(&store).await;
    allocations_were_copied(&store).await;
    the_older_tables_are_as_they_were(&mut connection).await;
    a_placeholder_is_made_active_by_its_event(&store).await;

    // A second start finds nothing to do.
    drop(store);
    audits_clean(database.url()).await;
    let store = open(database.url(), 1, true, Arc::new(SystemClock)).await.expect("opened again");
    assert_eq!(account(&store, "ada").await.account.available, 71);
}

async fn accounts_were_copied(store: &Arc<dyn LedgerStore>) {
    let ada = account(store, "ada").await;
    assert_eq!(ada.account.status, AccountStatus::Active);
    assert_eq!(ada.account.email.as_deref(), Some("ada@example.com"));
    assert_eq!(ada.account.username.as_deref(), Some("ada"));
    assert_eq!(ada.account.welcome, Welcome::Declined, "an adopted user is not welcomed again");
    assert_eq!(ada.created_at, datetime!(2025-01-02 03:04:05.678 UTC));
    for (user_id, available) in [("65f0c0ffee0000000000abcd", 25), ("unknown", 0)] {
        let account = account(store, user_id).await.account;
        assert_eq!(account.status, AccountStatus::Placeholder, "{user_id}");
        assert_eq!((account.email, account.username), (None, None), "{user_id}");
        assert_eq!(account.available, available, "{user_id}");
    }
    // 40 at hand, one overdrawn to -7, one raised to 12 of 10.
    assert_eq!(account(store, "odd").await.account.available, 52);
}

async fn what_was_adopted_is_explained(store: &Arc<dyn LedgerStore>) {
    let last = account(store, "ada").await.account.last_entry_at.expect("entries");
    let now = store.balance("ada", last, None, 9).await.expect("readable").expect("there");
    // 30 of each of the older allocations were spent in the older system.
    let parts = Parts { remaining: 71, expired: 20, unbooked: 90, ..Parts::of(181) };
    assert_eq!((now.totals, now.allocations.len()), (parts, 4));
    let before = store.balance("ada", datetime!(2025-06-01 00:00 UTC), None, 9).await;
    let before = before.expect("readable").expect("there");
    assert_eq!((before.totals, before.balance.available), (Parts::of(180), 0));
}

async fn allocations_were_copied(store: &Arc<dyn LedgerStore>) {
    // 100 of which 70 are left; 50 that had expired with 20 unspent; 30 all spent.
    let ada = account(store, "ada").await.account;
    assert_eq!(ada.available, 70);
    let entries = store.entries("ada", &EntryFilter::default(), 10).await.expect("readable");
    let booked: Vec<_> = entries.iter().rev().map(|entry| (entry.seq, entry.kind, entry.credits)).collect();
    assert_eq!(booked, [(1, EntryKind::Adoption, 20), (2, EntryKind::Adoption, 70)]);
    assert_eq!(entries[0].balance_after, 90);
    let draw = Draw { allocation_id: entries[0].reference, remaining: 70, reserved: 0 };
    assert_eq!((entries[0].draws.as_slice(), entries[0].reserved_after), ([draw].as_slice(), 0));
    let kept =
        store.allocation("ada", entries[0].reference).await.expect("readable").expect("there").allocation;
    assert_eq!((kept.credits, kept.remaining), (100, 70));
    assert_eq!(kept.expires_at, Some(datetime!(2999-01-01 00:00 UTC)));
    assert_eq!((kept.reason.as_deref(), kept.actor.as_str()), (Some("for \"ünïcode\""), "supervisor-1"));
    assert_eq!(kept.recorded_at, datetime!(2025-02-03 04:05:06 UTC));
    assert_eq!(kept.metadata, Some(serde_json::json!({"legacy_id": 2})));
    assert_eq!(kept.id.get_version_num(), 7);
    let stamp = kept.id.get_timestamp().expect("a UUIDv7 has a time").to_unix();
    assert_eq!(i64::try_from(stamp.0).expect("a time"), kept.recorded_at.unix_timestamp());
    // The next command books out what had expired.
    store.post(&[allocation("ada", 1)], Policies::DEFAULT).await.expect("posted")[0].clone().expect("room");
    store.post(&[allocation("odd", 1)], Policies::DEFAULT).await.expect("posted")[0].clone().expect("room");
    what_was_adopted_is_explained(store).await;
    let entries = store.entries("ada", &EntryFilter::default(), 2).await.expect("readable");
    assert_eq!((entries[1].kind, entries[1].credits), (EntryKind::Expiry, -20));
    assert_eq!(entries[0].balance_after, 71);
}

async fn the_older_tables_are_as_they_were(connection: &mut PgConnection) {
    let counts = sqlx::query(
        "SELECT (SELECT count(*) FROM legacy.user_accounts) AS accounts,
                (SELECT count(*) FROM legacy.credit_allocations) AS allocations,
                (SELECT count(*) FROM legacy.usage_records) AS usage,
                (SELECT count(*) FROM legacy.streaming_sessions) AS sessions,
                (SELECT count(*) FROM pg_constraint
                 WHERE connamespace = 'legacy'::regnamespace AND contype = 'f') AS foreign_keys,
                (SELECT count(*) FROM pg_constraint
                 WHERE connamespace = 'public'::regnamespace AND contype = 'f') AS our_foreign_keys,
                (SELECT count(*) FROM pg_indexes
                 WHERE schemaname = 'legacy' AND indexname = 'idx_credit_user_expiry') AS indexes",
    )
    .fetch_one(connection)
    .await
    .expect("the schema legacy is there");
    let count = |column: &str| counts.get::<i64, _>(column);
    assert_eq!((count("accounts"), count("allocations")), (4, 8));
    assert_eq!((count("usage"), count("sessions")), (1, 1));
    assert_eq!((count("foreign_keys"), count("our_foreign_keys"), count("indexes")), (3, 0, 1));
}

async fn a_placeholder_is_made_active_by_its_event(store: &Arc<dyn LedgerStore>) {
    let event = UserSnapshot {
        user_id: "65f0c0ffee0000000000abcd".to_owned(),
        version: 1,
        status: UserStatus::Active,
        email: Some("grace@example.com".to_owned()),
        email_verified: true,
        username: None,
        display_name: None,
        registered_at: datetime!(2026-01-01 00:00 UTC),
    };
    let welcome = WelcomePolicy { credits: 1_000, needs_verified_email: false };
    let welcome = Policies { welcome, ..Policies::DEFAULT };
    store.post(&[Command::apply_user(event, Uuid::now_v7())], welcome).await.expect("posted")[0]
        .clone()
        .expect("applied");
    let account = account(store, "65f0c0ffee0000000000abcd").await.account;
    assert_eq!((account.status, account.available), (AccountStatus::Active, 25));
    assert_eq!(account.email.as_deref(), Some("grace@example.com"));
}

#[tokio::test]
async fn a_database_without_the_older_tables_is_only_ours() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    open(database.url(), 1, true, Arc::new(SystemClock)).await.expect("migrated");
    let mut connection = PgConnection::connect(database.url()).await.expect("connected");
    let legacy: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_namespace WHERE nspname = 'legacy'")
        .fetch_optional(&mut connection)
        .await
        .expect("asked");
    assert_eq!(legacy, None);
}

/// Where somebody had dropped the foreign key to end the outage, there are credits
/// without an account.
#[tokio::test]
async fn credits_without_an_account_wait_on_placeholders() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    let mut connection = PgConnection::connect(database.url()).await.expect("connected");
    for sql in [
        SCHEMA,
        ROWS,
        "ALTER TABLE credit_allocations DROP CONSTRAINT credit_allocations_user_id_fkey",
        "INSERT INTO credit_allocations
             (user_id, total_credits, remaining_credits, allocated_by, allocated_at, expires_at)
         VALUES ('orphan', 100, 90, 'admin', '2025-01-01Z', '2999-01-01Z')",
        "UPDATE user_accounts SET email = 'Ada@Example.COM' WHERE user_id = 'ada'",
    ] {
        sqlx::raw_sql(sql).execute(&mut connection).await.expect("the older database");
    }
    let store = open(database.url(), 1, true, Arc::new(SystemClock)).await.expect("migrated");
    let orphan = account(&store, "orphan").await.account;
    assert_eq!((orphan.status, orphan.available), (AccountStatus::Placeholder, 90));
    store.post(&[allocation("orphan", 5)], Policies::DEFAULT).await.expect("posted")[0]
        .clone()
        .expect("the account's entries go on where the copied ones end");
    assert_eq!(account(&store, "orphan").await.account.available, 95);
    assert_eq!(account(&store, "ada").await.account.email.as_deref(), Some("ada@example.com"));
}
