//! The port of mail: what waits to be sent, leased like the outbox but apart from it,
//! so that a mail server that is down delays no event.

use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use super::StoreError;
use crate::domain::{Digest, Posting, TicketKind, User, WaitingMail};
use crate::sealing::Sealed;

/// The mail that waits with the users, and the tickets that it tells.
#[async_trait]
pub trait MailStore: Send + Sync + 'static {
    /// Writes a mail and its ticket with the user, if they are still at `version`:
    /// the mail was written to the address that they had then. It is no change of the
    /// user: no new version, no event. Whether it was written.
    ///
    /// # Errors
    /// [`StoreError`]. After `Unavailable` it may have been written.
    async fn post(&self, user_id: &str, version: i64, posting: Posting) -> Result<bool, StoreError>;

    /// The user who holds this ticket, and until when it is good.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn ticket_holder(
        &self,
        kind: TicketKind,
        digest: &Digest,
    ) -> Result<Option<(User, OffsetDateTime)>, StoreError>;

    /// Leases mail of up to `limit` users that is due and that nobody holds.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn claim_mail(&self, limit: usize, lease: Duration) -> Result<MailClaim, StoreError>;

    /// Takes away a mail that was sent or given up, unless another has taken its place.
    ///
    /// # Errors
    /// [`StoreError`]; the mail may then be sent once more.
    async fn mark_sent(&self, claim: &MailClaim, mail: &ClaimedMail) -> Result<(), StoreError>;

    /// Counts a try that the mail server refused; the next one is due then.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn put_off(
        &self,
        claim: &MailClaim,
        mail: &ClaimedMail,
        due: OffsetDateTime,
    ) -> Result<(), StoreError>;

    /// Mail that waits, held or not, of up to `limit` users by their ids from `after` on,
    /// as far as it is sealed under another key than this one.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn mail_not_under(
        &self,
        key_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, WaitingMail)>, StoreError>;

    /// Puts `sealed` in the place of what this very mail was sealed as. Whether that was
    /// still there. It is the same mail: whoever holds it goes on.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn reseal_mail(
        &self,
        user_id: &str,
        mail: &WaitingMail,
        sealed: &Sealed,
    ) -> Result<bool, StoreError>;

    /// Ends the lease: what was not marked can be claimed at once, or when it is due.
    ///
    /// # Errors
    /// [`StoreError`]; the lease then ends by itself.
    async fn release_mail(&self, claim: &MailClaim) -> Result<(), StoreError>;
}

/// Mail that is leased.
#[derive(Debug, Clone)]
pub struct MailClaim {
    /// Fences off everybody whose lease has ended.
    pub token: Uuid,
    /// The mail.
    pub mails: Vec<ClaimedMail>,
}

/// One mail of a claim.
#[derive(Debug, Clone)]
pub struct ClaimedMail {
    /// Whose it is.
    pub user_id: String,
    /// The mail.
    pub mail: WaitingMail,
    /// How often the server has refused it.
    pub tries: u32,
}
