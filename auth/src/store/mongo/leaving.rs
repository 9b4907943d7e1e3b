//! Admins who leave: never the last two at once, though no transaction spans two users.
//!
//! Who leaves marks their own document first, looks for an admin who stays second, and
//! leaves third, in a write that asks for the mark. Of two who leave at once the later
//! mark was made before its maker looked, so at least one of them sees the other's. A
//! mark counts as gone when its time is over, but only after it was taken away: whoever
//! made it and wakes up late cannot leave by it any more.

use std::time::Duration;

use accrue_events::user::UserStatus;
use futures_util::TryStreamExt as _;
use mongodb::Collection;
use mongodb::bson::oid::ObjectId;
use mongodb::bson::{DateTime, Document, Uuid, doc, serialize_to_bson};
use serde::Deserialize;
use time::OffsetDateTime;

use super::document::{UserDocument, from_bson, to_bson, to_bson_uuid};
use super::{StoreError, fault};
use crate::domain::Role;

/// How long a mark holds, if whoever made it dies.
pub(super) const MARK: Duration = Duration::from_secs(10);
/// How often and how far apart the first of several who leave looks whether one of the
/// others has given way.
const LOOKS: usize = 40;
const LOOK_PAUSE: Duration = Duration::from_millis(25);

/// An admin, and the mark if they are about to leave.
#[derive(Deserialize)]
struct Admin {
    #[serde(rename = "_id")]
    id: ObjectId,
    leaving: Option<Mark>,
}

#[derive(Deserialize)]
struct Mark {
    token: Uuid,
    until: DateTime,
}

/// Whether one who wants to leave may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// They may, in a write that asks for this mark.
    Granted(Uuid),
    /// Nobody else would be left, or all others are leaving too, one of whom goes first.
    Refused,
    /// They are at another version, or no admin any more.
    Stale,
}

/// Marks this admin, who is at this version, as leaving, if another one stays.
pub(super) async fn ask(
    users: &Collection<UserDocument>,
    (id, version): (ObjectId, i64),
    now: OffsetDateTime,
) -> Result<Leave, StoreError> {
    let Some(token) = mark(users, (id, version), now).await? else {
        return Ok(Leave::Stale);
    };
    let is_another_left = match another_stays(users, id, now).await {
        Ok(is_another_left) => is_another_left,
        Err(error) => {
            stay(users, id, token).await;
            return Err(error);
        }
    };
    if is_another_left {
        return Ok(Leave::Granted(token));
    }
    stay(users, id, token).await;
    Ok(Leave::Refused)
}

/// A mark of before, which somebody left behind or goes on with, counts no more: the
/// new one takes its place.
pub(super) async fn mark(
    users: &Collection<UserDocument>,
    (id, version): (ObjectId, i64),
    now: OffsetDateTime,
) -> Result<Option<Uuid>, StoreError> {
    let token = to_bson_uuid(uuid::Uuid::new_v4());
    let mut filter = acting_admins()?;
    filter.extend(doc! { "_id": id, "version": version });
    let mark = doc! { "$set": { "leaving": { "token": token, "until": to_bson(now + MARK) } } };
    let done = users.update_one(filter, mark).await.map_err(fault::store)?;
    Ok((done.matched_count > 0).then_some(token))
}

/// Takes the mark away. If that fails its time ends it.
pub(super) async fn stay(users: &Collection<UserDocument>, id: ObjectId, token: Uuid) {
    let filter = doc! { "_id": id, "leaving.token": token };
    if let Err(error) = users.update_one(filter, unmarked()).await {
        let error = fault::store(error);
        tracing::debug!(%error, "an admin who stays is taken to be leaving for some seconds");
    }
}

/// Whether an admin other than this one, who is marked, stays. Where all others are
/// marked too, the one of the lowest id waits for one of them to give way.
async fn another_stays(
    users: &Collection<UserDocument>,
    id: ObjectId,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    for _ in 0..LOOKS {
        let mut others = acting_admins()?;
        others.insert("_id", doc! { "$ne": id });
        let found = users
            .clone_with_type::<Admin>()
            .find(others)
            .projection(doc! { "_id": 1, "leaving": 1 })
            .await
            .map_err(fault::store)?;
        let others: Vec<Admin> = found.try_collect().await.map_err(fault::store)?;
        for admin in &others {
            if stays(users, admin, now).await? {
                return Ok(true);
            }
        }
        if others.iter().any(|admin| admin.id < id) || others.is_empty() {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_PAUSE).await;
    }
    Ok(false)
}

