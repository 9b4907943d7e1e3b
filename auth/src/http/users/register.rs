//! `POST /v1/users`: somebody signs up.

use accrue_chassis::http::{ClientAddress, Json, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem, ProblemBody};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::fields::{idempotency_key, optional, required};
use super::sign_up::{Reply, SignUp};
use super::{UserBody, quiet};
use crate::domain::{DisplayName, EmailAddress, IdempotencyKey, Password, Profile, Username};
use crate::http::App;
use crate::http::error::ApiError;

/// Somebody who signs up. Every field may be missing as far as its type goes, so that
/// all that is wrong can be told at once.
#[derive(Deserialize, ToSchema)]
#[schema(as = SignUp, example = json!({"email": "ada@example.com", "password": "correct horse battery"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Body {
    /// Trimmed and lower-cased.
    #[schema(required, nullable = false, format = "email", max_length = 254)]
    email: Option<String>,
    /// None of the most common ones, and not the address or username itself.
    #[schema(required, nullable = false, format = "password", min_length = 8, max_length = 128)]
    password: Option<String>,
    /// A name of one's own to sign in with: letters a-z, digits, dots, underscores, hyphens.
    /// Not where addresses have to be verified: there it is chosen afterwards.
    #[schema(min_length = 3, max_length = 30)]
    username: Option<String>,
    /// What to call the user.
    #[schema(min_length = 1, max_length = 100)]
    display_name: Option<String>,
}

/// The answer where addresses have to be verified, whether or not this one is taken.
const ACCEPTED: &[u8] =
    br#"{"status":"accepted","detail":"A mail is on its way to the address; it says how to go on."}"#;

/// What is answered where addresses have to be verified.
#[derive(serde::Serialize, ToSchema)]
#[schema(example = json!({"status": "accepted", "detail": "A mail is on its way to the address; it says how to go on."}))]
struct Accepted {
    /// `accepted`.
    status: String,
    /// How to go on.
    detail: String,
}

/// Sign up
#[utoipa::path(
    post,
    path = "/v1/users",
    tag = "users",
    params(("Idempotency-Key" = Option<String>, Header, description = "With it, a lost reply can be asked for again.",
            pattern = "^[!-~]{1,255}$")),
    request_body = Body,
    security(()),
    responses(
        (status = 201, description = "The user.", body = UserBody,
         headers(("Location" = String, description = "Where the user is."),
                 ("Idempotency-Replayed" = String, description = "`true` on a repeated reply."))),
        (status = 202, description = "Where addresses have to be verified: a mail says how to go on, whether or \
                                      not the address is taken.", body = Accepted),
        AnyProblem, BodyProblem, LimitProblem,
        (status = 409, description = "`email_taken`, `username_taken`, or `idempotency_key_expired`: the key \
                                      registered the user at `resource` before, and the reply is gone.", body = ProblemBody,
         content_type = "application/problem+json"),
        (status = 422, description = "The key came with another request.", body = ProblemBody,
         content_type = "application/problem+json"),
    )
)]
pub(in crate::http) async fn register(
    State(app): State<App>,
    headers: HeaderMap,
    client: ClientAddress,
    trace: TraceContext,
    body: Result<Json<Body>, Problem>,
) -> Result<Response, ApiError> {
    let done = async {
        let key = idempotency_key(&headers)?;
        let Json(body) = body?;
        let is_verification_required = app.mailing.is_verification_required;
        let sign_up = body.check(key, is_verification_required).map_err(Problem::invalid)?;
        if is_verification_required {
            let SignUp { profile, password, key } = sign_up;
            let answer = (trace.traceparent(), ACCEPTED);
            quiet::sign_up(&app, client, (profile, password, key), answer).await?;
            return Ok(Reply::accepted(ACCEPTED));
        }
        sign_up.run(&app, client, trace.traceparent()).await
    };
    let done = done.await;
    let outcome = match &done {
        Ok(Reply { is_replay: false, .. }) => "registered",
        Ok(Reply { is_replay: true, .. }) => "replayed",
        Err(error) => error.outcome(),
    };
    metrics::counter!("user_registrations_total", "outcome" => outcome).increment(1);
    done.and_then(Reply::into_response)
}

impl Body {
    fn check(
        self,
        key: Option<IdempotencyKey>,
        is_verification_required: bool,
    ) -> Result<SignUp, Vec<FieldError>> {
        let mut errors = Vec::new();
        let email = required(&mut errors, "/email", self.email, |text| EmailAddress::parse(&text));
        // It would be taken from then on only if the address had been free.
        if is_verification_required && self.username.is_some() {
            let detail = "Choose a username with PATCH /v1/users/me once the address is verified.";
            errors.push(FieldError::new("/username", "invalid_value", detail));
        }
        let username = optional(&mut errors, "/username", self.username, |text| Username::parse(&text));
        let password = required(&mut errors, "/password", self.password, |text| {
            Password::choose(text, email.as_ref(), username.as_ref())
        });
        let display_name =
            optional(&mut errors, "/display_name", self.display_name, |text| DisplayName::parse(&text));
        match (email, password) {
            (Some(email), Some(password)) if errors.is_empty() => {
                let profile = Profile { username, display_name, ..Profile::of(email) };
                Ok(SignUp { profile, password, key })
            }
            _ => Err(errors),
        }
    }
}
