//! Another address, where addresses have to be verified: it is the user's once the
//! token out of the mail to it is used, and until then nobody learns whether it is taken.

use crate::domain::{EmailAddress, User};
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::users::problems;

/// How often is read and decided anew because others were faster.
const TRIES: usize = 5;

/// Writes a mail to that address: a token if it is free, and to its owner, if it is
/// not, that somebody tried. Either way as much is read and written.
pub(super) async fn ask_for(app: &App, user: User, email: &EmailAddress) -> Result<(), ApiError> {
    let owner = app.store.by_email(email).await?;
    if owner.is_some() {
        app.mailing.post_to(app, (email, owner), |_| true, |composer| composer.taken(email)).await?;
        return Ok(());
    }
    let mut user = user;
    for _ in 0..TRIES {
        let Some(posting) = app.mailing.new_address(email, user.session_epoch)? else {
            return Ok(());
        };
        if app.store.post(&user.user_id, user.version, posting).await? {
            app.mailing.wake.notify_one();
            return Ok(());
        }
        user = app.store.user(&user.user_id).await?.ok_or_else(problems::not_found)?;
        super::active(&user)?;
    }
    Err(problems::changed_meanwhile().into())
}
