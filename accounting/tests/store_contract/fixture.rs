//! A database of the test's own, stores on it, and the commands that tests send.

use std::collections::BTreeMap;
use std::sync::Arc;

use accrue_accounting::ledger::{
    Action, Allocate, Command, Cost, DEFAULT_PRIORITY, Entry, IdempotencyKey, Policies, Receipt, Rejection,
    Reply, Use,
};
use accrue_accounting::store::{AccountView, EntryFilter, LedgerStore, StoreError, open};
use accrue_chassis::clock::{ManualClock, SharedClock, SystemClock};
use accrue_events::user::{UserSnapshot, UserStatus};
use accrue_testkit::TestPostgres;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

pub(crate) const NOON: OffsetDateTime = datetime!(2026-03-01 12:00 UTC);

/// A fresh database. It goes with this value.
pub(crate) struct Fixture {
    url: String,
    _files: Option<TempDir>,
    _server: Option<TestPostgres>,
}

impl Fixture {
    pub(crate) fn sqlite() -> Self {
        let files = accrue_testkit::data_dir();
        let url = format!("sqlite:{}", files.path().join("accounting.db").display());
        Self { url, _files: Some(files), _server: None }
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let server = accrue_testkit::postgres().await?;
        Some(Self { url: server.url().to_owned(), _files: None, _server: Some(server) })
    }

    /// Where the database is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs `sql` as somebody does who has the database's password. Names in braces are what
    /// the two databases write differently: see [`Fixture::dialect`].
    pub(crate) async fn tamper(&self, sql: &str) -> u64 {
        self.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same, where a constraint may refuse it: then it says nothing.
    pub(crate) async fn try_tamper(&self, sql: &str) -> Option<u64> {
        match self.execute(sql).await {
            Ok(rows) => Some(rows),
            Err(sqlx::Error::Database(error)) if error.is_check_violation() => None,
            Err(error) => panic!("{sql}: {error}"),
        }
    }

    async fn execute(&self, sql: &str) -> Result<u64, sqlx::Error> {
        let sql = self.dialect(sql);
        if self.is_sqlite() {
            let mut connection = SqliteConnection::connect(&self.url).await?;
            let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await;
            connection.close().await?;
            Ok(done?.rows_affected())
        } else {
            let mut connection = PgConnection::connect(&self.url).await?;
            let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await;
            connection.close().await?;
            Ok(done?.rows_affected())
        }
    }

    fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite:")
    }

    /// `{second}` is what adds a second to a time, `{bytes}` 32 bytes, `{salt}` 16, `{empty}` none, `{id}` an
    /// id that nothing has, `{object}` some metadata, `{text}` the type, `{draws}` and
    /// `{units}` what these columns hold with other ids or numbers.
    fn dialect(&self, sql: &str) -> String {
        const NAMES: [(&str, &str, &str); 9] = [
            ("{second}", "1000000", "interval '1 second'"),
            ("{bytes}", "zeroblob(32)", "decode(repeat('00', 32), 'hex')"),
            ("{salt}", "zeroblob(16)", "decode(repeat('00', 16), 'hex')"),
            ("{empty}", "x''", "''::bytea"),
            ("{id}", "zeroblob(16)", "'00000000-0000-0000-0000-000000000000'::uuid"),
            ("{object}", "'{\"added\":1}'", "'{\"added\":1}'"),
            ("{text}", "TEXT", "text"),
            (
                "{draws}",
                "replace(draws, '000-0000', '001-0000')",
                "replace(draws::text, '000-0000', '001-0000')::json",
            ),
            ("{units}", "replace(units, ':', ':1')", "replace(units::text, ':', ':1')::json"),
        ];
        let is_sqlite = self.is_sqlite();
        let write = |sql: String, (name, lite, full): &(&str, &str, &str)| {
            sql.replace(name, if is_sqlite { lite } else { full })
        };
        NAMES.iter().fold(sql.to_owned(), write)
    }

