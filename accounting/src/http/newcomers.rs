//! Whom accounts are opened for: where a request would make one, whether it may.
//!
//! Nobody who has an account is asked after. So the repetition of a request that was booked
//! is answered as before whatever auth says by now: what it booked is on an account. And a
//! refusal is remembered by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use accrue_chassis::problem::Problem;
use axum::http::StatusCode;
use futures_util::{StreamExt as _, stream};

use super::Accounting;
use super::error::ApiError;
use crate::directory::{Checks, OnUnknownUser, Presence};
use crate::ledger::IdempotencyKey;

/// How many users of one request are asked after at once.
const AT_ONCE: usize = 16;

/// What is done about users who have no account.
#[derive(Clone)]
pub(crate) struct Newcomers {
    /// Where the request does not say.
    pub(crate) by_default: OnUnknownUser,
    /// Where auth can be asked.
    pub(crate) checks: Option<Arc<Checks>>,
}

impl Newcomers {
    /// Whether what a request wants done can be done here.
    pub(super) fn can(&self, wanted: Option<OnUnknownUser>) -> bool {
        wanted != Some(OnUnknownUser::Verify) || self.checks.is_some()
    }
}

/// A user for whom an account would be opened, and what the request wants done then.
pub(super) type Wanted = (String, Option<OnUnknownUser>);

/// Refuses to open an account for `user_id` where that is not to be.
pub(super) async fn admit(
    accounting: &Accounting,
    user_id: &str,
    wanted: Option<OnUnknownUser>,
) -> Result<(), ApiError> {
    let refused = refusals(accounting, [(user_id.to_owned(), wanted)]).await?;
    refused.into_values().next().map_or(Ok(()), |problem| Err(problem.into()))
}

/// The same where the request's key is of another account: `from`. What came with it before
/// is answered as then, or told to be another request.
pub(super) async fn admit_from(
    accounting: &Accounting,
    (from, key): (&str, &IdempotencyKey),
    (to, wanted): (&str, Option<OnUnknownUser>),
) -> Result<(), ApiError> {
    match admit(accounting, to, wanted).await {
        Err(ApiError::Problem(_)) if accounting.store.is_key_used(from, key).await? => Ok(()),
        admitted => admitted,
    }
}

/// Of `wanted` those for whom no account is to be opened, and why.
pub(super) async fn refusals(
    accounting: &Accounting,
    wanted: impl IntoIterator<Item = Wanted>,
) -> Result<BTreeMap<Wanted, Problem>, ApiError> {
    let newcomers = &accounting.newcomers;
    let policy = |wanted: &Wanted| wanted.1.unwrap_or(newcomers.by_default);
    let is_open = |wanted: &Wanted| policy(wanted) == OnUnknownUser::Placeholder;
    let mut wanted: BTreeSet<Wanted> = wanted.into_iter().filter(|one| !is_open(one)).collect();
    keep_missing(accounting, &mut wanted).await?;
    let is_refused = |wanted: &Wanted| policy(wanted) == OnUnknownUser::Reject;
    let (rejected, doubtful): (BTreeSet<_>, BTreeSet<_>) = wanted.into_iter().partition(is_refused);
    let mut refused = ask(newcomers, doubtful).await;
    if !refused.is_empty() {
        // One whose account was opened meanwhile, by the same request perhaps, is known now.
        let mut still: BTreeSet<Wanted> = refused.keys().cloned().collect();
        keep_missing(accounting, &mut still).await?;
        refused.retain(|wanted, _| still.contains(wanted));
    }
    refused.extend(rejected.into_iter().map(|wanted| (wanted, no_account())));
    Ok(refused)
}

/// Keeps of `wanted` those who have no account.
async fn keep_missing(accounting: &Accounting, wanted: &mut BTreeSet<Wanted>) -> Result<(), ApiError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let user_ids: Vec<&str> = wanted.iter().map(|(user_id, _)| user_id.as_str()).collect();
    let missing = accounting.store.missing_accounts(&user_ids).await?;
    wanted.retain(|(user_id, _)| missing.contains(user_id));
    Ok(())
}

/// Those whom auth does not have. Whom it does not say anything of is let through.
async fn ask(newcomers: &Newcomers, doubtful: BTreeSet<Wanted>) -> BTreeMap<Wanted, Problem> {
    let Some(checks) = newcomers.checks.as_deref().filter(|_| !doubtful.is_empty()) else {
        return BTreeMap::new();
    };
    let end = checks.request_ends();
    let asking = stream::iter(doubtful).map(|wanted| async move {
        let problem = match checks.check(&wanted.0, end).await {
            Some(Presence::Unknown) => unknown(),
            Some(Presence::Deleted) => deleted(),
            Some(Presence::Alive) | None => return None,
        };
        Some((wanted, problem))
    });
    asking.buffer_unordered(AT_ONCE).filter_map(std::future::ready).collect().await
}

fn no_account() -> Problem {
    let detail = "This user has no account here, and none is opened by this. If they have just registered, \
                  wait for their account (GET /v1/accounts/{user_id} with `Prefer: wait=5`) and send the same \
                  again; to have the credits wait for them, send \"on_unknown_user\": \"placeholder\".";
    Problem::not_found("user_unknown", detail)
}

fn unknown() -> Problem {
    let detail = "auth knows no user of this id: look whether it is the right one. To have the credits wait \
                  for a user to come, send \"on_unknown_user\": \"placeholder\".";
    Problem::not_found("user_unknown", detail)
}

fn deleted() -> Problem {
    let detail = "The user was deleted: no account is opened, since its credits would belong to nobody.";
    Problem::new(StatusCode::CONFLICT, "user_deleted", detail)
}
