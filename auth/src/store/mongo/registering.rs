//! Registering users in MongoDB: one insert.

use mongodb::Collection;
use mongodb::bson::doc;

use super::document::UserDocument;
use super::handover::Lease;
use super::rivals::{self, Rival};
use super::{StoreError, fault};
use crate::domain::NewUser;
use crate::store::Registration;

/// One insert. Its id is ours, so whatever the answer was, and however often the
/// driver sent it, reading by that id tells whether it happened.
pub(super) async fn register(
    users: &Collection<UserDocument>,
    new: NewUser,
    lease: Option<Lease>,
) -> Result<Registration, StoreError> {
    let mut document = UserDocument::new(&new)?;
    document.lease = lease;
    match users.insert_one(&document).await {
        Ok(_) => Ok(Registration::Registered(new.user)),
        Err(error) if fault::is_duplicate_key(&error) => {
            let key = new.kept.as_ref().map(|kept| &kept.key);
            match rivals::find(users, (document.id, true), &new.user, key).await? {
                Rival::Itself => Ok(Registration::Registered(new.user)),
                Rival::Key(rival) => rival.into_kept_reply().map(Registration::KeyUsed),
                Rival::Email => Ok(Registration::EmailTaken),
                Rival::Username => Ok(Registration::UsernameTaken),
            }
        }
        Err(error) if fault::may_have_written(&error) => {
            let ours = users.find_one(doc! { "_id": document.id }).await;
            match ours {
                Ok(Some(_)) => Ok(Registration::Registered(new.user)),
                Ok(None) | Err(_) => Err(fault::store(error)),
            }
        }
        Err(error) => Err(fault::store(error)),
    }
}
