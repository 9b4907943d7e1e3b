//! Users who were shut out: what their tokens still say counts for nothing here.
//!
//! A token is good by its signature until it expires; that its user was deactivated or
//! erased is known as soon as the event is in. Whoever has no account yet is let through.

use std::sync::Arc;

use accrue_chassis::http::SECURITY_LOG;
use accrue_chassis::problem::Problem;
use accrue_chassis::tokens::Caller;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use crate::ledger::AccountStatus;
use crate::store::LedgerStore;

/// To be laid around all routes, inside of the guard, which puts the caller in.
pub(crate) async fn refuse(
    State(store): State<Arc<dyn LedgerStore>>,
    request: Request,
    next: Next,
) -> Response {
    let caller = request.extensions().get::<Caller>();
    if let Some(user_id) = caller.and_then(Caller::user_id) {
        match is_shut_out(&*store, user_id).await {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(target: SECURITY_LOG, event = "refused", reason = "account_suspended", user_id);
                let detail = "This account is suspended or closed: its user may do nothing here any more.";
                return Problem::new(StatusCode::FORBIDDEN, "account_suspended", detail).into_response();
            }
            Err(error) => return error.into_response(),
        }
    }
    next.run(request).await
}

async fn is_shut_out(store: &dyn LedgerStore, user_id: &str) -> Result<bool, ApiError> {
    let account = store.account(user_id).await?;
    Ok(account.is_some_and(|found| {
        matches!(found.account.status, AccountStatus::Suspended | AccountStatus::Closed)
    }))
}
