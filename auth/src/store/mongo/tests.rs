//! What only MongoDB's way of keeping users can get wrong. Needs a server.

use std::time::Duration;

use accrue_chassis::clock::ManualClock;
use accrue_events::outbox::Outbox as _;
use accrue_testkit::TestMongo;
use mongodb::bson::{Bson, Document, doc};
use time::macros::datetime;

use super::document::{binary, object_id, to_bson_uuid};
use super::*;
use crate::domain::{Edit, EmailAddress, IdempotencyKey, NewUser, Profile};
use crate::store::{Changed, Registration, UserStore as _};

const LEASE: Duration = Duration::from_secs(10);

pub(super) struct Bench {
    pub(super) store: MongoStore,
    documents: Collection<Document>,
    _database: TestMongo,
}

impl Bench {
    pub(super) async fn set_up() -> Option<Self> {
        let database = accrue_testkit::mongodb().await?;
        let clock = ManualClock::new(datetime!(2026-01-02 03:04:05 UTC));
        let store = MongoStore::open(database.url(), clock, true).await.expect("a store");
        let documents = store.users.clone_with_type();
        Some(Self { store, documents, _database: database })
    }

    pub(super) fn new_user(&self, name: &str) -> NewUser {
        let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
        let (profile, hash) = (Profile::of(email), Some(String::from("hash").into()));
        NewUser::new(self.store.new_user_id(), profile, hash, self.store.clock.now(), None)
    }

    async fn register(&self, name: &str) -> String {
        let new = self.new_user(name);
        let user_id = new.user().user_id.clone();
        let done = self.store.register(new).await;
        assert!(matches!(done, Ok(Registration::Registered(_))), "{done:?}");
        user_id
    }

    /// What a later change of the user will do: push an entry and set the mark.
    async fn push_entry(&self, user_id: &str) -> uuid::Uuid {
        let event = uuid::Uuid::now_v7();
        let entry = doc! {
            "id": to_bson_uuid(event), "routing_key": "user.updated", "content_type": "x", "body": binary(b"x"),
        };
        let push =
            doc! { "$push": { "outbox": entry }, "$min": { "outbox_due": mongodb::bson::DateTime::now() } };
        let id = doc! { "_id": object_id(user_id) };
        assert_eq!(self.documents.update_one(id, push).await.expect("updated").modified_count, 1);
        event
    }

    async fn document(&self, user_id: &str) -> Document {
        let id = doc! { "_id": object_id(user_id) };
        self.documents.find_one(id).await.expect("an answer").expect("the user")
    }
}

#[tokio::test]
async fn an_entry_written_during_a_publish_survives_it() {
    let Some(bench) = Bench::set_up().await else { return };
    let user = bench.register("ada").await;
    let claim = bench.store.claim(10, LEASE).await.expect("a claim");
    let later = bench.push_entry(&user).await;
    bench.store.mark_published(&claim, &claim.entries).await.expect("marked");
    assert_eq!(bench.store.backlog().await.expect("an answer").depth, 1, "it is no longer due");
    let next = bench.store.claim(10, LEASE).await.expect("a claim");
    let left: Vec<_> = next.entries.iter().map(|entry| entry.message.id).collect();
    assert_eq!(left, [later]);
}

#[tokio::test]
async fn of_one_users_entries_only_the_confirmed_go() {
    let Some(bench) = Bench::set_up().await else { return };
    let user = bench.register("ada").await;
    let (second, third) = (bench.push_entry(&user).await, bench.push_entry(&user).await);
    let claim = bench.store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(claim.entries.len(), 3);
    assert_eq!(claim.entries[1].message.id, second, "in the order in which they were written");
    bench.store.mark_published(&claim, &claim.entries[..2]).await.expect("marked");
    bench.store.release(&claim).await.expect("released");
    let next = bench.store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(next.entries.len(), 1);
    assert_eq!(next.entries[0].message.id, third);
    bench.store.mark_published(&next, &next.entries).await.expect("marked");
    let document = bench.document(&user).await;
    assert!(!document.contains_key("outbox_due") && !document.contains_key("lease"), "{document}");
    assert_eq!(document.get("outbox"), Some(&Bson::Array(Vec::new())));
}

#[tokio::test]
async fn what_a_relay_left_half_marked_is_settled_by_the_next_claim() {
    let Some(bench) = Bench::set_up().await else { return };
    let settled = bench.register("ada").await;
    // It died after its first update: nothing to publish, and still due.
    let emptied = doc! { "$set": { "outbox": [] } };
    bench.documents.update_one(doc! {}, emptied).await.expect("updated");
    let waiting = bench.register("ida").await;
    // With room for one: what is settled must not hide what waits.
    let claim = bench.store.claim(1, LEASE).await.expect("a claim");
    assert_eq!(claim.entries.len(), 1);
    assert_eq!(claim.entries[0].owner, waiting);
    assert!(!bench.document(&settled).await.contains_key("outbox_due"));
    assert!(!bench.document(&settled).await.contains_key("lease"));
}

