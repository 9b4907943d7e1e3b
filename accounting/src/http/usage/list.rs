//! `GET /v1/accounts/{user_id}/usage?limit=&cursor=`

use accrue_chassis::http::{Path, Query};
use accrue_chassis::problem_docs::{AnyProblem, NotFoundProblem, TokenProblem};
use axum::Json;
use axum::extract::State;

use crate::http::Accounting;
use crate::http::accounts::readable;
use crate::http::cursor::{self, Page, PageParams};
use crate::http::error::ApiError;
use crate::ledger::UsageView;

/// Usages of an account, newest first
#[utoipa::path(
    get,
    path = "/v1/accounts/{user_id}/usage",
    tag = "usage",
    params(
        ("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50),
        PageParams,
    ),
    security(("token" = ["accounts:read"]), ("owner" = [])),
    responses(
        (status = 200, description = "One page.", body = Page<UsageView>),
        AnyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn list(
    State(accounting): State<Accounting>,
    Path(id): Path<String>,
    Query(params): Query<PageParams>,
) -> Result<Json<Page<UsageView>>, ApiError> {
    let (limit, before) = params.check()?;
    readable(&accounting, &id).await?;
    let found = accounting.store.usages(&id, before, limit + 1).await?;
    let page = Page::cut(found, limit, |one| cursor::after_id(one.id));
    Ok(Json(page.map(|one| UsageView::new(&id, &one))))
}