/// One whose mark is past its time stays from the moment that it is taken away. A mark
/// that is good for longer than any is was made by a clock that was wrong.
async fn stays(
    users: &Collection<UserDocument>,
    admin: &Admin,
    now: OffsetDateTime,
) -> Result<bool, StoreError> {
    let Some(mark) = &admin.leaving else {
        return Ok(true);
    };
    let until = from_bson(mark.until)?;
    if now < until && until <= now + MARK * 2 {
        return Ok(false);
    }
    let mut filter = acting_admins()?;
    filter.extend(doc! { "_id": admin.id, "leaving.token": mark.token });
    let healed = users.update_one(filter, unmarked()).await.map_err(fault::store)?;
    Ok(healed.matched_count > 0)
}

fn acting_admins() -> Result<Document, StoreError> {
    let active = serialize_to_bson(&UserStatus::Active).map_err(StoreError::corrupt)?;
    Ok(doc! { "status": active, "roles": Role::Admin.word() })
}

fn unmarked() -> Document {
    doc! { "$unset": { "leaving": "" } }
}

#[cfg(test)]
mod tests {
    use super::super::document::object_id;
    use super::super::tests::Bench;
    use super::super::{MongoStore, changing};
    use super::*;
    use crate::domain::{Edit, Roles, User, UserChange};
    use crate::store::{Changed, Registration, UserStore as _};

    async fn admin(bench: &Bench, name: &str) -> (ObjectId, User) {
        let new = bench.new_user(name);
        let Ok(Registration::Registered(user)) = bench.store.register(new).await else { panic!("no user") };
        let promoted = Edit::of(&user).roles([Role::Admin].into_iter().collect());
        let change = promoted.at(bench.store.clock.now(), None);
        let Ok(Changed::Done(user)) = bench.store.change(change).await else { panic!("no admin") };
        (object_id(&user.user_id).expect("an id"), user)
    }

    fn leaves(store: &MongoStore, user: &User) -> UserChange {
        Edit::of(user).roles(Roles::none()).at(store.clock.now(), None)
    }

    /// What a process leaves behind that dies between its mark and its write.
    async fn granted(store: &MongoStore, (id, user): &(ObjectId, User), now: OffsetDateTime) -> Uuid {
        match ask(&store.users, (*id, user.version), now).await.expect("an answer") {
            Leave::Granted(token) => token,
            other => panic!("not granted: {other:?}"),
        }
    }

    #[tokio::test]
    async fn a_mark_left_behind_holds_for_its_time_and_then_for_nobody() {
        let Some(bench) = Bench::set_up().await else { return };
        let (ada, ida) = (admin(&bench, "ada").await, admin(&bench, "ida").await);
        let (users, now) = (&bench.store.users, bench.store.clock.now());
        let late = granted(&bench.store, &ada, now).await;
        let early = ask(users, (ida.0, ida.1.version), now + MARK / 2).await;
        assert_eq!(early.expect("an answer"), Leave::Refused);
        let change = leaves(&bench.store, &ida.1);
        let left = changing::change(users, change, now + MARK).await.expect("an answer");
        assert!(matches!(left, Changed::Done(_)), "{left:?}");
        // Whoever made the mark wakes up, and its write comes at last.
        for change in [leaves(&bench.store, &ada.1), Edit::of(&ada.1).erase().at(now, None)] {
            let left = changing::leave(users, ada.0, change, late).await.expect("an answer");
            assert!(matches!(left, Changed::Stale), "{left:?}");
        }
        let again = bench.store.change(leaves(&bench.store, &ada.1)).await.expect("an answer");
        assert!(matches!(again, Changed::LastAdmin), "{again:?}");
        assert!(bench.store.user(&ada.1.user_id).await.expect("an answer").expect("ada").is_acting_admin());
    }

    #[tokio::test]
    async fn whoever_asks_again_goes_on_at_once() {
        let Some(bench) = Bench::set_up().await else { return };
        let (ada, _ida) = (admin(&bench, "ada").await, admin(&bench, "ida").await);
        let now = bench.store.clock.now();
        let lost = granted(&bench.store, &ada, now).await;
        granted(&bench.store, &ada, now).await;
        let change = leaves(&bench.store, &ada.1);
        let left = changing::leave(&bench.store.users, ada.0, change, lost).await.expect("an answer");
        assert!(matches!(left, Changed::Stale), "the mark of before counts no more: {left:?}");
        let left = bench.store.change(leaves(&bench.store, &ada.1)).await.expect("an answer");
        assert!(matches!(left, Changed::Done(_)), "{left:?}");
        let filter = doc! { "_id": ada.0, "leaving": { "$exists": true } };
        assert_eq!(bench.store.users.count_documents(filter).await.expect("a count"), 0);
    }

    #[tokio::test]
    async fn a_mark_of_a_wrong_clock_holds_nobody_up() {
        let Some(bench) = Bench::set_up().await else { return };
        let (ada, ida) = (admin(&bench, "ada").await, admin(&bench, "ida").await);
        let now = bench.store.clock.now();
        granted(&bench.store, &ada, now + Duration::from_hours(1)).await;
        granted(&bench.store, &ida, now).await;
    }
}
