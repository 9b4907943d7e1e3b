//! `POST /v1/rates/quote`

use accrue_chassis::http::Json;
use accrue_chassis::problem::Problem;
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, ProblemBody, TokenProblem};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::unpriced;
use crate::http::Accounting;
use crate::http::cost::checked_units;
use crate::http::distinct::Distinct;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, utc};
use crate::rates::{Price, RateVersion, UnitRate, Units, Unpriced};

/// What to price.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"resource": "chat", "units": {"input_tokens": 1234, "output_tokens": 929}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct QuoteRequest {
    /// Of what.
    #[schema(min_length = 1, max_length = 100)]
    resource: String,
    /// How much of which kind.
    #[schema(value_type = BTreeMap<String, u64>)]
    units: Distinct<u64>,
    /// By the rate that is in force at this instant, if not now.
    #[serde(default, with = "time::serde::rfc3339::option")]
    at: Option<OffsetDateTime>,
}

/// What units would cost. Nothing was booked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Quote, example = json!({
    "resource": "chat", "rate_version": 2, "credits": 13, "exact": "12.375",
    "lines": [{"unit": "input_tokens", "quantity": 1234, "rate": {"credits": "2.5", "per": 1000}, "exact": "3.085"},
              {"unit": "output_tokens", "quantity": 929, "rate": {"credits": "10", "per": 1000}, "exact": "9.29"}],
}))]
pub(in crate::http) struct QuoteBody {
    /// Of what.
    resource: String,
    /// The version of the rate that priced it.
    rate_version: i64,
    /// What a request with these units costs: `exact`, rounded up.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    credits: i64,
    /// What the lines come to: a decimal, or, where that has no end, a fraction such as `37/3`.
    exact: String,
    /// What each kind of unit comes to.
    lines: Vec<QuoteLine>,
}

/// One kind of unit.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct QuoteLine {
    /// Its name.
    unit: String,
    /// How much of it.
    quantity: u64,
    /// What it costs.
    rate: UnitRate,
    /// What that comes to.
    exact: String,
}

/// Price units
///
/// What `units` in a usage, a reservation or a capture would cost. Nothing is booked, and
/// no credits are held to it.
#[utoipa::path(
    post,
    path = "/v1/rates/quote",
    tag = "rates",
    request_body = QuoteRequest,
    security(("token" = ["accounts:read"]), ("token" = ["usage:write"]), ("token" = ["rates:write"])),
    responses(
        (status = 200, description = "The price.", body = QuoteBody),
        (status = 409, description = "No rate of this resource is in force then.",
         body = ProblemBody, content_type = "application/problem+json"),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn quote(
    State(accounting): State<Accounting>,
    Json(request): Json<QuoteRequest>,
) -> Result<axum::Json<QuoteBody>, ApiError> {
    let units = check(&request)?;
    let rate = accounting.store.rate_at(&request.resource, request.at.and_then(utc)).await?;
    let rate = rate.ok_or_else(|| unpriced(&Unpriced::NoRate))?;
    let price = rate.card.price(&units).map_err(|why| unpriced(&why))?;
    Ok(axum::Json(QuoteBody::new(&rate, &units, price)))
}

fn check(request: &QuoteRequest) -> Result<Units, Problem> {
    let fields = Fields::new().resource(Some(&request.resource)).instant("/at", request.at);
    fields.finish_with(checked_units(&request.units))
}

impl QuoteBody {
    fn new(rate: &RateVersion, units: &Units, price: Price) -> Self {
        let line = |(unit, quantity): (&str, u64)| {
            let exact = rate.card.price_of(unit, quantity)?.to_string();
            Some(QuoteLine { unit: unit.to_owned(), quantity, rate: *rate.card.units().get(unit)?, exact })
        };
        Self {
            resource: rate.resource.clone(),
            rate_version: rate.version,
            credits: price.credits,
            exact: price.exact.to_string(),
            lines: units.iter().filter_map(line).collect(),
        }
    }
}