    /// Makes the database what a migration from a release without hashes leaves to be sealed.
    pub(crate) async fn unseal(&self) {
        let allow = if self.is_sqlite() {
            "DROP TRIGGER entries_are_sealed"
        } else {
            "ALTER TABLE entries DROP CONSTRAINT entries_hash_check"
        };
        for sql in [
            allow,
            "UPDATE entries SET made_digest = NULL, text_salt = NULL, text_digest = NULL, hash = NULL",
            "UPDATE accounts SET chain_head = NULL",
            "UPDATE credit_allocations SET terms_digest = CASE WHEN is_pending THEN {empty} END",
            "UPDATE reservations SET terms_digest = {empty}",
        ] {
            self.tamper(sql).await;
        }
    }

    /// How many entries have no hash.
    pub(crate) async fn count_unsealed(&self) -> i64 {
        let query = "SELECT count(*) FROM entries WHERE hash IS NULL";
        if self.is_sqlite() {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("opened");
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("readable")
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("connected");
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("readable")
        }
    }

    /// The columns of `table`.
    pub(crate) async fn columns(&self, table: &str) -> Vec<String> {
        if self.is_sqlite() {
            let mut connection = SqliteConnection::connect(&self.url).await.expect("opened");
            let query = sqlx::query_scalar("SELECT name FROM pragma_table_info(?)").bind(table);
            query.fetch_all(&mut connection).await.expect("readable")
        } else {
            let mut connection = PgConnection::connect(&self.url).await.expect("connected");
            let query = "SELECT column_name::text FROM information_schema.columns
                         WHERE table_schema = 'public' AND table_name = $1";
            sqlx::query_scalar(query).bind(table).fetch_all(&mut connection).await.expect("readable")
        }
    }

    /// Another fresh database on the same server.
    pub(crate) async fn another(&self) -> Self {
        if self.is_sqlite() { Self::sqlite() } else { Self::postgres().await.expect("as before") }
    }

    /// A store such as one process has.
    pub(crate) async fn store(&self) -> Arc<dyn LedgerStore> {
        self.store_at(Arc::new(SystemClock)).await
    }

    /// A store that takes `clock` for the time.
    pub(crate) async fn store_at(&self, clock: SharedClock) -> Arc<dyn LedgerStore> {
        open(&self.url, 4, true, clock).await.expect("the store opens")
    }

    /// A store whose time stands at [`NOON`] until the clock is moved.
    pub(crate) async fn store_at_noon(&self) -> (Arc<dyn LedgerStore>, Arc<ManualClock>) {
        let clock = ManualClock::new(NOON);
        (self.store_at(Arc::<ManualClock>::clone(&clock)).await, clock)
    }
}

/// A command for `user_id` under `key`. `number` stands for the rest of the request.
pub(crate) fn keyed(user_id: &str, key: &str, number: i64, action: Action) -> Command {
    let mut fingerprint = [0; 32];
    fingerprint[..8].copy_from_slice(&number.to_be_bytes());
    Command {
        user_id: user_id.to_owned(),
        actor: "tester".to_owned(),
        idempotency: Some(IdempotencyKey { client: "test".to_owned(), key: key.to_owned(), fingerprint }),
        action,
    }
}

/// An allocation to `user_id` under `key`.
pub(crate) fn allocate(user_id: &str, key: &str, credits: i64) -> Command {
    let order = Allocate {
        allocation_id: Uuid::now_v7(),
        credits,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        expires_at: None,
        reason: Some("a reason".to_owned()),
        metadata: Some(serde_json::json!({"order": 7, "äöü": ["x"]})),
    };
    keyed(user_id, key, credits, Action::Allocate(order))
}

/// A usage of `user_id`'s credits under `key`.
pub(crate) fn spend(user_id: &str, key: &str, credits: i64) -> Command {
    let (resource, metadata) = (Some("chat".to_owned()), Some(serde_json::json!({"model": "m"})));
    let order = Use { usage_id: Uuid::now_v7(), cost: Cost::Credits(credits), resource, metadata };
    keyed(user_id, key, credits, Action::Use(order))
}

