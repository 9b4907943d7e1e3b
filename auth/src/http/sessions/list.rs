//! `GET /v1/users/me/sessions`: where somebody is signed in.

use accrue_chassis::http::Query;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{session_id, user_id};
use crate::domain::Session;
use crate::http::App;
use crate::http::error::ApiError;

const MAX_LIMIT: u32 = 200;

/// Which part of the list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Page {
    /// How many at most.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: u32,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

fn default_limit() -> u32 {
    50
}

/// Sessions, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Sessions)]
pub(in crate::http) struct Sessions {
    data: Vec<SessionBody>,
    /// For the next page; null on the last one.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// Somewhere that the user is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session, example = json!({
    "session_id": "01980000-0000-7000-8000-000000000000", "device": "curl/8.5.0", "is_current": true,
    "created_at": "2026-01-02T03:04:05.678Z", "last_used_at": "2026-01-02T04:04:05.678Z",
    "expires_at": "2026-02-01T04:04:05.678Z",
}))]
struct SessionBody {
    session_id: Uuid,
    /// What the client called itself.
    #[schema(required)]
    device: Option<String>,
    /// Whether it is the one that asks.
    is_current: bool,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_used_at: OffsetDateTime,
    /// When it ends unless it is refreshed.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// My sessions
#[utoipa::path(
    get,
    path = "/v1/users/me/sessions",
    tag = "sessions",
    params(Page),
    security(("owner" = [])),
    responses((status = 200, description = "Newest first.", body = Sessions), AnyProblem, TokenProblem)
)]
pub(in crate::http) async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(page): Query<Page>,
) -> Result<Json<Sessions>, ApiError> {
    if !(1..=MAX_LIMIT).contains(&page.limit) {
        return Err(Problem::bad_request("invalid_query", "limit must be from 1 to 200.").into());
    }
    let before = page.cursor.map(|cursor| cursor.parse::<Uuid>()).transpose();
    let before = before.map_err(|_| Problem::bad_request("invalid_cursor", "This is no cursor of ours."))?;
    let user_id = user_id(&caller)?;
    // A user who is gone has no sessions, whatever is left of them.
    let Some(user) = app.store.user(user_id).await? else {
        return Ok(Json(Sessions { data: Vec::new(), next_cursor: None }));
    };
    let now = app.clock.now();
    let limit = page.limit;
    let mut found = app.store.sessions_of(user_id, user.session_epoch, now, before, limit + 1).await?;
    let is_last = found.len() <= limit as usize;
    found.truncate(limit as usize);
    let next_cursor = found.last().filter(|_| !is_last).map(|session| session.session_id.to_string());
    let current = session_id(&caller);
    let data = found.into_iter().map(|session| SessionBody::new(session, current)).collect();
    Ok(Json(Sessions { data, next_cursor }))
}

impl SessionBody {
    fn new(session: Session, current: Option<Uuid>) -> Self {
        Self {
            is_current: current == Some(session.session_id),
            session_id: session.session_id,
            device: session.device,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
        }
    }
}
