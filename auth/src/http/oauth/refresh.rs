//! The grant `refresh_token`: a session goes on (RFC 6749, section 6; RFC 9700, section 4.14).

use accrue_chassis::http::{Form, SECURITY_LOG};
use accrue_chassis::tokens::Scopes;
use accrue_events::user::UserStatus;
use secrecy::ExposeSecret as _;

use super::client::Asking;
use super::error::OAuthError;
use super::token::TokenBody;
use crate::domain::{PresentedToken, Session, Standing, User};
use crate::http::App;

pub(super) async fn exchange(app: &App, asking: &Asking, form: &Form) -> Result<TokenBody, OAuthError> {
    let token = form.get("refresh_token")?;
    let token = token.ok_or_else(|| OAuthError::invalid_request("Give the field refresh_token."))?;
    let Asking::FirstParty = asking else {
        // No service was ever given one.
        return Err(OAuthError::invalid_grant());
    };
    let token = PresentedToken::parse(token).ok_or_else(OAuthError::invalid_grant)?;
    let session = app.store.session(token.session_id).await?.ok_or_else(OAuthError::invalid_grant)?;
    match session.standing(&token, app.clock.now()) {
        Standing::Current => go_on(app, session, token, form).await,
        Standing::Reused => {
            app.store.end_session(&session.user_id, session.session_id).await?;
            let (user_id, session_id) = (session.user_id, session.session_id);
            tracing::warn!(target: SECURITY_LOG, event = "refresh_token_reused", user_id, %session_id);
            Err(OAuthError::invalid_grant())
        }
        Standing::JustRotated | Standing::Unknown => Err(OAuthError::invalid_grant()),
    }
}

/// The access token is made before the refresh token is used up: whatever fails on
/// the way, what was sent is still good.
async fn go_on(
    app: &App,
    session: Session,
    token: PresentedToken,
    form: &Form,
) -> Result<TokenBody, OAuthError> {
    let user = owner(app, &session).await?;
    let scopes = match form.get("scope")?.map(Scopes::parse) {
        None => user.roles.scopes(),
        Some(scopes) if !scopes.is_empty() && scopes.is_within(&user.roles.scopes()) => scopes,
        Some(_) => return Err(OAuthError::invalid_scope()),
    };
    let access_token = app.tokens.for_user(&user.user_id, session.session_id, &scopes).await?;
    let (rotation, refresh_token) = session.rotation(token.digest, app.clock.now(), app.session_lifetime);
    if !app.store.rotate_session(&rotation).await? {
        // Another exchange of the same token was faster, or the session has just ended.
        return Err(OAuthError::invalid_grant());
    }
    Ok(TokenBody {
        access_token: access_token.token,
        token_type: "Bearer",
        expires_in: access_token.expires_in,
        scope: access_token.scope,
        refresh_token: Some(refresh_token.expose_secret().to_owned()),
        user_id: Some(user.user_id),
    })
}

/// The user whose session it is, if it goes on.
async fn owner(app: &App, session: &Session) -> Result<User, OAuthError> {
    let user = app.store.user(&session.user_id).await?;
    let now = app.clock.now();
    user.filter(|user| user.status == UserStatus::Active && session.is_good(user.session_epoch, now))
        .ok_or_else(OAuthError::invalid_grant)
}
