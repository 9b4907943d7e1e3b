//! What stands in the way of a request about a user, as problems.

use accrue_chassis::problem::Problem;
use axum::http::StatusCode;

pub(in crate::http) fn not_found() -> Problem {
    Problem::not_found("user_not_found", "There is no user with this id.")
}

pub(super) fn email_taken() -> Problem {
    let detail = "Somebody has registered with this email address. If it was you, sign in; if you only \
                  lost the reply, send the request again with its Idempotency-Key.";
    conflict("email_taken", detail)
}

pub(super) fn username_taken() -> Problem {
    conflict("username_taken", "Somebody else has this username; choose another one.")
}

/// Others changed the user each time that we had decided.
pub(super) fn changed_meanwhile() -> Problem {
    let detail = "The user is being changed by others at the same time; look at the user and try again.";
    conflict("user_changed", detail)
}

pub(super) fn last_admin() -> Problem {
    let detail =
        "This is the last active admin: without one nobody could make another. Make another one first.";
    conflict("last_admin", detail)
}

/// The reply is gone, after 30 days or since the password was changed. What the key
/// made is still told, so that nobody makes it twice.
pub(super) fn key_expired(user_id: &str) -> Problem {
    let detail = "This Idempotency-Key registered the user at `resource` before, and the reply is no longer \
                  kept. Sign in, or use a new key for a new user.";
    conflict("idempotency_key_expired", detail).with("resource", format!("/v1/users/{user_id}"))
}

pub(super) fn key_reused() -> Problem {
    let detail = "This Idempotency-Key came with another request before; use a new key for this one.";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
}

pub(super) fn wrong_password() -> Problem {
    let detail = "The current password is another one; nothing was changed.";
    Problem::new(StatusCode::FORBIDDEN, "wrong_password", detail)
}

/// A user whose token outlives the right to act.
pub(super) fn shut_out() -> Problem {
    let detail = "This user has been deactivated; an admin can reactivate them.";
    Problem::new(StatusCode::FORBIDDEN, "user_deactivated", detail)
}

/// A user whose token outlives the session that it was made in.
pub(super) fn session_ended() -> Problem {
    let detail = "The session of this access token has ended; sign in again.";
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_token", detail)
        .with_challenge("Bearer realm=\"accrue\", error=\"invalid_token\"")
}

/// An admin whose token outlives the role, or a service whose token outlives its client.
pub(super) fn no_longer_admin(scope: &str) -> Problem {
    let detail = "The access token was made for an admin, or a service, that may not do this any more.";
    Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail)
        .with_challenge(format!("Bearer realm=\"accrue\", error=\"insufficient_scope\", scope=\"{scope}\""))
}

fn conflict(code: &'static str, detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, detail)
}
