//! `POST /v1/admin/dead-letters/redrive`

use std::sync::Arc;

use accrue_chassis::http::{Json, SECURITY_LOG};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, TokenProblem};
use accrue_chassis::telemetry::chain;
use accrue_chassis::tokens::Caller;
use accrue_events::broker::{LetterCount, Look, Redrive, Redriven, Selection};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{PATIENCE, check_id, within};
use crate::http::Accounting;
use crate::http::error::ApiError;
use crate::http::fields::{Fields, utc};

/// The most that one request sends back.
const MAX_LETTERS: u32 = 500;
/// The most ids in one request: they have to fit into a body.
const MAX_IDS: usize = 200;

/// Which dead letters are to be sent back: those that everything given here holds for; without
/// `ids`, `type` and `since` all of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RedriveRequest {
    /// One letter of each of these ids.
    #[serde(default)]
    #[schema(max_items = 200)]
    ids: Vec<String>,
    /// Only events of this type.
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// Only what died then or later.
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// How many at most.
    #[serde(default = "most")]
    #[schema(minimum = 1, maximum = 500, default = 500)]
    limit: u32,
    /// Only say what would be sent.
    #[serde(default)]
    dry_run: bool,
}

fn most() -> u32 {
    MAX_LETTERS
}

/// What was sent back.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(in crate::http) struct RedriveBody {
    /// Whether this only says what would be sent.
    dry_run: bool,
    /// How many are in their queue again; on a dry run, how many would be.
    redriven: u64,
    /// The ids of those that could not be sent. They are dead letters still.
    failed: Vec<String>,
    /// Asked for by their ids, and not there.
    not_found: Vec<String>,
    /// How many that were asked for are left because of the limit.
    left: u64,
    /// Whether all letters were looked at: if not, there may be more left. Ask again.
    complete: bool,
    /// On a dry run, how many were asked for, by type and reason.
    counts: Vec<LetterCount>,
}

impl RedriveRequest {
    fn check(self) -> Result<(Selection, u32, bool), Problem> {
        Fields::new()
            .require((1..=MAX_LETTERS).contains(&self.limit), || {
                let detail = format!("limit must be from 1 to {MAX_LETTERS}.");
                FieldError::new("/limit", "out_of_range", detail)
            })
            .require(self.ids.len() <= MAX_IDS, || {
                FieldError::new("/ids", "too_many", format!("ids must not be more than {MAX_IDS}."))
            })
            .instant("/since", self.since)
            .finish()?;
        for (index, id) in self.ids.iter().enumerate() {
            check_id(&format!("/ids/{index}"), id)?;
        }
        let since = self.since.and_then(utc);
        let selection = Selection { ids: self.ids.into_iter().collect(), kind: self.kind, since };
        Ok((selection, self.limit, self.dry_run))
    }
}

/// Send dead letters back to their queue
///
/// Each is confirmed before it is taken off the dead letters; one that fails holds back no other.
/// An event that was applied already does nothing: accounting knows it by its version. Ask again
/// while there are some `left`.
#[utoipa::path(
    post,
    path = "/v1/admin/dead-letters/redrive",
    tag = "dead letters",
    request_body = RedriveRequest,
    security(("token" = ["events:admin"])),
    responses(
        (status = 200, description = "What was sent, and what was not.", body = RedriveBody),
        AnyProblem, BodyProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn redrive(
    State(accounting): State<Accounting>,
    caller: Caller,
    Json(request): Json<RedriveRequest>,
) -> Result<axum::Json<RedriveBody>, ApiError> {
    let (selection, limit, is_dry_run) = request.check()?;
    if is_dry_run {
        return preview(&accounting, selection, limit.into()).await.map(axum::Json);
    }
    let redrive = Redrive { selection, limit: limit.into(), rate: None, patience: PATIENCE };
    let (dead_letters, actor) = (Arc::clone(&accounting.dead_letters), caller.actor());
    // To the end: what was sent is told of, whoever has gone meanwhile.
    let redriving = accounting.lifecycle.run_to_end(async move {
        let mut redriven = 0;
        let report = within(dead_letters.redrive_many(&redrive, &mut |count| redriven = count)).await;
        if report.is_ok() || redriven > 0 {
            tracing::info!(target: SECURITY_LOG, event = "dead_letters_redriven", actor, redriven);
        }
        report
    });
    answer(redriving.await??).map(axum::Json)
}

async fn preview(accounting: &Accounting, selection: Selection, limit: u64) -> Result<RedriveBody, ApiError> {
    let asked = selection.ids.clone();
    // The ids that were found are wanted too, to tell those that were not.
    let look = Look { selection, limit: asked.len(), patience: PATIENCE };
    let survey = within(accounting.dead_letters.survey(&look)).await?;
    let is_missing = |id: &String| survey.is_complete && survey.letters.iter().all(|letter| letter.id != *id);
    Ok(RedriveBody {
        dry_run: true,
        redriven: survey.total().min(limit),
        not_found: asked.into_iter().filter(is_missing).collect(),
        left: survey.total().saturating_sub(limit),
        complete: survey.is_complete,
        counts: survey.by_kind(),
        ..RedriveBody::default()
    })
}

fn answer(report: Redriven) -> Result<RedriveBody, ApiError> {
    if let Some(error) = report.stopped {
        if report.redriven == 0 {
            return Err(ApiError::Broker(error));
        }
        tracing::warn!(error = chain(&error), "a redrive ended early");
    }
    Ok(RedriveBody {
        redriven: report.redriven,
        failed: report.failed.into_iter().map(|failed| failed.id).collect(),
        not_found: report.not_found,
        left: report.left,
        complete: report.is_complete,
        ..RedriveBody::default()
    })
}
