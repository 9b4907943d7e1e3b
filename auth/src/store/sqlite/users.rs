//! Users in SQLite.

use accrue_chassis::clock::to_micros;
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::user_rows::{read_login, read_user, select_users, status_word};
use super::{SqliteStore, StoreError, changing, fault, registering, versions};
use crate::domain::{IdempotencyKey, KeptReply, LoginName, NewUser, Replay, Role, User, UserChange};
use crate::store::{Changed, Login, Registration, UserFilter, UserPosition, UserStore, UserVersion};

#[async_trait]
impl UserStore for SqliteStore {
    fn new_user_id(&self) -> String {
        Uuid::now_v7().to_string()
    }

    async fn register(&self, new: NewUser) -> Result<Registration, StoreError> {
        let writer = self.writer.clone();
        self.calls.run(async move { registering::register(&writer, new).await }).await
    }

    async fn kept_reply(&self, key: IdempotencyKey) -> Result<Option<KeptReply>, StoreError> {
        let readers = self.readers.clone();
        self.calls
            .run(async move {
                let mut connection = readers.acquire().await.map_err(fault)?;
                registering::find_kept_reply(&mut connection, &key.digest()).await
            })
            .await
    }

    async fn login(&self, name: &LoginName) -> Result<Option<Login>, StoreError> {
        let query = match name {
            LoginName::Email(_) => sqlx::query(select_users!("WHERE email = ?1")),
            LoginName::Username(_) => sqlx::query(select_users!("WHERE username = ?1")),
        };
        let (readers, query) = (self.readers.clone(), query.bind(name.as_str().to_owned()));
        let row = self.calls.run(async move { query.fetch_optional(&readers).await.map_err(fault) }).await?;
        row.as_ref().map(read_login).transpose()
    }

    async fn login_of(&self, user_id: &str) -> Result<Option<Login>, StoreError> {
        let readers = self.readers.clone();
        let query = sqlx::query(select_users!("WHERE user_id = ?1")).bind(user_id.to_owned());
        let row = self.calls.run(async move { query.fetch_optional(&readers).await.map_err(fault) }).await?;
        row.as_ref().map(read_login).transpose()
    }

    async fn change(&self, change: UserChange) -> Result<Changed, StoreError> {
        let writer = self.writer.clone();
        self.calls.run(async move { changing::change(&writer, change).await }).await
    }

    async fn replay(&self, replay: Replay) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        self.calls.run(async move { versions::replay(&writer, &replay).await }).await
    }

    async fn versions(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Option<Vec<UserVersion>>, StoreError> {
        let (readers, after) = (self.readers.clone(), after.map(ToOwned::to_owned));
        self.calls.run(async move { versions::versions(&readers, after, limit).await.map(Some) }).await
    }

    async fn upgrade_password_hash(
        &self,
        user_id: &str,
        from: &SecretString,
        to: SecretString,
    ) -> Result<bool, StoreError> {
        let (writer, user_id, from) = (self.writer.clone(), user_id.to_owned(), from.clone());
        self.calls
            .run(async move {
                sqlx::query("UPDATE users SET password_hash = ?3 WHERE user_id = ?1 AND password_hash = ?2")
                    .bind(user_id)
                    .bind(from.expose_secret())
                    .bind(to.expose_secret())
                    .execute(&writer)
                    .await
                    .map(|done| done.rows_affected() > 0)
                    .map_err(fault)
            })
            .await
    }

    async fn list(
        &self,
        filter: &UserFilter,
        after: Option<&UserPosition>,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let query = sqlx::query(select_users!(
            "WHERE (?1 IS NULL OR status = ?1)
               AND (?2 IS NULL OR instr(' ' || roles || ' ', ' ' || ?2 || ' ') > 0)
               AND (?3 IS NULL OR (created_at, user_id) < (?3, ?4))
             ORDER BY created_at DESC, user_id DESC LIMIT ?5"
        ))
        .bind(filter.status.map(status_word))
        .bind(filter.role.map(Role::word))
        .bind(after.map(|position| to_micros(position.created_at)))
        .bind(after.map(|position| position.user_id.clone()))
        .bind(limit);
        let readers = self.readers.clone();
        let rows = self.calls.run(async move { query.fetch_all(&readers).await.map_err(fault) }).await?;
        rows.iter().map(read_user).collect()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let readers = self.readers.clone();
        // Reads a page of the file, which a mere SELECT 1 would not.
        let ping = sqlx::query("SELECT count(*) FROM sqlite_schema");
        self.calls.run(async move { ping.fetch_one(&readers).await.map(drop).map_err(fault) }).await
    }
}
