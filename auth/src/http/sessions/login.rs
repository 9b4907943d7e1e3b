//! `POST /v1/login`: somebody signs in.

use accrue_chassis::http::{ClientAddress, Json, SECURITY_LOG};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem, TokenProblem};
use accrue_events::user::UserStatus;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::{LoginName, Password, Session, device};
use crate::http::App;
use crate::http::error::ApiError;
use crate::limits::{Limit, Slot, by_user};
use crate::store::Login;

/// An address or a username, and the password.
#[derive(Deserialize, ToSchema)]
#[schema(as = SignIn, example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Body {
    /// The address; or else give `username`.
    email: Option<String>,
    /// The username; or else give `email`.
    username: Option<String>,
    password: Option<SecretText>,
}

/// Text that no `Debug` shows.
#[derive(Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String)]
struct SecretText(String);

/// What somebody who signed in gets.
#[derive(Serialize, ToSchema)]
#[schema(as = SignedIn, example = json!({
    "access_token": "eyJ0eXAiOiJhdCtqd3QiLCJhbGciOiJFUzI1NiIsImtpZCI6IuKApiJ9…", "token_type": "Bearer",
    "expires_in": 900, "refresh_token": "AZtYc2V2ZW50eSBieXRlcw…", "scope": "me",
    "user_id": "65f0c0ffee0000000000abcd",
}))]
pub(in crate::http) struct SignedIn {
    /// For the `Authorization` header of every request: `Bearer` and this.
    access_token: String,
    /// `Bearer`.
    token_type: &'static str,
    /// How long the access token is good, in seconds.
    expires_in: u32,
    /// For `POST /oauth2/token` with `grant_type=refresh_token`. Good once.
    refresh_token: String,
    /// What the access token allows: `me`, what is the user's own, and what their roles add.
    scope: String,
    /// Who signed in.
    user_id: String,
}

