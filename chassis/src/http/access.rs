//! Who may call what: each operation's `security` in the OpenAPI document, enforced.
//!
//! The document is the one place that says it, so it cannot say anything else than
//! what holds. An operation without `security` is a mistake, found at start.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use crate::problem::Problem;
use crate::tokens::{Caller, TokenError, Verifier};

/// The target of what an auditor of security reads: refusals, sign-ins, acts of admins.
pub const SECURITY_LOG: &str = "accrue::security";

/// The security scheme of tokens with scopes.
pub const TOKEN_SCHEME: &str = "token";
/// The scheme of a user's own token, for what is the user's own.
pub const OWNER_SCHEME: &str = "owner";
/// The scope that such a token has, unless its holder asked for one that allows less.
pub const OWNER_SCOPE: &str = "me";

/// Who may call one operation: any of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody, without a token.
    Anyone,
    /// Whoever has a token with all of these scopes.
    Scopes(Vec<String>),
    /// The user whose id is in the path; where none is, any user.
    Owner,
}

/// Who may call each operation, by method and path.
pub type AccessTable = HashMap<(String, String), Vec<Access>>;

/// The document does not say who may call an operation.
#[derive(Debug, thiserror::Error)]
#[error("the OpenAPI document does not say who may call {method} {path}")]
pub struct Unguarded {
    method: String,
    path: String,
}

/// Reads who may call what out of an OpenAPI document.
///
/// # Errors
/// [`Unguarded`], if it leaves that open anywhere.
pub fn access_table(document: &utoipa::openapi::OpenApi) -> Result<AccessTable, Unguarded> {
    let document = serde_json::to_value(document).unwrap_or_default();
    let mut table = AccessTable::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let method = method.to_ascii_uppercase();
            let access = read(&operation["security"])
                .ok_or_else(|| Unguarded { method: method.clone(), path: path.clone() })?;
            table.insert((method, path.clone()), access);
        }
    }
    Ok(table)
}

/// The alternatives of one operation; none if there is one that we do not know.
fn read(security: &Value) -> Option<Vec<Access>> {
    let alternatives = security.as_array().filter(|alternatives| !alternatives.is_empty())?;
    alternatives
        .iter()
        .map(|alternative| {
            let mut schemes = alternative.as_object()?.iter();
            match (schemes.next(), schemes.next()) {
                (None, _) => Some(Access::Anyone),
                (Some((scheme, scopes)), None) if scheme == TOKEN_SCHEME => {
                    let scopes = scopes.as_array()?.iter().map(|scope| scope.as_str().map(str::to_owned));
                    Some(Access::Scopes(scopes.collect::<Option<_>>()?)).filter(has_scope)
                }
                (Some((scheme, _)), None) if scheme == OWNER_SCHEME => Some(Access::Owner),
                _ => None,
            }
        })
        .collect()
}

/// A token without any scope named would let everybody in who has a token.
fn has_scope(access: &Access) -> bool {
    !matches!(access, Access::Scopes(scopes) if scopes.is_empty())
}

#[derive(Clone)]
struct Guard {
    table: Arc<AccessTable>,
    verifier: Arc<Verifier>,
}

/// Lets through to `router` only whom its document admits, and puts the [`Caller`]
/// into the request.
///
/// # Errors
/// [`Unguarded`].
pub fn guard(
    router: Router,
    document: &utoipa::openapi::OpenApi,
    verifier: Arc<Verifier>,
) -> Result<Router, Unguarded> {
    let guard = Guard { table: Arc::new(access_table(document)?), verifier };
    Ok(router.route_layer(from_fn_with_state(guard, check)))
}

async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let route =
        parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()).unwrap_or_default();
    // HEAD is answered by GET's handler.
    let method = if parts.method == "HEAD" { "GET".to_owned() } else { parts.method.to_string() };
    let Some(access) = guard.table.get(&(method, route.clone())) else {
        tracing::error!(route, "a route is missing in the OpenAPI document, and is closed");
        return Problem::internal().into_response();
    };
    if access.contains(&Access::Anyone) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let caller = match identify(&guard.verifier, &parts.headers).await {
        Ok(caller) => caller,
        Err(problem) => {
            tracing::info!(target: SECURITY_LOG, event = "refused", reason = problem.code(), route);
            return problem.into_response();
        }
    };
    let user_in_path = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => params.iter().find(|(name, _)| *name == "user_id").map(|(_, value)| value.to_owned()),
        Err(_) => None,
    };
    if let Err(problem) = admit(access, &caller, user_in_path.as_deref()) {
        let actor = caller.actor();
        tracing::info!(target: SECURITY_LOG, event = "refused", reason = problem.code(), route, actor);
        return problem.into_response();
    }
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, body)).await
}

async fn identify(verifier: &Verifier, headers: &HeaderMap) -> Result<Caller, Problem> {
    let token = bearer_token(headers).ok_or_else(|| {
        let detail = "Send an access token: `Authorization: Bearer …`. /docs says who may call this.";
        Problem::new(StatusCode::UNAUTHORIZED, "token_required", detail)
            .with_challenge("Bearer realm=\"accrue\"")
    })?;
    verifier.verify(token).await.map_err(|error| match error {
        TokenError::Unavailable(_) => Problem::unavailable(
            "keys_unavailable",
            "Tokens cannot be verified yet: their issuer's keys have not been fetched. Try again shortly.",
            1,
        ),
        TokenError::Expired => invalid_token("The access token has expired; get a new one."),
        TokenError::Invalid(reason) => {
            tracing::debug!(reason, "a token was refused");
            invalid_token("The access token is not valid here; get a new one.")
        }
    })
}

fn invalid_token(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", detail)
        .with_challenge("Bearer realm=\"accrue\", error=\"invalid_token\"")
}

/// The token of the one `Authorization` header, if that is what it holds.
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// Whether any of the alternatives holds for the caller.
fn admit(access: &[Access], caller: &Caller, user_in_path: Option<&str>) -> Result<(), Problem> {
    let may = |access: &Access| match access {
        Access::Anyone => true,
        Access::Scopes(scopes) => scopes.iter().all(|scope| caller.scopes.contains(scope)),
        Access::Owner => {
            let user = caller.user_id().filter(|_| caller.scopes.contains(OWNER_SCOPE));
            user.is_some_and(|user| user_in_path.is_none_or(|id| id == user))
        }
    };
    if access.iter().any(may) {
        return Ok(());
    }
    // A user learns nothing of what is another's, not even that it is there.
    let has_owner = access.contains(&Access::Owner);
    if has_owner && caller.user_id().is_some_and(|user| user_in_path.is_some_and(|id| id != user)) {
        return Err(Problem::not_found("not_found", "There is no such thing, or it is another's."));
    }
    let alternatives: Vec<String> = access
        .iter()
        .filter_map(|access| if let Access::Scopes(scopes) = access { Some(scopes.join(" ")) } else { None })
        .chain(caller.user_id().filter(|_| has_owner).map(|_| OWNER_SCOPE.to_owned()))
        .collect();
    let scopes = alternatives.join(" ");
    let detail = if scopes.is_empty() {
        "Only a signed-in user may do this.".to_owned()
    } else {
        format!("The access token lacks the scope for this: {}.", alternatives.join(" or "))
    };
    let challenge = format!("Bearer realm=\"accrue\", error=\"insufficient_scope\", scope=\"{scopes}\"");
    Err(Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail).with_challenge(challenge))
}
