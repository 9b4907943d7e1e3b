//! Throttles in MongoDB: one document a counter, which the server deletes in time.

use std::time::Duration;

use async_trait::async_trait;
use mongodb::bson::{Document, doc};
use mongodb::options::{IndexOptions, ReturnDocument};
use mongodb::{Collection, IndexModel};

use super::document::{binary, to_bson};
use super::{MongoStore, StoreError, fault};
use crate::store::{Throttle, ThrottleStore};

/// The collection.
const THROTTLES: &str = "throttles";
/// The index by which the server deletes counters of the past.
pub(super) const EXPIRY: &str = "throttles_expiry";

/// Kept a little longer than they count, for processes whose clocks differ.
const KEPT_AFTER: Duration = Duration::from_mins(5);

/// The index of the throttles.
pub(super) fn index() -> IndexModel {
    let options = IndexOptions::builder().name(EXPIRY.to_owned()).expire_after(KEPT_AFTER).build();
    IndexModel::builder().keys(doc! { "expires_at": 1 }).options(options).build()
}

#[async_trait]
impl ThrottleStore for MongoStore {
    async fn count(&self, throttle: &Throttle) -> Result<bool, StoreError> {
        let (throttles, throttle) = (self.throttles(), *throttle);
        self.calls.run(async move { count(&throttles, throttle).await }).await
    }

    async fn uncount(&self, throttle: &Throttle) -> Result<(), StoreError> {
        let throttles = self.throttles();
        let filter = doc! { "_id": binary(&throttle.key), "tries": { "$gt": 0 } };
        self.calls
            .run(async move {
                let update = doc! { "$inc": { "tries": -1 } };
                throttles.update_one(filter, update).await.map(drop).map_err(fault::store)
            })
            .await
    }
}

impl MongoStore {
    pub(super) fn throttles(&self) -> Collection<Document> {
        self.database.collection(THROTTLES)
    }
}

/// The filter matches a counter only while it admits one more. Where it does not, or
/// where another made the counter a moment before, inserting it fails for its id:
/// then it is there, and only counting on is tried.
async fn count(throttles: &Collection<Document>, throttle: Throttle) -> Result<bool, StoreError> {
    let filter = doc! { "_id": binary(&throttle.key), "tries": { "$lt": i64::from(throttle.admits) } };
    let update = doc! {
        "$inc": { "tries": 1_i64 },
        "$setOnInsert": { "expires_at": to_bson(throttle.expires_at) },
    };
    let inserted_or_counted = throttles
        .find_one_and_update(filter.clone(), update.clone())
        .upsert(true)
        .return_document(ReturnDocument::After)
        .await;
    match inserted_or_counted {
        Ok(_) => Ok(true),
        Err(error) if fault::is_duplicate_key(&error) => {
            let counted = throttles.find_one_and_update(filter, update).await.map_err(fault::store)?;
            Ok(counted.is_some())
        }
        Err(error) => Err(fault::store(error)),
    }
}