/// All entries of an account, oldest first.
pub(crate) async fn entries(store: &Arc<dyn LedgerStore>, user_id: &str) -> Vec<Entry> {
    let mut entries = store.entries(user_id, &EntryFilter::default(), 1_000_000).await.expect("readable");
    entries.reverse();
    entries
}

/// The same with an end.
pub(crate) fn allocate_until(user_id: &str, key: &str, credits: i64, end: OffsetDateTime) -> Command {
    let mut command = allocate(user_id, key, credits);
    if let Action::Allocate(order) = &mut command.action {
        order.expires_at = Some(end);
    }
    command
}

/// What auth says of a user.
pub(crate) fn snapshot(user_id: &str, version: i64, status: UserStatus) -> UserSnapshot {
    let text = |word: &str| (status != UserStatus::Deleted).then(|| format!("{word}-{version}"));
    UserSnapshot {
        user_id: user_id.to_owned(),
        version,
        status,
        email: text("mail"),
        email_verified: false,
        username: None,
        display_name: text("name"),
        registered_at: NOON,
    }
}

pub(crate) fn registered(user_id: &str, version: i64) -> Command {
    Command::apply_user(snapshot(user_id, version, UserStatus::Active), Uuid::now_v7())
}

/// Posts one command, as often as a passing fault asks for it.
pub(crate) async fn post(store: &Arc<dyn LedgerStore>, command: Command) -> Result<Receipt, Rejection> {
    post_with(store, command, Policies::DEFAULT).await
}

pub(crate) async fn post_with(
    store: &Arc<dyn LedgerStore>,
    command: Command,
    policies: Policies,
) -> Result<Receipt, Rejection> {
    let commands = [command];
    for _ in 0..20 {
        match store.post(&commands, policies).await {
            Ok(mut posted) => return posted.remove(0),
            Err(StoreError::Unavailable(_) | StoreError::TimedOut) => {}
            Err(error) => panic!("the store failed: {error:?}"),
        }
    }
    panic!("the store was out of reach twenty times");
}

/// The reply to a command that booked something.
pub(crate) fn booked(receipt: Result<Receipt, Rejection>) -> Reply {
    match receipt.expect("not rejected") {
        Receipt::Booked(reply) => reply,
        other => panic!("nothing was booked: {other:?}"),
    }
}

pub(crate) async fn account(store: &Arc<dyn LedgerStore>, user_id: &str) -> AccountView {
    store.account(user_id).await.expect("readable").expect("there is such an account")
}

/// That an account's entries are complete, in order, and add up to its balance and its
/// allocations. Nothing may be due on it that is not booked.
pub(crate) async fn check_books(store: &Arc<dyn LedgerStore>, user_id: &str) {
    let account = account(store, user_id).await.account;
    let entries = entries(store, user_id).await;
    let (mut balance, mut reserved) = (0, 0);
    let mut drawn: BTreeMap<Uuid, (i64, i64)> = BTreeMap::new();
    for (entry, seq) in entries.iter().zip(1..) {
        balance += entry.credits;
        for draw in &entry.draws {
            let sums = drawn.entry(draw.allocation_id).or_default();
            *sums = (sums.0 + draw.remaining, sums.1 + draw.reserved);
            reserved += draw.reserved;
        }
        assert_eq!((entry.seq, entry.balance_after), (seq, balance), "entry {seq} of {user_id}");
        assert_eq!(entry.reserved_after, reserved, "entry {seq} of {user_id}");
    }
    assert!(entries.is_sorted_by_key(|entry| entry.recorded_at), "entries of {user_id} are out of order");
    assert_eq!(account.last_seq, entries.last().map_or(0, |entry| entry.seq));
    assert_eq!((account.available, account.reserved), (balance - reserved, reserved), "of {user_id}");
    for (id, sums) in drawn {
        let found = store.allocation(user_id, id).await.expect("readable").expect("there").allocation;
        assert_eq!((found.remaining, found.reserved), sums, "the draws on {id} of {user_id}");
    }
}
