//! `POST /v1/accounts/{user_id}/transfers`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use accrue_events::user::is_valid_user_id;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::directory::OnUnknownUser;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, credits_out_of_range};
use crate::http::{Accounting, Newcomers, booking, idempotency, newcomers, user_id};
use crate::ledger::{Action, CREDITS_LIMIT, Rejection, Transfer, TransferReply};

/// Credits to move: either `credits` or `all`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[schema(example = json!({"to": "65f0c0ffee0000000000abce", "all": true, "reason": "mistyped id"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct TransferRequest {
    /// Who gets them.
    #[schema(min_length = 1, max_length = 50)]
    to: String,
    /// How many of what is available.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: Option<i64>,
    /// True: everything that is available or pending.
    all: Option<bool>,
    /// Why.
    #[schema(min_length = 1, max_length = 500)]
    reason: String,
    /// What to do if the user in `to` has no account: `placeholder` opens one, `verify` asks auth first,
    /// `reject` refuses. What accounting is set to, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    on_unknown_user: Option<OnUnknownUser>,
}

impl TransferRequest {
    fn check(&self, from: &str, newcomers: &Newcomers) -> Result<(), Problem> {
        let has_one = self.credits.is_some() != self.all.is_some();
        Fields::new()
            .require(is_valid_user_id(&self.to), || {
                let detail = "to must be 1 to 50 characters long, without control characters, and neither \".\" nor \
                              \"..\".";
                FieldError::new("/to", "invalid_user_id", detail)
            })
            .require(self.to != from, same_account)
            .require(has_one, || FieldError::new("/credits", "choose_one", "Give either credits or all."))
            .require(self.credits.is_none_or(|n| (1..CREDITS_LIMIT).contains(&n)), credits_out_of_range)
            .require(self.all != Some(false), || {
                FieldError::new("/all", "out_of_range", "all must be true, or left out.")
            })
            .require(!self.reason.trim().is_empty(), || {
                FieldError::new("/reason", "required", "reason must say why.")
            })
            .reason(Some(&self.reason))
            .unknown_user(self.on_unknown_user, newcomers)
            .finish()
    }
}

fn same_account() -> FieldError {
    FieldError::new("/to", "same_account", "to must be somebody else than the user in the path.")
}

/// Transfer credits
///
/// The way out for credits that went to a mistyped id. Both accounts change together or
/// neither does. What is drawn arrives with the priority, beginning and end that it had; what
/// reservations hold stays. Any account can be transferred from, closed ones too; to any that
/// is not closed, known here or not, unless `on_unknown_user` says otherwise.
#[utoipa::path(
    post,
    path = "/v1/accounts/{user_id}/transfers",
    tag = "transfers",
    params(
        ("user_id" = String, Path, description = "Whose credits go.", min_length = 1, max_length = 50),
        ("Idempotency-Key" = String, Header, description = "New for each new request.",
         min_length = 1, max_length = 255, example = "ticket-89"),
    ),
    request_body = TransferRequest,
    security(("token" = ["credits:write"])),
    responses(
        (status = 201, description = "Transferred; `Location` is the entry.", body = TransferReply),
        (status = 402, description = "Too little is available: `available` and `required` say how much.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The user in `to` has no account, and none is opened.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "There is nothing to transfer, or too many allocations at once; the \
         target is closed or full; or the key's reply is no longer kept.",
         body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "The key came before with another request.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn create(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(request): Json<TransferRequest>,
) -> Result<Response, ApiError> {
    user_id::check(&id)?;
    request.check(&id, &accounting.newcomers)?;
    let key = idempotency::required_key(&headers, &caller, "transfer", &request)?;
    newcomers::admit_from(&accounting, (&id, &key), (&request.to, request.on_unknown_user)).await?;
    let TransferRequest { to, credits, reason, .. } = request;
    let action = Action::Transfer(Transfer { transfer_id: Uuid::now_v7(), to: to.clone(), credits, reason });
    booking::book(&accounting, (id, &caller), (Some(key), action), StatusCode::CREATED)
        .await
        .map_err(|error| explained(error, &to))
}

/// Says which of the two accounts it is about, where that is not the one in the path.
fn explained(error: ApiError, to: &str) -> ApiError {
    let ApiError::Rejected { user_id, rejection } = error else { return error };
    let conflict = |code, detail| Problem::new(StatusCode::CONFLICT, code, detail).into();
    match rejection {
        Rejection::SameAccount => Problem::invalid(vec![same_account()]).into(),
        Rejection::AccountClosed => conflict(
            "account_closed",
            "The user in `to` was deleted: the account is closed and takes no credits. Nothing was moved.",
        ),
        Rejection::BalanceLimit => conflict(
            "balance_limit",
            "With these credits the balance of the account in `to` would exceed 9007199254740991, the most \
             that an account holds. Nothing was moved.",
        ),
        Rejection::BooksDisagree => {
            tracing::error!(to, "the source of this transfer or its target is left alone: see the next line");
            ApiError::Rejected { user_id, rejection }
        }
        rejection => ApiError::Rejected { user_id, rejection },
    }
}
