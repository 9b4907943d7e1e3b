//! Databases of releases before are brought up to date: what was booked stays, and can be
//! spent; what was held can be captured.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use accrue_accounting::audit::{Progress, audit};
use accrue_accounting::ledger::{
    AccountStatus, Action, AllocationStatus, Capture, Command, Cost, DEFAULT_PRIORITY, Draw, EntryKind,
    OnShortfall, Policies, ReservationStatus, Use,
};
use accrue_accounting::store::{EntryFilter, LedgerStore, OpenError, open, open_audit};
use accrue_chassis::clock::ManualClock;
use sqlx::migrate::Migrator;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use time::macros::datetime;
use uuid::{Uuid, uuid};

const ID: Uuid = uuid!("01980000-0000-7000-8000-00000000abcd");

/// All migrations of a store.
async fn all(store: &str) -> Migrator {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/accounting").join(store);
    Migrator::new(folder).await.expect("migrations")
}

/// The migrations of a store before the one that brings spending, as that release had them.
async fn before(store: &str) -> Migrator {
    migrations_before(store, if store == "postgres" { "0004" } else { "0002" }).await
}

/// The migrations of a store before the one of this number.
async fn migrations_before(store: &str, number: &str) -> Migrator {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/accounting").join(store);
    let some = accrue_testkit::data_dir();
    for file in std::fs::read_dir(all).expect("migrations") {
        let file = file.expect("a file");
        if &*file.file_name() < OsStr::new(number) {
            std::fs::copy(file.path(), some.path().join(file.file_name())).expect("copied");
        }
    }
    Migrator::new(some.path()).await.expect("migrations")
}

/// That the audit finds nothing.
async fn audits_clean(url: &str) {
    let source = open_audit(url).await.expect("it can be audited");
    let (mut tell, mut found) = (|_, _| {}, Vec::new());
    let mut report = |finding| found.push(finding);
    let is_clean = audit(&*source, None, None, &mut Progress::new(&mut tell), &mut report).await;
    assert!(is_clean.expect("readable"), "{found:?}");
}

async fn what_was_booked_can_be_spent(url: &str) {
    let clock = ManualClock::new(datetime!(2026-03-01 12:00 UTC));
    // Somebody migrated and was killed before the entries had their hashes.
    let unsealed = open(url, 1, false, Arc::<ManualClock>::clone(&clock)).await.err().expect("refused");
    assert!(matches!(unsealed, OpenError::NotSealed), "{unsealed}");
    assert!(matches!(open_audit(url).await.err(), Some(OpenError::NotSealed)));
    let store: Arc<dyn LedgerStore> = open(url, 1, true, clock).await.expect("brought up to date");
    let account = store.account("u1").await.expect("readable").expect("there").account;
    assert_eq!((account.status, account.available, account.reserved), (AccountStatus::Active, 70, 0));
    let end = datetime!(2026-04-01 00:00 UTC);
    assert_eq!((account.pending, account.next_due_at), (0, Some(end)));
    let entry = store.entries("u1", &EntryFilter::default(), 9).await.expect("readable").remove(0);
    assert_eq!((entry.kind, entry.credits, entry.reserved_after), (EntryKind::Allocation, 70, 0));
    let draw = Draw { allocation_id: ID, remaining: 70, reserved: 0 };
    assert_eq!((entry.draws, entry.reference), (vec![draw], ID));
    let found = store.allocation("u1", ID).await.expect("readable").expect("there");
    assert_eq!(found.allocation.status(found.at), AllocationStatus::Open);
    assert_eq!((found.allocation.priority, found.allocation.expires_at), (DEFAULT_PRIORITY, Some(end)));
    assert_eq!(found.allocation.metadata, Some(serde_json::json!({"a": 1})));

    let (usage_id, cost) = (Uuid::now_v7(), Cost::Credits(30));
    let order = Use { usage_id, cost, resource: None, metadata: None };
    let command = Command {
        user_id: "u1".to_owned(),
        actor: "test".to_owned(),
        idempotency: None,
        action: Action::Use(order),
    };
    store.post(&[command], Policies::DEFAULT).await.expect("posted")[0].clone().expect("enough");
    assert_eq!(store.account("u1").await.expect("readable").expect("there").account.available, 40);
    audits_clean(url).await;
}

#[tokio::test]
async fn a_sqlite_file_is_brought_up_to_date() {
    let files = accrue_testkit::data_dir();
    let url = format!("sqlite:{}", files.path().join("accounting.db").display());
    let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.expect("opened");
    before("sqlite").await.run_direct(None, &mut connection, false).await.expect("migrated");
    sqlx::raw_sql(
        "INSERT INTO accounts (user_id, status, available, last_seq, last_entry_at, next_expiry_at,
                               created_at, updated_at)
         VALUES ('u1', 'active', 70, 1, 1767225600000000, 1775001600000000, 1767225600000000, 1767225600000000);
         INSERT INTO credit_allocations
             (user_id, id, credits, remaining, expires_at, metadata, actor, recorded_at)
         VALUES ('u1', x'0198000000007000800000000000abcd', 70, 70, 1775001600000000, '{\"a\":1}', 'x',
                 1767225600000000);
         INSERT INTO entries (user_id, seq, kind, credits, balance_after, allocation_id, actor, recorded_at)
         VALUES ('u1', 1, 'allocation', 70, 70, x'0198000000007000800000000000abcd', 'x', 1767225600000000)",
    )
    .execute(&mut connection)
    .await
    .expect("rows of the release before");
    all("sqlite").await.run_direct(None, &mut connection, false).await.expect("migrated");
    connection.close().await.expect("closed");
    what_was_booked_can_be_spent(&url).await;
}

