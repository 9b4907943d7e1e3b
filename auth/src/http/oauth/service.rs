//! The grant `client_credentials`: a service asks in its own name (RFC 6749, section 4.4).

use accrue_chassis::http::{Form, SECURITY_LOG};
use accrue_chassis::tokens::Scopes;

use super::client::Asking;
use super::error::OAuthError;
use super::token::TokenBody;
use crate::http::App;

pub(super) async fn issue(app: &App, asking: Asking, form: &Form) -> Result<TokenBody, OAuthError> {
    let Asking::Service(client) = asking else {
        return Err(OAuthError::invalid_client());
    };
    let scopes = match form.get("scope")?.map(Scopes::parse) {
        None => client.scopes,
        Some(scopes) if !scopes.is_empty() && scopes.is_within(&client.scopes) => scopes,
        Some(_) => return Err(OAuthError::invalid_scope()),
    };
    let token = app.tokens.for_client(&client.client_id, &scopes).await?;
    tracing::info!(target: SECURITY_LOG, event = "client_token", client_id = client.client_id);
    Ok(TokenBody {
        access_token: token.token,
        token_type: "Bearer",
        expires_in: token.expires_in,
        scope: token.scope,
        refresh_token: None,
        user_id: None,
    })
}
