//! The ledger on PostgreSQL: connections, deadlines, schema.

mod audit;
mod balance;
mod batch_keys;
mod burn;
mod disk;
mod due;
mod load;
mod made;
mod outbox;
mod post;
mod rates;
mod read;
mod resources;
mod rows;
mod save;
mod save_resources;
mod seal;
mod standing;
mod usage_sums;

use std::str::FromStr as _;
use std::time::Duration;

use accrue_chassis::clock::SharedClock;
use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    AccountFilter, AccountPosition, AccountView, AllocationAt, DuePosition, EntryFilter, ExplainedBalance,
    LedgerStore, OpenError, Posted, StoreError, UsageFilter, UsagePosition, UsageSum, require_all,
};
use crate::ledger::{Command, Entry, IdempotencyKey, Policies, Reservation, Usage};

/// Connections for what no lane does, beside one a lane for writing.
const READERS: u32 = 8;
/// Connections for the outbox, made when it is first looked at: one for its relay, one for
/// whoever measures it. Neither waits for the ledger, nor the ledger for them.
const OUTBOX: u32 = 2;
/// How long a free connection is waited for.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(2);
/// How long connecting may take before the schema is looked at.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The longest that a batch may take. Beyond the server's own limits below, so that
/// only a server that has gone silent meets it.
const POST_LIMIT: Duration = Duration::from_secs(6);
/// What the server is told of every connection: a process that freezes with
/// accounts locked must not hold them, and a plan that was made while the tables were
/// small must not read them whole once they are large (every statement goes by a key;
/// until the first ANALYZE the planner does not know how many rows there are).
const SESSION: [(&str, &str); 8] = [
    ("enable_seqscan", "off"),
    ("lock_timeout", "1s"),
    ("statement_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("application_name", "accrue-accounting"),
];

/// What it is told besides of those that batches go by: to plan each statement once, which
/// takes longer than to execute it. Plans are made while the tables may still be empty:
/// they must walk an index in its order rather than sort all of a busy account's
/// allocations, and compile nothing because of what is off.
const BATCHES: [(&str, &str); 4] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_bitmapscan", "off"),
    ("enable_sort", "off"),
    ("jit", "off"),
];

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("../migrations/accounting/postgres");
    // While releases change over, this one may meet the schema of the next.
    migrator.set_ignore_missing(true);
    migrator
}

/// That the schema is there, and every entry has its hash.
async fn require_schema(pool: &PgPool) -> Result<(), OpenError> {
    let mut connection = pool.acquire().await?;
    let is_there: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    let applied: Vec<i64> = if is_there {
        sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(&mut *connection)
            .await?
    } else {
        Vec::new()
    };
    require_all(&migrator(), &applied)?;
    if seal::is_sealed(&mut connection).await? { Ok(()) } else { Err(OpenError::NotSealed) }
}

fn parse(url: &str) -> Result<PgConnectOptions, OpenError> {
    PgConnectOptions::from_str(url).map_err(|_| {
        OpenError::Settings("it is not of the form postgres://user:password@host:port/database".to_owned())
    })
}

/// What an audit reads. Its statements may take longer than those of a service.
pub(super) async fn audit_source(url: &str) -> Result<audit::Source, OpenError> {
    let session = [
        ("enable_seqscan", "off"),
        ("plan_cache_mode", "force_custom_plan"),
        ("statement_timeout", "5min"),
        ("idle_in_transaction_session_timeout", "5min"),
        ("application_name", "accrue-audit"),
    ];
    let pool = PgPoolOptions::new().acquire_timeout(CONNECT_LIMIT).max_connections(1);
    let pool = pool.connect_lazy_with(parse(url)?.options(session));
    require_schema(&pool).await?;
    Ok(audit::Source(pool))
}

/// The ledger in a PostgreSQL database.
pub(super) struct PostgresLedger {
    writers: PgPool,
    readers: PgPool,
    outbox: PgPool,
    lanes: usize,
    clock: SharedClock,
}

impl PostgresLedger {
    pub(super) async fn open(
        url: &str,
        lanes: usize,
        migrate: bool,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        let options = parse(url)?;
        if migrate {
            // Without the limits below: copying an older database takes its time.
            let connecting = PgConnection::connect_with(&options);
            let mut connection =
                tokio::time::timeout(CONNECT_LIMIT, connecting).await.map_err(|_| StoreError::TimedOut)??;
            migrator().run_direct(None, &mut connection, false).await?;
            seal::seal_all(&mut connection).await?;
            connection.close().await?;
        }
        let options = options.options(SESSION);
        let pool = PgPoolOptions::new().acquire_timeout(ACQUIRE_LIMIT);
        // Testing a connection costs a round trip a batch; a batch that fails is
        // posted again anyway.
        let writers = pool
            .clone()
            .max_connections(u32::try_from(lanes).unwrap_or(u32::MAX))
            .test_before_acquire(false)
            .after_connect(|connection, _| Box::pin(disk::wait_for_it(connection)))
            .connect_lazy_with(options.clone().options(BATCHES));
        let outbox = pool.clone().max_connections(OUTBOX).connect_lazy_with(options.clone());
        // A filter that is not given must not keep the plan from the index of another.
        let options = options.options([("plan_cache_mode", "force_custom_plan")]);
        let readers = pool.max_connections(READERS).connect_lazy_with(options);
        let store = Self { writers, readers, outbox, lanes, clock };
        require_schema(&store.readers).await?;
        store.ping().await?;
        Ok(store)
    }
}

