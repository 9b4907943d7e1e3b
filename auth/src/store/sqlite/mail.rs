//! Mail and tickets in SQLite: a table of each, mail leased row by row.

use std::time::Duration;

use accrue_chassis::clock::{from_micros, to_micros};
use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{Connection as _, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::postings::insert_posting;
use super::user_rows::read_user;
use super::{BEGIN, SqliteStore, StoreError, fault};
use crate::domain::{Digest, MailKind, Posting, TicketKind, User, WaitingMail};
use crate::sealing::Sealed;
use crate::store::{ClaimedMail, MailClaim, MailStore};

#[async_trait]
impl MailStore for SqliteStore {
    async fn post(&self, user_id: &str, version: i64, posting: Posting) -> Result<bool, StoreError> {
        let (writer, user_id) = (self.writer.clone(), user_id.to_owned());
        self.calls
            .run(async move {
                let mut connection = writer.acquire().await.map_err(fault)?;
                let mut transaction = connection.begin_with(BEGIN).await.map_err(fault)?;
                let found: Option<i64> =
                    sqlx::query_scalar("SELECT version FROM users WHERE user_id = ?1 AND version = ?2")
                        .bind(&user_id)
                        .bind(version)
                        .fetch_optional(&mut *transaction)
                        .await
                        .map_err(fault)?;
                if found.is_some() {
                    insert_posting(&mut transaction, &user_id, &posting).await?;
                }
                transaction.commit().await.map_err(fault)?;
                Ok(found.is_some())
            })
            .await
    }

    async fn ticket_holder(
        &self,
        kind: TicketKind,
        digest: &Digest,
    ) -> Result<Option<(User, OffsetDateTime)>, StoreError> {
        let readers = self.readers.clone();
        let query = sqlx::query(
            "SELECT users.user_id, email, email_verified, username, display_name, roles, status,
                    session_epoch, version, created_at, password_hash, tickets.expires_at
             FROM tickets JOIN users USING (user_id) WHERE tickets.digest = ?1 AND tickets.kind = ?2",
        )
        .bind(digest.to_vec())
        .bind(kind.word());
        let row = self.calls.run(async move { query.fetch_optional(&readers).await.map_err(fault) }).await?;
        row.as_ref().map(|row| Ok((read_user(row)?, read_time(row, "expires_at")?))).transpose()
    }

    /// One statement finds and leases, so no two claims get the same mail.
    async fn claim_mail(&self, limit: usize, lease: Duration) -> Result<MailClaim, StoreError> {
        let (writer, now, token) = (self.writer.clone(), self.clock.now(), Uuid::new_v4());
        let claim = sqlx::query(
            "UPDATE mail SET lease_token = ?1, lease_until = ?2
             WHERE rowid IN (SELECT rowid FROM mail
                             WHERE due_at <= ?3
                               AND (lease_until IS NULL OR lease_until <= ?3 OR lease_until > ?4)
                             ORDER BY due_at LIMIT ?5)
             RETURNING user_id, kind, mail_id, key_id, sealed, tries",
        )
        .bind(token)
        .bind(to_micros(now + lease))
        .bind(to_micros(now))
        .bind(to_micros(now + 2 * lease))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.calls.run(async move { claim.fetch_all(&writer).await.map_err(fault) }).await?;
        let mails = rows.iter().map(read_mail).collect::<Result<_, _>>()?;
        Ok(MailClaim { token, mails })
    }

    async fn mark_sent(&self, claim: &MailClaim, mail: &ClaimedMail) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let delete = sqlx::query("DELETE FROM mail WHERE lease_token = ?1 AND mail_id = ?2")
            .bind(claim.token)
            .bind(mail.mail.id);
        self.calls.run(async move { delete.execute(&writer).await.map(drop).map_err(fault) }).await
    }

    async fn put_off(
        &self,
        claim: &MailClaim,
        mail: &ClaimedMail,
        due: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let put_off = sqlx::query(
            "UPDATE mail SET tries = tries + 1, due_at = ?3 WHERE lease_token = ?1 AND mail_id = ?2",
        )
        .bind(claim.token)
        .bind(mail.mail.id)
        .bind(to_micros(due));
        self.calls.run(async move { put_off.execute(&writer).await.map(drop).map_err(fault) }).await
    }

    async fn mail_not_under(
        &self,
        key_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, WaitingMail)>, StoreError> {
        let readers = self.readers.clone();
        let query = sqlx::query(
            "SELECT user_id, kind, mail_id, key_id, sealed, tries FROM mail
             WHERE key_id <> ?1
               AND user_id IN (SELECT DISTINCT user_id FROM mail WHERE key_id <> ?1 AND user_id > ?2
                               ORDER BY user_id LIMIT ?3)
             ORDER BY user_id, kind",
        )
        .bind(key_id.to_owned())
        .bind(after.to_owned())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX));
        let rows = self.calls.run(async move { query.fetch_all(&readers).await.map_err(fault) }).await?;
        rows.iter().map(|row| read_mail(row).map(|mail| (mail.user_id, mail.mail))).collect()
    }

    async fn reseal_mail(
        &self,
        user_id: &str,
        mail: &WaitingMail,
        sealed: &Sealed,
    ) -> Result<bool, StoreError> {
        let writer = self.writer.clone();
        let reseal = sqlx::query(
            "UPDATE mail SET key_id = ?4, sealed = ?5 WHERE user_id = ?1 AND mail_id = ?2 AND key_id = ?3",
        )
        .bind(user_id.to_owned())
        .bind(mail.id)
        .bind(mail.sealed.key_id.clone())
        .bind(sealed.key_id.clone())
        .bind(sealed.bytes.clone());
        let done = self.calls.run(async move { reseal.execute(&writer).await.map_err(fault) }).await?;
        Ok(done.rows_affected() > 0)
    }

    async fn release_mail(&self, claim: &MailClaim) -> Result<(), StoreError> {
        let writer = self.writer.clone();
        let release =
            sqlx::query("UPDATE mail SET lease_token = NULL, lease_until = NULL WHERE lease_token = ?1")
                .bind(claim.token);
        self.calls.run(async move { release.execute(&writer).await.map(drop).map_err(fault) }).await
    }
}

fn read_mail(row: &SqliteRow) -> Result<ClaimedMail, StoreError> {
    let kind: &str = row.try_get("kind").map_err(fault)?;
    let mail = WaitingMail {
        id: row.try_get("mail_id").map_err(fault)?,
        kind: MailKind::from_word(kind).ok_or_else(|| StoreError::corrupt("an unknown kind of mail"))?,
        sealed: Sealed {
            key_id: row.try_get("key_id").map_err(fault)?,
            bytes: row.try_get("sealed").map_err(fault)?,
        },
    };
    let (user_id, tries) = (row.try_get("user_id").map_err(fault)?, row.try_get("tries").map_err(fault)?);
    Ok(ClaimedMail { user_id, mail, tries })
}

fn read_time(row: &SqliteRow, column: &str) -> Result<OffsetDateTime, StoreError> {
    let at: i64 = row.try_get(column).map_err(fault)?;
    from_micros(at).ok_or_else(|| StoreError::corrupt("a time out of range"))
}