/// Sign in
///
/// The session lasts as long as it is refreshed now and then. The answer is the same
/// whether there is no such user or the password is wrong, and, where addresses have to be
/// verified, whether this one has not been yet.
#[utoipa::path(
    post,
    path = "/v1/login",
    tag = "sessions",
    request_body = Body,
    security(()),
    responses(
        (status = 200, description = "An access token, and a refresh token for the next one.", body = SignedIn),
        AnyProblem, BodyProblem, LimitProblem, TokenProblem,
    )
)]
pub(in crate::http) async fn login(
    State(app): State<App>,
    client: ClientAddress,
    headers: HeaderMap,
    body: Result<Json<Body>, Problem>,
) -> Result<Response, ApiError> {
    let Json(body) = body?;
    let (name, password) = body.check().map_err(Problem::invalid)?;
    let signed_in = sign_in(&app, client, &headers, &name, password).await;
    let outcome = signed_in.as_ref().map_or_else(ApiError::outcome, |_| "signed_in");
    metrics::counter!("sign_ins_total", "outcome" => outcome).increment(1);
    let mut response = axum::Json(signed_in?).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Body {
    fn check(self) -> Result<(String, String), Vec<FieldError>> {
        let mut errors = Vec::new();
        let required = |pointer, detail: &str| FieldError::new(pointer, "required", detail);
        let name = match (self.email, self.username) {
            (Some(name), None) | (None, Some(name)) => Some(name),
            (None, None) => {
                errors.push(required("/email", "Give `email` or `username`."));
                None
            }
            (Some(_), Some(_)) => {
                errors.push(FieldError::new(
                    "/username",
                    "invalid_value",
                    "Give only one of `email`, `username`.",
                ));
                None
            }
        };
        if self.password.is_none() {
            errors.push(required("/password", "Give the field `password`."));
        }
        name.zip(self.password).map(|(name, password)| (name, password.0)).ok_or(errors)
    }
}

async fn sign_in(
    app: &App,
    client: ClientAddress,
    headers: &HeaderMap,
    name: &str,
    password: String,
) -> Result<SignedIn, ApiError> {
    // Counted before any password is compared: parallel tries do not slip through.
    let by_peer = app.limits.admit(Limit::LoginByPeer, &client.subject()).await?.or_problem()?;
    let login = find(app, name).await?;
    let known = login.as_ref().map(|login| login.user.user_id.clone());
    let is_verification_required = app.mailing.is_verification_required;
    let is_nobody_yet = |login: &Login| is_verification_required && !login.user.email_verified;
    let counted = login.as_ref().filter(|login| !is_nobody_yet(login)).map(|login| &*login.user.user_id);
    let subject = account(name, counted);
    let by_account = app.limits.admit(Limit::LoginByAccount, &subject).await?.or_problem()?;
    let password = Password::parse(password).ok();
    let Some(login) = app.dummy_hash.compare(&app.passwords, password.clone(), login).await? else {
        tracing::info!(target: SECURITY_LOG, event = "sign_in_failed", user_id = known);
        return Err(invalid_credentials(is_verification_required).into());
    };
    may_sign_in(&login, is_verification_required)?;
    give_back(app, [by_peer, by_account]).await;
    upgrade_hash(app, &login, password).await;
    begin(app, headers, login).await
}

/// Whose tries are counted together: a user's, by whatever name they are called; else
/// those of one name, in however many forms it is typed. Nobody's names run out of tries
/// as somebody's do, so the limit tells no more than the answer. Who has to verify the
/// address first is nobody: else signing up would give new tries where it was free.
fn account(name: &str, user_id: Option<&str>) -> String {
    match user_id {
        Some(user_id) => by_user(user_id),
        None => format!("name {}", name.trim().to_lowercase()),
    }
}

/// Text that can be no name is nobody's.
async fn find(app: &App, name: &str) -> Result<Option<Login>, ApiError> {
    match LoginName::parse(name) {
        Ok(name) => Ok(app.store.login(&name).await?),
        Err(_) => Ok(None),
    }
}

/// Asked only once the password was right: nobody else learns the state of a user. Whoever
/// signed up for an address chose the password, and must not learn by signing in whether
/// the address was taken: until it is verified the answer is that of a wrong password.
fn may_sign_in(login: &Login, is_verification_required: bool) -> Result<(), Problem> {
    match login.user.status {
        UserStatus::Active if is_verification_required && !login.user.email_verified => {
            let user_id = &login.user.user_id;
            tracing::info!(target: SECURITY_LOG, event = "sign_in_refused", user_id, reason = "email_not_verified");
            Err(invalid_credentials(is_verification_required))
        }
        UserStatus::Active => Ok(()),
        UserStatus::Deactivated => {
            let user_id = &login.user.user_id;
            tracing::info!(target: SECURITY_LOG, event = "sign_in_refused", user_id, reason = "user_deactivated");
            let detail = "This user has been deactivated; an administrator can let you in again.";
            Err(Problem::new(StatusCode::FORBIDDEN, "user_deactivated", detail))
        }
        UserStatus::Deleted => Err(invalid_credentials(is_verification_required)),
    }
}

/// Only failures count. A slot that stays used delays somebody, and harms nobody.
async fn give_back(app: &App, slots: [Slot; 2]) {
    for slot in slots {
        if let Err(error) = app.limits.give_back(slot).await {
            tracing::debug!(%error, "a slot was not given back");
        }
    }
}

/// The password is at hand only now. If it fails, the next sign-in tries again.
async fn upgrade_hash(app: &App, login: &Login, password: Option<Password>) {
    let (Some(old), Some(password)) = (&login.password_hash, password) else { return };
    if !app.passwords.needs_upgrade(old) {
        return;
    }
    let upgraded = async {
        let new = app.passwords.hash(password).await?;
        app.store.upgrade_password_hash(&login.user.user_id, old, new).await?;
        Ok::<_, ApiError>(())
    };
    if let Err(error) = upgraded.await {
        tracing::warn!(cause = &error as &dyn std::error::Error, "a password hash was not upgraded");
    }
}

/// Begins the session. The access token comes first: once the session is written
/// nothing can fail any more.
async fn begin(app: &App, headers: &HeaderMap, login: Login) -> Result<SignedIn, ApiError> {
    let user = login.user;
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let now = app.clock.now();
    let (session, refresh_token) = Session::begin(
        user.user_id.clone(),
        user.session_epoch,
        device(user_agent),
        now,
        app.session_lifetime,
    );
    let scopes = user.roles.scopes();
    let access_token = app.tokens.for_user(&user.user_id, session.session_id, &scopes).await?;
    app.store.begin_session(&session).await?;
    let session_id = session.session_id;
    tracing::info!(target: SECURITY_LOG, event = "signed_in", user_id = user.user_id, %session_id);
    Ok(SignedIn::new(access_token, &refresh_token, user.user_id))
}

impl SignedIn {
    pub(in crate::http) fn new(
        access_token: crate::tokens::AccessToken,
        refresh_token: &SecretString,
        user_id: String,
    ) -> Self {
        Self {
            access_token: access_token.token,
            token_type: "Bearer",
            expires_in: access_token.expires_in,
            refresh_token: refresh_token.expose_secret().to_owned(),
            scope: access_token.scope,
            user_id,
        }
    }
}

fn invalid_credentials(is_verification_required: bool) -> Problem {
    let detail = if is_verification_required {
        "There is no such user, the password is wrong, or the address has not been verified yet: open the \
         link in the mail, or ask for another one with POST /v1/users/resend-verification."
    } else {
        "There is no such user, or the password is wrong."
    };
    Problem::new(StatusCode::UNAUTHORIZED, "invalid_credentials", detail)
        .with_challenge("Bearer realm=\"accrue\"")
}
