//! Registering whoever signs up, and giving the reply again to whoever lost it.

use accrue_chassis::http::{ClientAddress, SECURITY_LOG};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;

use super::{UserBody, problems};
use crate::domain::{IdempotencyKey, KeptReply, NewUser, Password, Profile, User};
use crate::http::App;
use crate::http::error::ApiError;
use crate::limits::{Limit, Slot, by_user};
use crate::store::{Registration, StoreError};

/// A request that makes sense.
pub(super) struct SignUp {
    pub(super) profile: Profile,
    pub(super) password: Password,
    pub(super) key: Option<IdempotencyKey>,
}

impl SignUp {
    /// Registers the user, or gives the first reply once more.
    pub(super) async fn run(
        self,
        app: &App,
        client: ClientAddress,
        traceparent: String,
    ) -> Result<Reply, ApiError> {
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
pub(super) struct Reply {
    /// Whom it tells of; none where it tells nobody anything.
    user_id: Option<String>,
    body: Vec<u8>,
    pub(super) is_replay: bool,
}

impl Reply {
    fn to_new(user: &User) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(&UserBody::from(user)).map_err(StoreError::corrupt)?;
        Ok(Self { user_id: Some(user.user_id.clone()), body, is_replay: false })
    }

    /// One that tells nobody anything.
    pub(super) fn accepted(body: &[u8]) -> Self {
        Self { user_id: None, body: body.to_vec(), is_replay: false }
    }

    pub(super) fn into_response(self) -> Result<Response, ApiError> {
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
