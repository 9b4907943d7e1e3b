//! `POST /v1/allocations/batch`: up to 1,000 allocations, with one result each.

use accrue_chassis::http::Json;
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::HeaderMap;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::batch_item::{BatchItem, BatchResult, Order};
use crate::batcher::Decision;
use crate::http::error::ApiError;
use crate::http::fields::Fields;
use crate::http::{Accounting, Newcomers, idempotency, newcomers};
use crate::ledger::{IdempotencyKey, Rejection};

/// How many allocations one request may bring.
const MAX_ALLOCATIONS: usize = 1_000;
/// What their request may hold.
const MAX_BYTES: usize = 1024 * 1024;
/// How many of them are under way at once: enough to fill a commit, and few enough to
/// leave others room in the ledger's lanes.
const AT_ONCE: usize = 64;
/// How many wrong fields one answer tells of.
const MAX_ERRORS: usize = 100;

/// Allocations to make.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AllocationBatchRequest)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BatchRequest {
    /// To different users or the same ones, in any order; the results come in the same one.
    #[schema(min_items = 1, max_items = 1000)]
    allocations: Vec<BatchItem>,
}

/// What came of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AllocationBatchReply, example = json!({"results": [
    {"outcome": "created", "user_id": "65f0c0ffee0000000000abcd",
     "allocation_id": "01980000-0000-7000-8000-000000000000"},
    {"outcome": "refused", "user_id": "65f0c0ffee0000000000abce", "code": "account_closed",
     "detail": "The user was deleted: the account is closed, takes no new credits and spends none."},
]}))]
pub(in crate::http) struct BatchReply {
    /// One for each allocation, in the order of the request.
    results: Vec<BatchResult>,
}

/// Looks at every field of every allocation, before any is made.
fn check(orders: &[Order], newcomers: &Newcomers) -> Result<(), Problem> {
    if !(1..=MAX_ALLOCATIONS).contains(&orders.len()) {
        let detail = format!("Give 1 to {MAX_ALLOCATIONS} allocations.");
        return Err(Problem::invalid(vec![FieldError::new("/allocations", "invalid_length", detail)]));
    }
    let mut fields = Fields::new();
    for (place, order) in orders.iter().enumerate() {
        fields = order.check(fields.within(format!("/allocations/{place}")), newcomers);
    }
    fields.at_most(MAX_ERRORS).finish()
}

/// Allocate credits to many users
///
/// Nothing is done unless every field of every allocation is right; then each is made or
/// refused by itself. A batch that was cut off, by the deadline of a request too, goes on
/// where it was when it is sent again with the same Idempotency-Key: those made before are
/// `already_created`, and those refused before are tried again.
#[utoipa::path(
    post,
    path = "/v1/allocations/batch",
    tag = "allocations",
    params(("Idempotency-Key" = String, Header, description = "New for each new batch.",
            min_length = 1, max_length = 255, example = "bonus-2026-01")),
    request_body = BatchRequest,
    security(("token" = ["credits:write"])),
    responses(
        (status = 200, description = "What came of each.", body = BatchReply),
        (status = 422, description = "The key came before with another batch.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn batch(
    State(accounting): State<Accounting>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<BatchRequest, MAX_BYTES>,
) -> Result<axum::Json<BatchReply>, ApiError> {
    let orders: Vec<Order> = request.allocations.into_iter().map(Order::from).collect();
    check(&orders, &accounting.newcomers)?;
    let key = idempotency::required_key(&headers, &caller, "allocate batch", &orders)?;
    if !accounting.store.claim_batch_key(&key).await? {
        return Err(ApiError::Rejected { user_id: String::new(), rejection: Rejection::KeyReused });
    }
    let results = make_all(&accounting, &caller.actor(), &key, orders).await?;
    Ok(axum::Json(BatchReply { results }))
}

/// Makes each of `orders`. What is no order's own fault ends the batch.
async fn make_all(
    accounting: &Accounting,
    actor: &str,
    key: &IdempotencyKey,
    orders: Vec<Order>,
) -> Result<Vec<BatchResult>, ApiError> {
    let refused = newcomers::refusals(accounting, orders.iter().map(Order::wanted)).await?;
    let making = orders.into_iter().enumerate().map(|(place, order)| {
        let problem = refused.get(&order.wanted());
        let (batcher, command) = (&accounting.batcher, order.command(actor, key.of_item(place)));
        async move {
            let user_id = command.user_id.clone();
            match problem {
                Some(problem) => Ok(Made::Refused(BatchResult::refused(user_id, problem))),
                None => batcher.post_in_turn(command).await.map(|decision| Made::Decided(user_id, decision)),
            }
        }
    });
    let made: Vec<Made> = stream::iter(making).buffered(AT_ONCE).try_collect().await?;
    told(made)
}

/// What came of one allocation.
enum Made {
    /// Its user has no account, and none was to be opened.
    Refused(BatchResult),
    /// The ledger's decision, and whose account it is about.
    Decided(String, Decision),
}

/// The results of all. An account that somebody else holds locked has held up none of the
/// others; when the batch is sent again, what concerns it is all that is left to do.
fn told(made: Vec<Made>) -> Result<Vec<BatchResult>, ApiError> {
    let result = |one| match one {
        Made::Refused(result) => Ok(result),
        Made::Decided(user_id, Err(rejection @ Rejection::AccountBusy)) => {
            Err(ApiError::Rejected { user_id, rejection })
        }
        Made::Decided(user_id, decision) => Ok(BatchResult::new(user_id, decision)),
    };
    made.into_iter().map(result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Receipt, Reply};

    fn booked() -> Receipt {
        let resource = format!("allocations/{}", uuid::Uuid::nil());
        Receipt::Booked(Reply { resource, body: Vec::new(), is_replay: false })
    }

    #[test]
    fn what_is_locked_asks_for_the_batch_again_and_what_is_refused_does_not() {
        let of = |decisions: Vec<Decision>| {
            told(
                decisions
                    .into_iter()
                    .zip(0..)
                    .map(|(one, place)| Made::Decided(format!("u{place}"), one))
                    .collect(),
            )
        };
        let results = of(vec![Ok(booked()), Err(Rejection::AccountClosed), Ok(booked())]).expect("results");
        let results = serde_json::to_value(results).expect("JSON");
        assert_eq!(
            (&results[1]["outcome"], &results[1]["code"]),
            (&"refused".into(), &"account_closed".into())
        );
        assert_eq!(results[2]["allocation_id"], uuid::Uuid::nil().to_string());
        let busy =
            of(vec![Ok(booked()), Err(Rejection::AccountBusy), Ok(booked())]).expect_err("not all are made");
        let is_expected = |error: &ApiError| {
            let ApiError::Rejected { user_id, rejection } = error else { return false };
            user_id == "u1" && *rejection == Rejection::AccountBusy
        };
        assert!(is_expected(&busy), "{busy:?}");
    }
}
