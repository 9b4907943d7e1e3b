//! Sealing anew the mail that waits, so that an older key can be taken off the list.

use super::letter;
use crate::sealing::KeyEncryptionKeys;
use crate::store::{AuthStore, StoreError};

/// Users whose mail is read at once.
const PAGE: usize = 100;

/// Seals every mail that waits under the newest key. How many were not. Mail that none
/// of the keys opens stays as it is: it waits for its key, or is the postman's to give up.
///
/// # Errors
/// [`StoreError`]; those before it are done, and it can be called again.
pub async fn rewrap(store: &dyn AuthStore, sealing: &KeyEncryptionKeys) -> Result<usize, StoreError> {
    let (mut done, mut closed) = (0, 0);
    let mut after = String::new();
    loop {
        let page = store.mail_not_under(sealing.current_id(), &after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after.clone_from(last);
        for (user_id, mail) in &page {
            match letter::reseal(mail.id, &mail.sealed, sealing) {
                // Where it does not match the mail was sent, or a newer one took its place.
                Ok(sealed) => done += usize::from(store.reseal_mail(user_id, mail, &sealed).await?),
                Err(error) => {
                    tracing::warn!(%error, mail_id = %mail.id, "a mail that waits cannot be sealed anew");
                    closed += 1;
                }
            }
        }
    }
    tracing::info!(done, closed, "the mail that waits was sealed anew");
    Ok(done)
}
