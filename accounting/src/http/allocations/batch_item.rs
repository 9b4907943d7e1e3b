//! One allocation of a batch.

use accrue_chassis::problem::{FieldError, Problem};
use accrue_events::user::is_valid_user_id;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::create::AllocationRequest;
use crate::batcher::Decision;
use crate::directory::OnUnknownUser;
use crate::http::Newcomers;
use crate::http::error::rejected;
use crate::http::fields::{Fields, end_before_beginning};
use crate::http::newcomers::Wanted;
use crate::ledger::{Action, Command, IdempotencyKey, Receipt, Rejection};

/// Credits to add to one account.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = AllocationBatchItem,
         example = json!({"user_id": "65f0c0ffee0000000000abcd", "credits": 100, "reason": "bonus"}))]
#[serde(deny_unknown_fields)]
pub(super) struct BatchItem {
    /// Whose account.
    #[schema(min_length = 1, max_length = 50)]
    user_id: String,
    /// How many.
    #[schema(minimum = 1, maximum = 9_007_199_254_740_991_i64)]
    credits: i64,
    /// What of lower priority is spent first; 50 if not given.
    #[schema(minimum = 0, maximum = 100, default = 50)]
    priority: Option<i16>,
    /// From when on it can be spent, if not at once.
    #[serde(default, with = "time::serde::rfc3339::option")]
    effective_at: Option<OffsetDateTime>,
    /// From when on it cannot be spent any more.
    #[serde(default, with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Why.
    #[schema(max_length = 500)]
    reason: Option<String>,
    /// Whatever you want kept with it.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// What to do if the user has no account: `placeholder` opens one, `verify` asks auth first,
    /// `reject` refuses. What accounting is set to, if not given.
    on_unknown_user: Option<OnUnknownUser>,
}

/// The same, taken apart. It serialises to what the fingerprint is made of.
#[derive(Debug, Serialize)]
pub(super) struct Order {
    user_id: String,
    request: AllocationRequest,
}

/// What came of one allocation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AllocationBatchResult)]
pub(super) struct BatchResult {
    /// `created`, `already_created` or `refused`.
    #[schema(pattern = "^(created|already_created|refused)$")]
    outcome: &'static str,
    /// Whose account.
    user_id: String,
    /// What it made, or had made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    allocation_id: Option<Uuid>,
    /// Why it was refused, for programs: the codes of a single allocation.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Why it was refused, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl From<BatchItem> for Order {
    fn from(item: BatchItem) -> Self {
        let BatchItem { user_id, credits, priority, effective_at, expires_at, reason, metadata, .. } = item;
        let on_unknown_user = item.on_unknown_user;
        let request = AllocationRequest {
            credits,
            reason,
            metadata,
            priority,
            effective_at,
            expires_at,
            on_unknown_user,
        };
        Self { user_id, request }
    }
}

impl Order {
    /// Adds what is wrong with it.
    pub(super) fn check(&self, fields: Fields, newcomers: &Newcomers) -> Fields {
        let AllocationRequest { effective_at, expires_at, .. } = &self.request;
        let ends_first = expires_at.is_some_and(|end| effective_at.is_some_and(|begin| end <= begin));
        let fields = fields.require(is_valid_user_id(&self.user_id), || {
            let detail = "user_id must be 1 to 50 characters long, without control characters, and neither \".\" nor \
                          \"..\".";
            FieldError::new("/user_id", "invalid_user_id", detail)
        });
        self.request.check(fields, newcomers).require(!ends_first, end_before_beginning)
    }

    /// For whom it may open an account, and what it wants done then.
    pub(super) fn wanted(&self) -> Wanted {
        (self.user_id.clone(), self.request.on_unknown_user)
    }

    /// The command that it becomes under `key`.
    pub(super) fn command(self, actor: &str, key: IdempotencyKey) -> Command {
        let action = Action::Allocate(self.request.order());
        Command { user_id: self.user_id, actor: actor.to_owned(), idempotency: Some(key), action }
    }
}

impl BatchResult {
    /// What `decision` comes to.
    pub(super) fn new(user_id: String, decision: Decision) -> Self {
        match decision {
            Ok(Receipt::Booked(reply)) => {
                let outcome = if reply.is_replay { "already_created" } else { "created" };
                Self::made(outcome, user_id, &reply.resource)
            }
            // So long ago that only its address is known.
            Err(Rejection::ReplyGone { resource }) => Self::made("already_created", user_id, &resource),
            Ok(Receipt::User(_) | Receipt::Orphaned | Receipt::Settled) => {
                Self::refused(user_id, &Problem::internal())
            }
            Err(rejection) => {
                let problem = rejected(&user_id, &rejection);
                Self::refused(user_id, &problem)
            }
        }
    }

    fn made(outcome: &'static str, user_id: String, resource: &str) -> Self {
        let id = resource.rsplit_once('/').and_then(|(_, id)| Uuid::parse_str(id).ok());
        Self { outcome, user_id, allocation_id: id, code: None, detail: None }
    }

    /// That it was refused.
    pub(super) fn refused(user_id: String, problem: &Problem) -> Self {
        let (code, detail) = (Some(problem.code()), Some(problem.detail().to_owned()));
        Self { outcome: "refused", user_id, allocation_id: None, code, detail }
    }
}
