//! Changing a user: read, decide, write if nobody was faster, else once more.

use accrue_chassis::http::{SECURITY_LOG, TraceContext};
use accrue_chassis::problem::Problem;
use accrue_events::user::UserStatus;

use super::problems;
use crate::domain::{Edit, Password, User, UserChange};
use crate::http::App;
use crate::http::error::ApiError;
use crate::limits::{Limit, by_user};
use crate::store::{Changed, Login};

/// How often a change is decided anew because others were faster.
const TRIES: usize = 5;

/// A user who changes what is their own.
pub(super) struct Owner<'a> {
    /// Who.
    pub(super) user_id: &'a str,
    /// The session that they ask in. It goes on where a change ends all others.
    pub(super) session_id: Option<&'a str>,
    /// To be compared with theirs; without one it is not asked for.
    pub(super) password: Option<Password>,
}

/// Writes what `decide` makes of the user as they are now. An edit that changes
/// nothing is not written: the user is as they were asked to be.
pub(super) async fn apply(
    app: &App,
    user_id: &str,
    trace: &TraceContext,
    decide: impl Fn(&User) -> Result<Edit, Problem> + Sync,
) -> Result<User, ApiError> {
    apply_as(app, &Owner { user_id, session_id: None, password: None }, trace, decide).await
}

/// The same, for the user themselves.
pub(super) async fn apply_as(
    app: &App,
    owner: &Owner<'_>,
    trace: &TraceContext,
    decide: impl Fn(&User) -> Result<Edit, Problem> + Sync,
) -> Result<User, ApiError> {
    for _ in 0..TRIES {
        let login = app.store.login_of(owner.user_id).await?.ok_or_else(problems::not_found)?;
        if let Some(password) = &owner.password {
            require_password(app, &login, password).await?;
        }
        let edit = decide(&login.user)?;
        if edit.is_empty() {
            return Ok(login.user);
        }
        match write(app, edit.at(app.clock.now(), Some(trace.traceparent()))).await? {
            Changed::Done(user) => {
                carry_session(app, owner, &login.user, &user).await;
                return Ok(user);
            }
            Changed::Stale => {}
            Changed::EmailTaken => return Err(problems::email_taken().into()),
            Changed::UsernameTaken => return Err(problems::username_taken().into()),
            Changed::LastAdmin => return Err(problems::last_admin().into()),
            Changed::NotFound => return Err(problems::not_found().into()),
        }
    }
    Err(problems::changed_meanwhile().into())
}

/// If this fails the user signs in once more: the change is done all the same.
async fn carry_session(app: &App, owner: &Owner<'_>, before: &User, after: &User) {
    let session_id = owner.session_id.and_then(|id| id.parse().ok());
    if let Some(session_id) = session_id.filter(|_| before.session_epoch != after.session_epoch)
        && let Err(error) = app.store.carry_session(owner.user_id, session_id, after.session_epoch).await
    {
        tracing::warn!(cause = &error as &dyn std::error::Error, "a session was not carried on");
    }
}

/// Writes the change and wakes the relay, to the end, even if the client hangs up.
pub(in crate::http) async fn write(app: &App, change: UserChange) -> Result<Changed, ApiError> {
    let (store, wake) = (app.store.clone(), app.wake.clone());
    let mail_wake = change.posting.is_some().then(|| app.mailing.wake.clone());
    let written = app.lifecycle.run_to_end(async move {
        let changed = store.change(change).await;
        // An answer that was lost may belong to a change that was written.
        if !matches!(changed, Ok(Changed::Stale | Changed::LastAdmin | Changed::NotFound)) {
            wake.notify_one();
            mail_wake.inspect(|wake| wake.notify_one());
        }
        changed
    });
    Ok(written.await??)
}

/// Whoever has somebody's token must not be able to guess the password at leisure.
pub(super) async fn require_password(app: &App, login: &Login, password: &Password) -> Result<(), ApiError> {
    let subject = by_user(&login.user.user_id);
    let slot = app.limits.admit(Limit::LoginByAccount, &subject).await?.or_problem()?;
    let is_right = match &login.password_hash {
        Some(hash) => app.passwords.verify(password.clone(), hash.clone()).await?,
        None => false,
    };
    if !is_right {
        let user_id = &login.user.user_id;
        tracing::info!(target: SECURITY_LOG, event = "password_refused", user_id);
        return Err(problems::wrong_password().into());
    }
    app.limits.give_back(slot).await?;
    Ok(())
}

/// The user, if they have not been erased.
pub(super) fn alive(user: &User) -> Result<&User, Problem> {
    if user.status == UserStatus::Deleted { Err(problems::not_found()) } else { Ok(user) }
}