#[tokio::test]
async fn an_insert_that_had_arrived_after_all_is_a_success() {
    let Some(bench) = Bench::set_up().await else { return };
    let key = IdempotencyKey::parse(b"k").expect("a key");
    let new = bench.new_user("ada").keep_reply(key, b"reply".to_vec());
    for _ in 0..2 {
        // The second is what a driver's repeated send looks like: the same id again.
        let done = bench.store.register(new.clone()).await;
        assert!(matches!(done, Ok(Registration::Registered(_))), "{done:?}");
    }
    assert_eq!(bench.documents.count_documents(doc! {}).await.expect("an answer"), 1);
}

#[tokio::test]
async fn a_user_written_by_a_newer_release_can_be_read() {
    let Some(bench) = Bench::set_up().await else { return };
    let user = bench.register("ada").await;
    let newer = doc! { "$set": { "shoe_size": 43, "wardrobe": { "hats": [] } } };
    bench.documents.update_one(doc! {}, newer).await.expect("updated");
    assert!(bench.store.user(&user).await.expect("readable").is_some());
    let garbled = doc! { "$set": { "version": "five" } };
    bench.documents.update_one(doc! {}, garbled).await.expect("updated");
    let error = bench.store.user(&user).await.expect_err("unreadable");
    assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
    assert!(!format!("{error:?}").contains("ada@"), "{error:?}");
}

#[tokio::test]
async fn an_error_quotes_no_document() {
    let Some(bench) = Bench::set_up().await else { return };
    bench.register("ada").await;
    let refused = doc! { "email": "ada@example.com" };
    let error = bench.documents.insert_one(refused).await.expect_err("the address is taken");
    assert!(fault::is_duplicate_key(&error));
    let told = format!("{:?}", fault::store(error));
    assert!(told.contains("11000") && !told.contains("ada@"), "{told}");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_within_the_deadline() {
    let clock = ManualClock::new(datetime!(2026-01-02 03:04:05 UTC));
    let start = std::time::Instant::now();
    let error = MongoStore::open("mongodb://127.0.0.1:1/x", clock, true).await.err().expect("nobody there");
    assert!(matches!(error, OpenError::Unavailable(_)), "{error}");
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_change_that_had_arrived_after_all_is_a_success() {
    let Some(bench) = Bench::set_up().await else { return };
    let user_id = bench.register("ada").await;
    let user = bench.store.user(&user_id).await.expect("an answer").expect("the user");
    let now = bench.store.clock.now();
    let (ours, other) = (Edit::of(&user).verify_email().at(now, None), Edit::of(&user).verify_email());
    for _ in 0..2 {
        // The second is what a driver's repeated send looks like.
        let done = bench.store.change(ours.clone()).await;
        assert!(matches!(done, Ok(Changed::Done(_))), "{done:?}");
    }
    // The same change by somebody else is another one, though its version is the same.
    let stale = bench.store.change(other.at(now, None)).await;
    assert!(matches!(stale, Ok(Changed::Stale)), "{stale:?}");
    let document = bench.document(&user_id).await;
    assert_eq!(document.get_array("outbox").expect("an array").len(), 2);
    // Also once the event has been published.
    let emptied = doc! { "$set": { "outbox": [] } };
    bench.documents.update_one(doc! {}, emptied).await.expect("updated");
    assert!(matches!(bench.store.change(ours).await, Ok(Changed::Done(_))));
}

#[tokio::test]
async fn a_tombstone_has_no_field_that_is_not_named_here() {
    let Some(bench) = Bench::set_up().await else { return };
    let key = IdempotencyKey::parse(b"k").expect("a key");
    let new = bench.new_user("ada").keep_reply(key, b"reply to ada@example.com".to_vec());
    let user = new.user().clone();
    bench.store.register(new).await.expect("registered");
    // Whatever a later release may have written is gone too.
    let newer = doc! { "$set": { "phone": "555" } };
    bench.documents.update_one(doc! {}, newer).await.expect("updated");
    let erasure = Edit::of(&user).erase().at(bench.store.clock.now(), None);
    assert!(matches!(bench.store.change(erasure.clone()).await, Ok(Changed::Done(_))));
    assert!(matches!(bench.store.change(erasure).await, Ok(Changed::Done(_))), "sent again");
    let document = bench.document(&user.user_id).await;
    let named = [
        "_id",
        "created_at",
        "email_verified",
        "idempotency",
        "last_event",
        "outbox",
        "outbox_due",
        "session_epoch",
        "status",
        "version",
    ];
    let others: Vec<_> = document.keys().filter(|key| !named.contains(&key.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    let kept: Vec<_> = document.get_document("idempotency").expect("the key").keys().collect();
    assert_eq!(kept, ["key"]);
}

#[tokio::test]
async fn a_user_written_by_the_first_release_can_be_read_and_changed() {
    let Some(bench) = Bench::set_up().await else { return };
    let user_id = bench.register("ada").await;
    let older = doc! { "$unset": { "roles": "", "session_epoch": "", "last_event": "", "mail": "",
    "mail_due": "", "tickets": "" } };
    bench.documents.update_one(doc! {}, older).await.expect("updated");
    let user = bench.store.user(&user_id).await.expect("readable").expect("the user");
    assert_eq!((user.session_epoch, user.roles.iter().count(), &user.username), (0, 0, &None));
    let change = Edit::of(&user).end_sessions().at(bench.store.clock.now(), None);
    let done = bench.store.change(change).await;
    assert!(matches!(&done, Ok(Changed::Done(user)) if user.session_epoch == 1), "{done:?}");
}
