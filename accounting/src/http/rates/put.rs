//! `PUT /v1/rates/{resource}`

use accrue_chassis::http::{Json, Path};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, TokenProblem};
use accrue_chassis::tokens::Caller;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{RateVersionBody, address, check_resource};
use crate::http::Accounting;
use crate::http::cost::pointer;
use crate::http::distinct::Distinct;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, utc};
use crate::rates::{InvalidCard, RateCard, RateOrder, Revision, UnitRate};

/// What units are to cost.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "units": {"input_tokens": {"credits": "2.5", "per": 1000}, "output_tokens": {"credits": "10", "per": 1000}},
}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RateRequest {
    /// From when on, if not at once.
    #[serde(default, with = "time::serde::rfc3339::option")]
    effective_at: Option<OffsetDateTime>,
    /// What each kind of unit costs, up to 20 of them, named by 1 to 50 of `a-z 0-9 _`.
    /// None at all takes the price away.
    #[schema(value_type = BTreeMap<String, UnitRate>)]
    units: Distinct<UnitRate>,
}

impl RateRequest {
    fn check(&self) -> Result<RateCard, Problem> {
        let card = RateCard::new(self.units.0.clone());
        let card = card.map_err(|wrong| wrong.iter().map(told).collect());
        Fields::new().instant("/effective_at", self.effective_at).finish_with(card)
    }
}

fn told(wrong: &InvalidCard) -> FieldError {
    let (pointer, code) = match wrong {
        InvalidCard::Count => ("/units".to_owned(), "out_of_range"),
        InvalidCard::Name(name) => (pointer(name), "invalid_unit"),
        InvalidCard::Per(name) => (format!("{}/per", pointer(name)), "out_of_range"),
        InvalidCard::CommonMultiple => ("/units".to_owned(), "no_common_multiple"),
    };
    FieldError::new(pointer, code, format!("{wrong}."))
}

/// Set a rate
///
/// Each call makes a version, 1, 2, 3 …, which is never changed; one that asks for what
/// the newest version says already makes none. In force is the highest version whose
/// `effective_at` has come. What was booked keeps the price it had.
#[utoipa::path(
    put,
    path = "/v1/rates/{resource}",
    tag = "rates",
    params(("resource" = String, Path, description = "What to price.", min_length = 1, max_length = 100)),
    request_body = RateRequest,
    security(("token" = ["rates:write"])),
    responses(
        (status = 201, description = "A version was made; `Location` is where it is.", body = RateVersionBody),
        (status = 200, description = "The newest version says the same: this one.", body = RateVersionBody),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn put(
    State(accounting): State<Accounting>,
    caller: Caller,
    Path(resource): Path<String>,
    Json(request): Json<RateRequest>,
) -> Result<Response, ApiError> {
    check_resource(&resource)?;
    let card = request.check()?;
    let effective_at = request.effective_at.and_then(utc);
    let order = RateOrder { resource, effective_at, card, actor: caller.actor() };
    let revision = accounting.store.put_rate(&order).await?.map_err(|_| in_the_past())?;
    Ok(match revision {
        Revision::Unchanged(rate) => axum::Json(RateVersionBody::from(rate)).into_response(),
        Revision::Made(rate) => {
            let address = HeaderValue::from_str(&address(&rate)).map_err(|_| Problem::internal())?;
            let body = axum::Json(RateVersionBody::from(rate));
            (StatusCode::CREATED, [(header::LOCATION, address)], body).into_response()
        }
    })
}

fn in_the_past() -> Problem {
    let detail = "effective_at has passed, and what was booked keeps its price: give an instant that lies \
                  ahead, or none for at once.";
    Problem::invalid(vec![FieldError::new("/effective_at", "in_the_past", detail)])
}
