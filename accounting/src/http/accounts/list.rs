//! `GET /v1/accounts?status=&email=&limit=&cursor=`

use accrue_chassis::http::Query;
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::AccountBody;
use crate::http::Accounting;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::ledger::AccountStatus;
use crate::store::{AccountFilter, AccountPosition};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    /// Only those in this state: `placeholder`, `active`, `suspended`, `closed` or `orphaned`.
    #[param(example = "placeholder")]
    status: Option<String>,
    /// Only the one with this address.
    email: Option<String>,
    /// How many at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Accounts, newest first
#[utoipa::path(
    get,
    path = "/v1/accounts",
    tag = "accounts",
    params(Params),
    security(("token" = ["accounts:read"])),
    responses(
        (status = 200, description = "One page.", body = Page<AccountBody>),
        AnyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Query(params): Query<Params>,
) -> Result<Json<Page<AccountBody>>, ApiError> {
    let limit = cursor::checked_limit(params.limit)?;
    let status = params.status.as_deref().map(parse_status).transpose()?;
    let email = params.email.map(|email| email.trim().to_lowercase());
    if email.as_ref().is_some_and(|email| email.contains('\0')) {
        let detail = "email holds a NUL character; leave it out.";
        return Err(Problem::invalid(vec![FieldError::new("", "nul_character", detail)]).into());
    }
    let after = params.cursor.as_deref().map(cursor::parse_account).transpose()?;
    let filter = AccountFilter { status, email };
    let accounts = accounting.store.accounts(&filter, after.as_ref(), limit + 1).await?;
    let page = Page::cut(accounts, limit, |view| {
        let user_id = view.account.user_id.clone();
        cursor::after_account(&AccountPosition { created_at: view.created_at, user_id })
    });
    Ok(Json(page.map(AccountBody::from)))
}

fn parse_status(word: &str) -> Result<AccountStatus, Problem> {
    AccountStatus::from_word(word).ok_or_else(|| {
        let words: Vec<&str> = AccountStatus::ALL.iter().map(|status| status.word()).collect();
        let detail = format!("status must be one of {}.", words.join(", "));
        Problem::invalid(vec![FieldError::new("", "invalid_status", detail)])
    })
}
