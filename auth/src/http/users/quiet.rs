//! Signing up where addresses have to be verified: nobody learns whether one is taken.

use accrue_chassis::http::ClientAddress;

use super::register::write;
use crate::domain::{EmailAddress, IdempotencyKey, NewUser, Password, Profile, User};
use crate::http::App;
use crate::http::error::ApiError;
use crate::limits::Limit;
use crate::store::Registration;

/// Registers, or tells the owner of the address by mail that somebody tried. Either
/// way the same is counted, hashed and written first, and the same is answered; the
/// key of the request decides only whether the same one registers twice.
pub(super) async fn sign_up(
    app: &App,
    client: ClientAddress,
    (profile, password, key): (Profile, Password, Option<IdempotencyKey>),
    (traceparent, reply): (String, &[u8]),
) -> Result<(), ApiError> {
    let _ = app.limits.admit(Limit::SignUpByPeer, &client.subject()).await?.or_problem()?;
    let _ = app.limits.admit(Limit::MailByAddress, profile.email.as_str()).await?.or_problem()?;
    let hash = app.passwords.hash(password).await?;
    let (email, now) = (profile.email.clone(), app.clock.now());
    let new = NewUser::new(app.store.new_user_id(), profile, Some(hash), now, Some(traceparent));
    let new = new.post(app.mailing.verification(&email)?);
    // A key stays free where the address was taken. It must not matter to other addresses.
    let key = key.map(|key| key.of_address(&email));
    let is_key_used = match key {
        Some(key) => app.store.kept_reply(key).await?.is_some(),
        None => false,
    };
    let new = match key {
        Some(key) => new.keep_reply(key, reply.to_vec()),
        None => new,
    };
    // Looked at first, so that one who is told is read and written as often as one who
    // is registered.
    let owner = app.store.by_email(&email).await?;
    if is_key_used {
        return Ok(app.limits.count_nobody().await?);
    }
    if owner.is_some() {
        return tell(app, &email, owner).await;
    }
    match write(app, new).await? {
        Registration::Registered(_) | Registration::KeyUsed(_) => Ok(()),
        // Somebody was faster by a moment. Nobody has a username yet.
        Registration::EmailTaken | Registration::UsernameTaken => {
            tell(app, &email, app.store.by_email(&email).await?).await
        }
    }
}

/// Tells the owner of the address that somebody tried.
async fn tell(app: &App, email: &EmailAddress, owner: Option<User>) -> Result<(), ApiError> {
    app.mailing.post_to(app, (email, owner), |_| true, |composer| composer.taken(email)).await?;
    Ok(())
}
