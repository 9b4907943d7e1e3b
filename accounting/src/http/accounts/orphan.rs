//! `POST /v1/accounts/{user_id}/orphan`

use accrue_chassis::http::{Json, Path, SECURITY_LOG};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, NotFoundProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::readable;
use crate::http::account_versions::AccountVersionBody;
use crate::http::error::ApiError;
use crate::http::{Accounting, user_id};
use crate::ledger::{Action, Command, Rejection};

/// The account as whoever asks saw it.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"user_version": 1_767_323_045_678_i64}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct OrphanRequest {
    /// Its `user_version`, as `/v1/account-versions` shows it: null where it has none.
    #[serde(deserialize_with = "given")]
    #[schema(required)]
    user_version: Option<i64>,
}

/// A member that may be null, but not left out: who has not looked must not name what was seen.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Option::deserialize(deserializer)
}

/// Mark an account as one without a user
///
/// For whoever has found that auth knows no such user. Its status becomes `orphaned`, if it is active or
/// suspended and no event has come since; nothing of its credits changes. The next event of a live user
/// makes it what that says.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/orphan",
    tag = "accounts",
    params(("user_id" = String, Path, description = "Whose account.", min_length = 1, max_length = 50)),
    request_body = OrphanRequest,
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "It is `orphaned`, now or since before.", body = AccountVersionBody),
        (status = 409, description = "The account is closed, a placeholder, or of another version.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem, NotFoundProblem,
    )
)]
pub(in crate::http) async fn orphan(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path(id): Path<String>,
    Json(request): Json<OrphanRequest>,
) -> Result<axum::Json<AccountVersionBody>, ApiError> {
    user_id::check(&id)?;
    let (actor, user_version) = (caller.actor(), request.user_version);
    let action = Action::Orphan { user_version };
    let command = Command { user_id: id.clone(), actor: actor.clone(), idempotency: None, action };
    match accounting.batcher.post(command).await? {
        Ok(_) => {
            tracing::info!(target: SECURITY_LOG, event = "account_orphaned", actor, user_id = id);
            Ok(axum::Json(readable(&accounting, &id).await?.into()))
        }
        Err(rejection) => {
            if rejection == Rejection::AccountChanged {
                // To the ledger no account is a placeholder; here it is another answer.
                readable(&accounting, &id).await?;
            }
            Err(ApiError::Rejected { user_id: id, rejection })
        }
    }
}
