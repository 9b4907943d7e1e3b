//! `POST /v1/users`: somebody signs up.

use accrue_chassis::http::{Json, TraceContext};
use accrue_chassis::problem::{FieldError, Problem};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::UserBody;
use crate::domain::{
    DisplayName, EmailAddress, IdempotencyKey, KeptReply, NewUser, Password, Profile, User, Username,
};
use crate::http::App;
use crate::http::error::ApiError;
use crate::store::{Registration, StoreError};

const KEY_HEADER: &str = "idempotency-key";

/// The body. Every field may be missing as far as its type goes, so that all that
/// is wrong can be told at once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Body {
    email: Option<String>,
    password: Option<String>,
    username: Option<String>,
    display_name: Option<String>,
}

/// A request that makes sense.
struct SignUp {
    profile: Profile,
    password: Password,
    key: Option<IdempotencyKey>,
}

pub(in crate::http) async fn register(
    State(app): State<App>,
    headers: HeaderMap,
    trace: TraceContext,
    body: Result<Json<Body>, Problem>,
) -> Result<Response, ApiError> {
    let done = async {
        let key = idempotency_key(&headers)?;
        let Json(body) = body?;
        let sign_up = body.check(key).map_err(Problem::invalid)?;
        sign_up.run(&app, trace.traceparent()).await
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

/// The key that the request carries, if it carries one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut keys = headers.get_all(KEY_HEADER).iter();
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => IdempotencyKey::parse(key.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(crate::domain::InvalidKey),
    }
    .map_err(|error| Problem::bad_request("invalid_idempotency_key", error.to_string()))
}

impl Body {
    fn check(self, key: Option<IdempotencyKey>) -> Result<SignUp, Vec<FieldError>> {
        let mut errors = Vec::new();
        let email = field(&mut errors, "email", self.email, |text| EmailAddress::parse(&text));
        let password = field(&mut errors, "password", self.password, Password::parse);
        let username = self
            .username
            .and_then(|text| field(&mut errors, "username", Some(text), |text| Username::parse(&text)));
        let display_name = self.display_name.and_then(|text| {
            field(&mut errors, "display_name", Some(text), |text| DisplayName::parse(&text))
        });
        match (email, password) {
            (Some(email), Some(password)) if errors.is_empty() => {
                let profile = Profile { username, display_name, ..Profile::of(email) };
                Ok(SignUp { profile, password, key })
            }
            _ => Err(errors),
        }
    }
}

/// The field's value, or its error among `errors`.
fn field<T, E: std::fmt::Display>(
    errors: &mut Vec<FieldError>,
    name: &str,
    text: Option<String>,
    parse: impl FnOnce(String) -> Result<T, E>,
) -> Option<T> {
    let pointer = format!("/{name}");
    let Some(text) = text else {
        errors.push(FieldError::new(pointer, "required", format!("Give the field `{name}`.")));
        return None;
    };
    parse(text)
        .map_err(|error| errors.push(FieldError::new(pointer, "invalid_value", error.to_string())))
        .ok()
}

impl SignUp {
    async fn run(self, app: &App, traceparent: String) -> Result<Reply, ApiError> {
        // Looked up first: a repeated request costs no new hash and no write.
        if let Some(key) = self.key
            && let Some(kept) = app.store.kept_reply(key).await?
        {
            return self.replay(app, kept).await;
        }
        let password_hash = app.passwords.hash(self.password.clone()).await?;
        let user_id = app.store.new_user_id();
        let (profile, now) = (self.profile.clone(), app.clock.now());
        let new = NewUser::new(user_id, profile, Some(password_hash), now, Some(traceparent));
        let reply = Reply::to_new(new.user())?;
        let new = match self.key {
            Some(key) => new.keep_reply(key, reply.body.clone()),
            None => new,
        };
        match write(app, new).await? {
            Registration::Registered(_) => Ok(reply),
            Registration::EmailTaken => Err(email_taken().into()),
            Registration::UsernameTaken => Err(username_taken().into()),
            // Another request with this key was faster.
            Registration::KeyUsed(kept) => self.replay(app, kept).await,
        }
    }

    /// The first reply once more, if this is the request that it was given to.
    async fn replay(self, app: &App, kept: KeptReply) -> Result<Reply, ApiError> {
        let user_id = kept.user_id.clone();
        let Some(request) = kept.at(app.clock.now()) else {
            return Err(key_expired(&user_id).into());
        };
        let is_same = request.digest == self.profile.request_digest()
            && match request.password_hash {
                Some(hash) => app.passwords.verify(self.password, hash).await?,
                None => false,
            };
        if is_same {
            Ok(Reply { user_id, body: request.reply, is_replay: true })
        } else {
            let detail = "This Idempotency-Key came with another request before; use a new key for this one.";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail).into())
        }
    }
}

/// Writes the user and wakes the relay, to the end, even if the client hangs up.
async fn write(app: &App, new: NewUser) -> Result<Registration, ApiError> {
    let (store, wake) = (app.store.clone(), app.wake.clone());
    let written = app.lifecycle.run_to_end(async move {
        let registration = store.register(new).await;
        if matches!(registration, Ok(Registration::Registered(_))) {
            wake.notify_one();
        }
        registration
    });
    Ok(written.await??)
}

fn email_taken() -> Problem {
    let detail = "Somebody has registered with this email address. If it was you, sign in; if you only \
                  lost the reply, send the request again with its Idempotency-Key.";
    Problem::new(StatusCode::CONFLICT, "email_taken", detail)
}

fn username_taken() -> Problem {
    let detail = "Somebody else has this username; choose another one.";
    Problem::new(StatusCode::CONFLICT, "username_taken", detail)
}

/// The reply is gone, after 30 days or since the password was changed. What the key
/// made is still told, so that nobody makes it twice.
fn key_expired(user_id: &str) -> Problem {
    let detail = "This Idempotency-Key registered the user at `resource` before, and the reply is no longer \
                  kept. Sign in, or use a new key for a new user.";
    Problem::new(StatusCode::CONFLICT, "idempotency_key_expired", detail)
        .with("resource", format!("/v1/users/{user_id}"))
}

/// The reply to a registration, first or repeated.
struct Reply {
    user_id: String,
    body: Vec<u8>,
    is_replay: bool,
}

impl Reply {
    fn to_new(user: &User) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(&UserBody::from(user)).map_err(StoreError::corrupt)?;
        Ok(Self { user_id: user.user_id.clone(), body, is_replay: false })
    }

    fn into_response(self) -> Result<Response, ApiError> {
        let location = HeaderValue::from_str(&format!("/v1/users/{}", self.user_id));
        let location = location.map_err(StoreError::corrupt)?;
        let json = HeaderValue::from_static("application/json");
        let headers = [(header::LOCATION, location), (header::CONTENT_TYPE, json)];
        let mut response = (StatusCode::CREATED, headers, self.body).into_response();
        if self.is_replay {
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        Ok(response)
    }
}
