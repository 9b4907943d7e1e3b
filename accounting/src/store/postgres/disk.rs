//! That PostgreSQL answers a commit once it is on its disk, whatever the database is set to.

use sqlx::PgConnection;

/// Where a database or a role is set not to wait for the disk, an answer and an ack would go out
/// before what they stand for is kept. What waits for more than that, a standby, stays as it is.
/// It is set in any case: what a session has not set by itself changes under it when the
/// server's settings are read again.
pub(super) async fn wait_for_it(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(
        "SELECT set_config('synchronous_commit', COALESCE(NULLIF(now.value, 'off'), 'on'), false)
         FROM (SELECT current_setting('synchronous_commit')) AS now (value)",
    )
    .execute(connection)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use accrue_chassis::clock::SystemClock;
    use sqlx::AssertSqlSafe;

    use crate::store::postgres::PostgresLedger;

    #[tokio::test]
    async fn commits_wait_for_the_disk_and_no_less_than_before() {
        let Some(database) = accrue_testkit::postgres().await else { return };
        for (set, kept) in [("off", "on"), ("remote_apply", "remote_apply"), ("on", "on")] {
            let clock = Arc::new(SystemClock);
            let store = PostgresLedger::open(database.url(), 1, true, clock.clone()).await.expect("opened");
            let name: String = sqlx::query_scalar("SELECT current_database()::text")
                .fetch_one(&store.readers)
                .await
                .expect("its name");
            let setting = format!("ALTER DATABASE \"{name}\" SET synchronous_commit = {set}");
            sqlx::query(AssertSqlSafe(setting)).execute(&store.readers).await.expect("set");
            let store = PostgresLedger::open(database.url(), 1, true, clock).await.expect("opened");
            let now: (String, String) =
                sqlx::query_as("SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'")
                    .fetch_one(&store.writers)
                    .await
                    .expect("shown");
            // The session's own: nobody changes it under it.
            assert_eq!(now, (kept.to_owned(), "session".to_owned()), "of a database set to {set}");
        }
    }
}
