//! Mail that handlers send: composed here, written with the user, sent by the postman.

use std::sync::Arc;

use accrue_chassis::problem::Problem;
use accrue_events::user::UserStatus;
use axum::http::StatusCode;
use tokio::sync::Notify;

use super::App;
use super::error::ApiError;
use super::users::apply;
use crate::domain::{Edit, EmailAddress, Posting, Ticket, TicketKind, User};
use crate::mail::Composer;
use crate::sealing::SealingError;
use crate::store::Changed;

/// How often is read and decided anew because others were faster.
const TRIES: usize = 5;

/// Composes mail, and tells the postman. Without a way for mail to leave none is written.
#[derive(Clone)]
pub(crate) struct Mailing {
    pub(crate) composer: Option<Composer>,
    pub(crate) wake: Arc<Notify>,
    /// Whether only those may sign in who have shown that their address is theirs.
    pub(crate) is_verification_required: bool,
}

impl Mailing {
    /// A mail that asks to show that `to` is the user's; to be written with the user.
    pub(super) fn verification(&self, to: &EmailAddress) -> Result<Option<Posting>, Problem> {
        self.compose(|composer| composer.verification(to))
    }

    /// A mail that gives its reader `to` as their address; to be written with the user.
    pub(super) fn new_address(&self, to: &EmailAddress, epoch: i64) -> Result<Option<Posting>, Problem> {
        self.compose(|composer| composer.new_address(to, epoch))
    }

    fn compose(
        &self,
        compose: impl FnOnce(&Composer) -> Result<Posting, SealingError>,
    ) -> Result<Option<Posting>, Problem> {
        self.composer.as_ref().map(compose).transpose().map_err(|error| {
            tracing::error!(%error, "a mail could not be composed");
            Problem::internal()
        })
    }

    /// Writes a mail to the user of this address, if there is one who is active and
    /// whom it is for. Whether it was written. Otherwise as much is read, composed and
    /// written for nobody: the time that it takes does not tell.
    pub(super) async fn post(
        &self,
        app: &App,
        to: &EmailAddress,
        is_for: impl Fn(&User) -> bool + Send,
        compose: impl Fn(&Composer) -> Result<Posting, SealingError> + Send,
    ) -> Result<bool, ApiError> {
        let found = app.store.by_email(to).await?;
        self.post_to(app, (to, found), is_for, compose).await
    }

    /// The same, where the user of the address has been looked up already.
    pub(super) async fn post_to(
        &self,
        app: &App,
        (to, mut found): (&EmailAddress, Option<User>),
        is_for: impl Fn(&User) -> bool + Send,
        compose: impl Fn(&Composer) -> Result<Posting, SealingError> + Send,
    ) -> Result<bool, ApiError> {
        for _ in 0..TRIES {
            let Some(posting) = self.compose(&compose)? else {
                return Ok(false);
            };
            let Some(user) = found.filter(|user| user.status == UserStatus::Active && is_for(user)) else {
                app.limits.count_nobody().await?;
                return Ok(false);
            };
            if app.store.post(&user.user_id, user.version, posting).await? {
                self.wake.notify_one();
                return Ok(true);
            }
            found = app.store.by_email(to).await?;
        }
        Ok(false)
    }
}

/// The user who holds the ticket, if it is good.
pub(super) async fn holder(app: &App, kind: TicketKind, ticket: &Ticket) -> Result<User, ApiError> {
    let held = app.store.ticket_holder(kind, &ticket.digest()).await?;
    let now = app.clock.now();
    let held = held.filter(|(user, expires_at)| now < *expires_at && user.status == UserStatus::Active);
    held.map(|(user, _)| user).ok_or_else(|| invalid_ticket().into())
}

/// Makes the change that the ticket admits to and uses it up, in one write.
pub(super) async fn redeem(
    app: &App,
    kind: TicketKind,
    ticket: &Ticket,
    traceparent: String,
    change: impl Fn(&User) -> Result<Edit, Problem> + Send,
) -> Result<User, ApiError> {
    for _ in 0..TRIES {
        let user = holder(app, kind, ticket).await?;
        let edit = change(&user)?.use_ticket(kind, ticket.digest());
        match apply::write(app, edit.at(app.clock.now(), Some(traceparent.clone()))).await? {
            Changed::Done(user) => return Ok(user),
            // Another change was faster, or another use of the ticket: looking again tells.
            Changed::Stale => {}
            Changed::EmailTaken | Changed::UsernameTaken | Changed::LastAdmin | Changed::NotFound => break,
        }
    }
    Err(invalid_ticket().into())
}

pub(super) fn invalid_ticket() -> Problem {
    let detail = "This token is none of ours, was used, has expired, or was replaced by a newer one; ask for \
                  another mail.";
    Problem::new(StatusCode::BAD_REQUEST, "invalid_ticket", detail)
}
