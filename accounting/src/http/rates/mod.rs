//! `/v1/rates`: what units of a resource cost.

pub(super) mod get;
pub(super) mod list;
pub(super) mod put;
pub(super) mod quote;
pub(super) mod version;
pub(super) mod versions;

use std::collections::BTreeMap;

use accrue_chassis::problem::{FieldError, Problem};
use axum::http::StatusCode;
use percent_encoding::utf8_percent_encode;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::cost::pointer;
use super::fields::MAX_RESOURCE_CHARS;
use super::user_id::SEGMENT;
use crate::rates::{RateVersion, UnitRate, Unpriced};
use crate::store::RateStanding;

/// One version of a rate. It is never changed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateVersion, example = json!({
    "resource": "chat", "version": 2, "effective_at": "2026-02-01T00:00:00Z",
    "units": {"input_tokens": {"credits": "2.5", "per": 1000}, "output_tokens": {"credits": "10", "per": 1000}},
    "actor": "client:01980000-0000-7000-8000-00000000000c", "recorded_at": "2026-01-02T03:04:05.678901Z",
}))]
pub(super) struct RateVersionBody {
    /// What it prices.
    resource: String,
    /// 1, 2, 3 … within the resource.
    version: i64,
    /// From when on it is in force, unless a higher version is by then.
    #[serde(with = "time::serde::rfc3339")]
    effective_at: OffsetDateTime,
    /// What each kind of unit costs. None: nothing has a price.
    units: BTreeMap<String, UnitRate>,
    /// Who made it.
    actor: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    recorded_at: OffsetDateTime,
}

impl From<RateVersion> for RateVersionBody {
    fn from(rate: RateVersion) -> Self {
        Self {
            resource: rate.resource,
            version: rate.version,
            effective_at: rate.effective_at,
            units: rate.card.units().clone(),
            actor: rate.actor,
            recorded_at: rate.recorded_at,
        }
    }
}

/// How a resource's rate stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rate)]
pub(super) struct RateBody {
    /// What it prices.
    #[schema(min_length = 1, max_length = 100)]
    resource: String,
    /// The version that prices it now.
    in_force: Option<RateVersionBody>,
    /// Those that will, as things stand, soonest first.
    scheduled: Vec<RateVersionBody>,
}

impl From<RateStanding> for RateBody {
    fn from(standing: RateStanding) -> Self {
        Self {
            resource: standing.resource,
            in_force: standing.in_force.map(RateVersionBody::from),
            scheduled: standing.scheduled.into_iter().map(RateVersionBody::from).collect(),
        }
    }
}

/// Refuses what no resource with a rate can be called.
fn check_resource(resource: &str) -> Result<(), Problem> {
    let count = resource.chars().count();
    if (1..=MAX_RESOURCE_CHARS).contains(&count) && !resource.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = format!(
        "The resource in the path must have 1 to {MAX_RESOURCE_CHARS} characters, none of them control."
    );
    Err(Problem::invalid(vec![FieldError::new("", "invalid_resource", detail)]))
}

/// 404 for a rate that nobody has set.
fn unknown_rate() -> Problem {
    let detail = "This resource has no rate. PUT /v1/rates/{resource} sets one.";
    Problem::not_found("rate_not_found", detail)
}

/// Where a version is to be found.
fn address(rate: &RateVersion) -> String {
    let resource = utf8_percent_encode(&rate.resource, SEGMENT);
    format!("/v1/rates/{resource}/versions/{}", rate.version)
}

/// The answer to units that have no price.
pub(super) fn unpriced(why: &Unpriced) -> Problem {
    match why {
        Unpriced::NoResource => {
            let detail = "The reservation names no resource, so nothing says what its units cost: capture \
                          credits, or reserve with a resource.";
            Problem::new(StatusCode::CONFLICT, "no_resource", detail)
        }
        Unpriced::NoRate => {
            let detail = "No rate of this resource is in force. PUT /v1/rates/{resource} sets one; or give \
                          credits in place of units.";
            Problem::new(StatusCode::CONFLICT, "no_rate", detail)
        }
        Unpriced::UnknownUnits(units) => {
            let told = |unit: &String| {
                let detail = format!("The rate in force has no unit {unit}.");
                FieldError::new(pointer(unit), "unknown_unit", detail)
            };
            Problem::invalid(units.iter().map(told).collect())
        }
        Unpriced::OutOfRange => {
            let detail = "The units come to more than 9007199254740991 credits.";
            Problem::invalid(vec![FieldError::new("/units", "out_of_range", detail)])
        }
    }
}
