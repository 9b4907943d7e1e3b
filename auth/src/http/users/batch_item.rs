//! One user of a batch.

use accrue_chassis::problem::{FieldError, Problem};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::{optional, required};
use super::{admin, problems, roles::parse_roles, sign_up};
use crate::domain::{
    DisplayName, EmailAddress, IdempotencyKey, KeptReply, NewUser, Password, Profile, Username,
};
use crate::http::App;
use crate::http::error::ApiError;
use crate::store::Registration;

/// A user to make.
#[derive(Deserialize, ToSchema)]
#[schema(example = json!({"email": "ada@example.com", "username": "ada", "roles": ["supervisor"]}))]
#[serde(deny_unknown_fields)]
pub(super) struct BatchItem {
    /// Trimmed and lower-cased. Needed.
    email: Option<String>,
    /// Whether you know that the address is theirs.
    #[serde(default)]
    email_verified: bool,
    /// 8 to 128 characters. Left out, the user has to reset it before signing in.
    password: Option<String>,
    /// A name of the user's own to sign in with, of 3 to 30 characters.
    username: Option<String>,
    /// What to call the user, in 1 to 100 characters.
    display_name: Option<String>,
    /// `admin`, `supervisor`, both, or none for a plain user.
    #[serde(default)]
    roles: Vec<String>,
}

/// What came of one user.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(super) struct BatchResult {
    /// `created`, `already_created` or `refused`.
    #[schema(pattern = "^(created|already_created|refused)$")]
    outcome: &'static str,
    /// Whom it made, or had made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    /// Why it was refused, for programs: the codes of `POST /v1/users`.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Why it was refused, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl BatchResult {
    fn made(outcome: &'static str, user_id: String) -> Self {
        Self { outcome, user_id: Some(user_id), ..Self::default() }
    }

    fn refused(problem: &Problem) -> Self {
        let (code, detail) = (Some(problem.code()), Some(problem.detail().to_owned()));
        Self { outcome: "refused", user_id: None, code, detail }
    }
}

impl BatchItem {
    /// Makes the user, unless `key` made one before. What is not the item's own fault
    /// is the whole batch's.
    pub(super) async fn make(
        self,
        app: &App,
        actor: &str,
        (place, key): (usize, IdempotencyKey),
        traceparent: String,
    ) -> Result<BatchResult, ApiError> {
        let (profile, password) = match self.check(place) {
            Ok(checked) => checked,
            Err(errors) => return Ok(BatchResult::refused(&Problem::invalid(errors))),
        };
        // Looked up first: what a batch that was cut off had done costs no new hash.
        if let Some(kept) = app.store.kept_reply(key).await? {
            return Ok(made_before(kept, &profile));
        }
        let hash = match password {
            Some(password) => Some(app.passwords.hash(password).await?),
            None => None,
        };
        let (user_id, now) = (app.store.new_user_id(), app.clock.now());
        let new = NewUser::new(user_id, profile.clone(), hash, now, Some(traceparent));
        Ok(match sign_up::write(app, new.keep_reply(key, Vec::new())).await? {
            Registration::Registered(user) => {
                admin::log("user_created", actor, &user.user_id);
                BatchResult::made("created", user.user_id)
            }
            Registration::EmailTaken => BatchResult::refused(&problems::email_taken()),
            Registration::UsernameTaken => BatchResult::refused(&problems::username_taken()),
            Registration::KeyUsed(kept) => made_before(kept, &profile),
        })
    }

    fn check(self, place: usize) -> Result<(Profile, Option<Password>), Vec<FieldError>> {
        let mut errors = Vec::new();
        let at = |name: &str| format!("/users/{place}/{name}");
        let email = required(&mut errors, &at("email"), self.email, |text| EmailAddress::parse(&text));
        let username = optional(&mut errors, &at("username"), self.username, |text| Username::parse(&text));
        let password = optional(&mut errors, &at("password"), self.password, |text| {
            Password::choose(text, email.as_ref(), username.as_ref())
        });
        let display_name =
            optional(&mut errors, &at("display_name"), self.display_name, |text| DisplayName::parse(&text));
        let roles = parse_roles(&mut errors, &at("roles"), &self.roles);
        match email {
            Some(email) if errors.is_empty() => {
                let email_verified = self.email_verified;
                Ok((Profile { email, email_verified, username, display_name, roles }, password))
            }
            _ => Err(errors),
        }
    }
}

/// The password is not compared: an admin's repeated batch of 1,000 would take as long
/// as the first one, and never end. Nor does it matter whether it was changed since.
fn made_before(kept: KeptReply, profile: &Profile) -> BatchResult {
    match kept.request {
        Some(request) if request.digest != profile.request_digest() => {
            BatchResult::refused(&problems::key_reused())
        }
        _ => BatchResult::made("already_created", kept.user_id),
    }
}