#[tokio::test]
async fn a_postgres_database_is_brought_up_to_date() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    let mut connection = PgConnection::connect(database.url()).await.expect("connected");
    before("postgres").await.run_direct(None, &mut connection, false).await.expect("migrated");
    sqlx::raw_sql(
        "INSERT INTO accounts (user_id, status, available, last_seq, last_entry_at, next_expiry_at,
                               created_at, updated_at)
         VALUES ('u1', 'active', 70, 1, '2026-01-01Z', '2026-04-01Z', '2026-01-01Z', '2026-01-01Z');
         INSERT INTO credit_allocations
             (user_id, id, credits, remaining, expires_at, metadata, actor, recorded_at)
         VALUES ('u1', '01980000-0000-7000-8000-00000000abcd', 70, 70, '2026-04-01Z', '{\"a\":1}', 'x',
                 '2026-01-01Z');
         INSERT INTO entries (user_id, seq, kind, credits, balance_after, allocation_id, actor, recorded_at)
         VALUES ('u1', 1, 'allocation', 70, 70, '01980000-0000-7000-8000-00000000abcd', 'x', '2026-01-01Z')",
    )
    .execute(&mut connection)
    .await
    .expect("rows of the release before");
    all("postgres").await.run_direct(None, &mut connection, false).await.expect("migrated");
    connection.close().await.expect("closed");
    what_was_booked_can_be_spent(database.url()).await;
}

/// An account of which 30 of 70 credits are held, as the release before rates kept it. Times
/// are written as the store's own.
fn a_reservation(id: &str, begin: &str, end: &str) -> String {
    let draws = format!(r#"[{{"allocation_id":"{ID}","credits":30}}]"#);
    let metadata = r#"{"a":1}"#;
    format!(
        "INSERT INTO accounts (user_id, status, available, reserved, last_seq, last_entry_at, next_due_at,
                               created_at, updated_at)
         VALUES ('u1', 'active', 40, 30, 1, {begin}, {end}, {begin}, {begin});
         INSERT INTO credit_allocations
             (user_id, id, credits, remaining, reserved, priority, is_pending, is_voided, actor, recorded_at)
         VALUES ('u1', {id}, 70, 40, 30, 50, false, false, 'x', {begin});
         INSERT INTO reservations
             (user_id, id, credits, status, expires_at, resource, metadata, draws, actor, recorded_at)
         VALUES ('u1', {id}, 30, 'held', {end}, 'chat', '{metadata}', '{draws}', 'x', {begin})"
    )
}

async fn what_was_held_can_be_captured(url: &str) {
    let clock = ManualClock::new(datetime!(2026-03-01 12:00 UTC));
    let store: Arc<dyn LedgerStore> = open(url, 1, true, clock).await.expect("brought up to date");
    let held = store.reservation("u1", ID).await.expect("readable").expect("there");
    assert_eq!((held.status, held.credits, held.pricing), (ReservationStatus::Held, 30, None));
    assert_eq!((held.resource.as_deref(), held.metadata), (Some("chat"), Some(serde_json::json!({"a": 1}))));
    let order = Capture {
        reservation_id: ID,
        usage_id: Uuid::now_v7(),
        cost: None,
        on_shortfall: OnShortfall::Reject,
    };
    let usage_id = order.usage_id;
    let command = Command {
        user_id: "u1".to_owned(),
        actor: "test".to_owned(),
        idempotency: None,
        action: Action::Capture(order),
    };
    store.post(&[command], Policies::DEFAULT).await.expect("posted")[0].clone().expect("held");
    let usage = store.usage("u1", usage_id).await.expect("readable").expect("there");
    assert_eq!((usage.credits, usage.pricing), (30, None));
}

#[tokio::test]
async fn reservations_of_a_sqlite_file_stay() {
    let files = accrue_testkit::data_dir();
    let url = format!("sqlite:{}", files.path().join("accounting.db").display());
    let mut connection = SqliteConnection::connect(&format!("{url}?mode=rwc")).await.expect("opened");
    let migrator = migrations_before("sqlite", "0003").await;
    migrator.run_direct(None, &mut connection, false).await.expect("migrated");
    let rows = a_reservation("x'0198000000007000800000000000abcd'", "1767225600000000", "1775001600000000");
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut connection).await.expect("rows");
    connection.close().await.expect("closed");
    what_was_held_can_be_captured(&url).await;
}

#[tokio::test]
async fn reservations_of_a_postgres_database_stay() {
    let Some(database) = accrue_testkit::postgres().await else { return };
    let mut connection = PgConnection::connect(database.url()).await.expect("connected");
    let migrator = migrations_before("postgres", "0005").await;
    migrator.run_direct(None, &mut connection, false).await.expect("migrated");
    let rows = a_reservation("'01980000-0000-7000-8000-00000000abcd'", "'2026-01-01Z'", "'2026-04-01Z'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(rows)).execute(&mut connection).await.expect("rows");
    connection.close().await.expect("closed");
    what_was_held_can_be_captured(database.url()).await;
}
