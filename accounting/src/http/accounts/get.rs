//! `GET /v1/accounts/{user_id}`

use accrue_chassis::http::Path;
use axum::Json;
use axum::extract::State;

use super::{AccountBody, unknown_account};
use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};

pub(in crate::http) async fn get(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
) -> Result<Json<AccountBody>, ApiError> {
    user_id::check(&id)?;
    let account = accounting.store.account(&id).await?.ok_or_else(unknown_account)?;
    Ok(Json(account.into()))
}
