//! `GET /v1/accounts?status=&email=&limit=&cursor=`

use accrue_chassis::http::Query;
use accrue_chassis::problem::{FieldError, Problem};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::AccountBody;
use crate::http::Accounting;
use crate::http::cursor::{self, Page};
use crate::http::error::ApiError;
use crate::ledger::AccountStatus;
use crate::store::{AccountFilter, AccountPosition};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Params {
    status: Option<String>,
    email: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

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