#[async_trait]
impl LedgerStore for PostgresLedger {
    async fn post(&self, commands: &[Command], policies: Policies) -> Result<Posted, StoreError> {
        let mut connection = self.writers.acquire().await?;
        let posting = post::post(&mut connection, commands, policies, &*self.clock);
        let posted = tokio::time::timeout(POST_LIMIT, posting).await;
        let posted = posted.unwrap_or(Err(StoreError::TimedOut));
        if posted.as_ref().is_err_and(StoreError::is_passing) {
            // In doubt: closed, so that the server ends what it may still hold.
            drop(connection.detach());
        }
        posted
    }

    async fn claim_batch_key(&self, key: &IdempotencyKey) -> Result<bool, StoreError> {
        // Of the connections that are tested before use: nobody tries this again.
        batch_keys::claim(&self.readers, key, self.clock.now()).await
    }

    fn lanes(&self) -> usize {
        self.lanes
    }

    async fn now(&self) -> Result<OffsetDateTime, StoreError> {
        read::now(&self.readers, &*self.clock).await
    }

    async fn account(&self, user_id: &str) -> Result<Option<AccountView>, StoreError> {
        read::account(&self.readers, user_id, &*self.clock).await
    }

    async fn accounts(
        &self,
        filter: &AccountFilter,
        after: Option<&AccountPosition>,
        limit: u32,
    ) -> Result<Vec<AccountView>, StoreError> {
        read::accounts(&self.readers, filter, after, limit, &*self.clock).await
    }

    async fn due_accounts(
        &self,
        after: Option<&DuePosition>,
        limit: u32,
    ) -> Result<Vec<DuePosition>, StoreError> {
        read::due_accounts(&self.readers, after, limit, &*self.clock).await
    }

    async fn entries(
        &self,
        user_id: &str,
        filter: &EntryFilter,
        limit: u32,
    ) -> Result<Vec<Entry>, StoreError> {
        read::entries(&self.readers, user_id, filter, limit).await
    }

    async fn allocation(&self, user_id: &str, id: Uuid) -> Result<Option<AllocationAt>, StoreError> {
        resources::allocation(&self.readers, (user_id, id), &*self.clock).await
    }

    async fn allocations(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<AllocationAt>, StoreError> {
        resources::allocations(&self.readers, (user_id, before), limit, &*self.clock).await
    }

    async fn usage(&self, user_id: &str, id: Uuid) -> Result<Option<Usage>, StoreError> {
        resources::usage(&self.readers, (user_id, id)).await
    }

    async fn usages(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Usage>, StoreError> {
        resources::usages(&self.readers, (user_id, before), limit).await
    }

    async fn reservation(&self, user_id: &str, id: Uuid) -> Result<Option<Reservation>, StoreError> {
        resources::reservation(&self.readers, (user_id, id), &*self.clock).await
    }

    async fn reservations(
        &self,
        user_id: &str,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Reservation>, StoreError> {
        resources::reservations(&self.readers, (user_id, before), limit, &*self.clock).await
    }

    async fn balance(
        &self,
        user_id: &str,
        at: OffsetDateTime,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Option<ExplainedBalance>, StoreError> {
        balance::balance(&self.readers, (user_id, at), before, limit).await
    }

    async fn usage_by_day(
        &self,
        filter: &UsageFilter,
        after: Option<&UsagePosition>,
        limit: u32,
    ) -> Result<Vec<UsageSum>, StoreError> {
        usage_sums::by_day(&self.readers, filter, after, limit).await
    }

    async fn usage_by_month(
        &self,
        user_id: &str,
        filter: &UsageFilter,
        after: Option<&UsagePosition>,
        limit: u32,
    ) -> Result<Vec<UsageSum>, StoreError> {
        usage_sums::by_month(&self.readers, (user_id, filter), after, limit).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        // A standby answers, and takes no write; a database without its tables does too.
        let (is_read_only, _): (bool, bool) = sqlx::query_as(
            "SELECT current_setting('transaction_read_only')::boolean,
                    EXISTS (SELECT FROM accounts) AND EXISTS (SELECT FROM entries)",
        )
        .fetch_one(&self.readers)
        .await?;
        if is_read_only { Err(StoreError::ReadOnly) } else { Ok(()) }
    }
}
