//! `POST /v1/users`: somebody signs up.

use accrue_chassis::http::{ClientAddress, Json, SECURITY_LOG, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use accrue_chassis::problem_docs::{AnyProblem, BodyProblem, LimitProblem, ProblemBody};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

use super::fields::{idempotency_key, optional, required};
use super::{UserBody, problems, quiet};
use crate::domain::{
    DisplayName, EmailAddress, IdempotencyKey, KeptReply, NewUser, Password, Profile, User, Username,
};
use crate::http::App;
use crate::http::error::ApiError;
use crate::limits::{Limit, Slot, by_user};
use crate::store::{Registration, StoreError};

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

/// A request that makes sense.
struct SignUp {
    profile: Profile,
    password: Password,
    key: Option<IdempotencyKey>,
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
            return Ok(Reply::accepted());
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

impl SignUp {
    async fn run(self, app: &App, client: ClientAddress, traceparent: String) -> Result<Reply, ApiError> {
        // Counted before the costly part, and before it is told whether an address is taken.
        let slot = app.limits.admit(Limit::SignUpByPeer, &client.subject()).await?.or_problem()?;
        // Looked up before anything is made: a repeated request costs no new hash and no write.
        if let Some(key) = self.key
            && let Some(kept) = app.store.kept_reply(key).await?
        {
            return self.replay(app, kept, slot).await;
        }
        let password_hash = app.passwords.hash(self.password.clone()).await?;
        let user_id = app.store.new_user_id();
        let (profile, now) = (self.profile.clone(), app.clock.now());
        let new = NewUser::new(user_id, profile, Some(password_hash), now, Some(traceparent));
        let reply = Reply::to_new(new.user())?;
        let new = new.post(app.mailing.verification(&self.profile.email)?);
        let new = match self.key {
            Some(key) => new.keep_reply(key, reply.body.clone()),
            None => new,
        };
        match write(app, new).await? {
            Registration::Registered(_) => Ok(reply),
            Registration::EmailTaken => Err(problems::email_taken().into()),
            Registration::UsernameTaken => Err(problems::username_taken().into()),
            // Another request with this key was faster.
            Registration::KeyUsed(kept) => self.replay(app, kept, slot).await,
        }
    }

    /// The first reply once more, if this is the request that it was given to. Then its
    /// slot is given back: whoever lost a reply has signed up once.
    async fn replay(self, app: &App, kept: KeptReply, slot: Slot) -> Result<Reply, ApiError> {
        let user_id = kept.user_id.clone();
        let Some(request) = kept.at(app.clock.now()) else {
            return Err(problems::key_expired(&user_id).into());
        };
        let is_same = request.digest == self.profile.request_digest()
            && is_password(app, &user_id, self.password, request.password_hash).await?;
        if is_same {
            app.limits.give_back(slot).await?;
            Ok(Reply { user_id: Some(user_id), body: request.reply, is_replay: true })
        } else {
            Err(problems::key_reused().into())
        }
    }
}

/// Whether a repeated request has the user's password. Who knows everything else of it
/// could guess here as at a sign-in, so it is counted as one.
async fn is_password(
    app: &App,
    user_id: &str,
    password: Password,
    hash: Option<SecretString>,
) -> Result<bool, ApiError> {
    let Some(hash) = hash else { return Ok(false) };
    let slot = app.limits.admit(Limit::LoginByAccount, &by_user(user_id)).await?.or_problem()?;
    let is_right = app.passwords.verify(password, hash).await?;
    if is_right {
        app.limits.give_back(slot).await?;
    } else {
        tracing::info!(target: SECURITY_LOG, event = "password_refused", user_id);
    }
    Ok(is_right)
}

/// Writes the user and wakes the relay, to the end, even if the client hangs up.
pub(super) async fn write(app: &App, new: NewUser) -> Result<Registration, ApiError> {
    let (store, wake) = (app.store.clone(), app.wake.clone());
    let mail_wake = app.mailing.wake.clone();
    let written = app.lifecycle.run_to_end(async move {
        let registration = store.register(new).await;
        if matches!(registration, Ok(Registration::Registered(_))) {
            wake.notify_one();
            mail_wake.notify_one();
        }
        registration
    });
    Ok(written.await??)
}

/// The reply to a registration, first or repeated.
struct Reply {
    /// Whom it tells of; none where it tells nobody anything.
    user_id: Option<String>,
    body: Vec<u8>,
    is_replay: bool,
}

impl Reply {
    fn to_new(user: &User) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(&UserBody::from(user)).map_err(StoreError::corrupt)?;
        Ok(Self { user_id: Some(user.user_id.clone()), body, is_replay: false })
    }

    fn accepted() -> Self {
        Self { user_id: None, body: ACCEPTED.to_vec(), is_replay: false }
    }

    fn into_response(self) -> Result<Response, ApiError> {
        let json = HeaderValue::from_static("application/json");
        let Some(user_id) = self.user_id else {
            return Ok((StatusCode::ACCEPTED, [(header::CONTENT_TYPE, json)], self.body).into_response());
        };
        let location = HeaderValue::from_str(&format!("/v1/users/{user_id}"));
        let location = location.map_err(StoreError::corrupt)?;
        let headers = [(header::LOCATION, location), (header::CONTENT_TYPE, json)];
        let mut response = (StatusCode::CREATED, headers, self.body).into_response();
        if self.is_replay {
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}
