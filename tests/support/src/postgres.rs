//! A PostgreSQL database for one test.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use uuid::Uuid;

use crate::cleanup;
use crate::server::Server;

/// A fresh, empty database. Dropped with this value at the latest.
#[derive(Debug)]
pub struct TestPostgres {
    server_url: String,
    name: String,
    url: String,
    dropped: bool,
}

/// What holds a table; the end of its connection lets go.
#[derive(Debug)]
pub struct Held(#[expect(dead_code, reason = "it is there to end")] PgConnection);

/// Makes a database on the server of `ACCRUE_TEST_POSTGRES_URL`, or skips.
///
/// # Panics
/// When the server refuses, or is required and not there.
pub async fn postgres() -> Option<TestPostgres> {
    Some(TestPostgres::on(&Server::Postgres.url_or_skip()?).await)
}

impl TestPostgres {
    pub(crate) async fn on(server_url: &str) -> Self {
        let name = format!("t_{}", Uuid::new_v4().simple());
        // template0: unlike template1 nobody can be connected to it, so that any
        // number of tests may copy it at once.
        administer(server_url, format!("CREATE DATABASE {name} TEMPLATE template0"))
            .await
            .expect("the PostgreSQL server under test makes a database");
        let url = with_database(server_url, &name);
        Self { server_url: server_url.to_owned(), name, url, dropped: false }
    }

    pub(crate) async fn answers(server_url: &str) -> bool {
        match PgConnection::connect(server_url).await {
            Ok(mut connection) => connection.execute("SELECT 1").await.is_ok(),
            Err(_) => false,
        }
    }

    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A copy, as a backup is one. Nobody may be connected meanwhile.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn back_up(&self) -> Self {
        let name = format!("t_{}", Uuid::new_v4().simple());
        administer(&self.server_url, format!("CREATE DATABASE {name} TEMPLATE {}", self.name))
            .await
            .expect("the PostgreSQL server under test copies a database");
        let url = with_database(&self.server_url, &name);
        Self { server_url: self.server_url.clone(), name, url, dropped: false }
    }

    /// Becomes what `backup` is. Nobody may be connected to that meanwhile.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn restore(&self, backup: &Self) {
        let made = format!("CREATE DATABASE {} TEMPLATE {}", self.name, backup.name);
        for statement in [drop_statement(&self.name), made] {
            administer(&self.server_url, statement)
                .await
                .expect("the PostgreSQL server under test restores a database");
        }
    }

    /// Holds a table so that others can read and not write it, while the value lives.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn hold(&self, table: &'static str) -> Held {
        let mut connection = PgConnection::connect(&self.url).await.expect("the database is there");
        let statement = format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE");
        connection.execute(AssertSqlSafe(statement)).await.expect("the table can be held");
        Held(connection)
    }

    /// Holds the row of one account so that it can be read and not written, while the value lives.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn hold_account(&self, user_id: &str) -> Held {
        let mut connection = PgConnection::connect(&self.url).await.expect("the database is there");
        connection.execute("BEGIN").await.expect("a transaction begins");
        let query = sqlx::query("SELECT FROM accounts WHERE user_id = $1 FOR UPDATE").bind(user_id);
        let held = query.execute(&mut connection).await.expect("the row can be held");
        assert_eq!(held.rows_affected(), 1, "{user_id} has an account");
        Held(connection)
    }

    /// How many transactions of this database hold locks on rows and are doing nothing.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn idle_transactions(&self) -> i64 {
        let mut connection = PgConnection::connect(&self.url).await.expect("the database is there");
        let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                     AND state LIKE 'idle in transaction%' AND backend_xid IS NOT NULL";
        sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("the server tells")
    }

    /// Drops the database, whoever is still connected to it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn drop_database(mut self) {
        self.dropped = true;
        administer(&self.server_url, drop_statement(&self.name))
            .await
            .expect("the PostgreSQL server under test drops a database");
    }
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        if self.dropped {
            return;
        }
        let (server_url, statement) = (self.server_url.clone(), drop_statement(&self.name));
        cleanup::run(async move { drop(administer(&server_url, statement).await) });
    }
}

fn drop_statement(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

async fn administer(server_url: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect(server_url).await?;
    // Nothing in it comes from outside: the names are made here.
    connection.execute(AssertSqlSafe(statement)).await?;
    connection.close().await
}

/// The server's URL with another database in it; its parameters stay.
pub(crate) fn with_database(server_url: &str, name: &str) -> String {
    let (address, parameters) = match server_url.split_once('?') {
        Some((address, parameters)) => (address, format!("?{parameters}")),
        None => (server_url, String::new()),
    };
    let authority_at = address.find("://").map_or(0, |at| at + 3);
    let authority_end = address[authority_at..].find('/').map_or(address.len(), |at| authority_at + at);
    format!("{}/{name}{parameters}", &address[..authority_end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_replaced_and_the_rest_stays() {
        for (server, database) in [
            ("postgres://u:p@h:1/postgres?sslmode=disable", "postgres://u:p@h:1/x?sslmode=disable"),
            ("postgres://h", "postgres://h/x"),
            ("mongodb://a:1,b:2/?replicaSet=r", "mongodb://a:1,b:2/x?replicaSet=r"),
        ] {
            assert_eq!(with_database(server, "x"), database);
        }
    }

    #[tokio::test]
    async fn each_test_has_a_database_of_its_own() {
        let Some(one) = postgres().await else { return };
        let Some(other) = postgres().await else { return };
        assert_ne!(one.url(), other.url());
        let mut connection = PgConnection::connect(one.url()).await.expect("it is there");
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            .fetch_one(&mut connection)
            .await
            .expect("it answers");
        assert_eq!(tables, 0);
        let url = one.url().to_owned();
        one.drop_database().await;
        assert!(PgConnection::connect(&url).await.is_err(), "the database is gone, under its connection too");
        let url = other.url().to_owned();
        drop(other);
        assert!(PgConnection::connect(&url).await.is_err(), "and so is the one that was only dropped");
    }
}
