//! What a process hands to its own relay, and what others find of it. Needs a server.

use std::sync::Arc;
use std::time::Duration;

use accrue_chassis::clock::{Clock as _, ManualClock};
use accrue_events::outbox::{Claim, Outbox as _};
use accrue_testkit::TestMongo;
use time::macros::datetime;

use super::MongoStore;
use crate::domain::{DisplayName, Edit, EmailAddress, NewUser, Profile};
use crate::store::{Changed, Registration, UserStore as _};

const LEASE: Duration = Duration::from_secs(10);

/// Two processes on one database.
struct Pair {
    one: MongoStore,
    other: MongoStore,
    clock: Arc<ManualClock>,
    _database: TestMongo,
}

impl Pair {
    async fn set_up() -> Option<Self> {
        let database = accrue_testkit::mongodb().await?;
        let clock = ManualClock::new(datetime!(2026-01-02 03:04:05 UTC));
        let one = MongoStore::open(database.url(), clock.clone(), true).await.expect("a store");
        let other = MongoStore::open(database.url(), clock.clone(), true).await.expect("a store");
        one.relay_begins(LEASE);
        other.relay_begins(LEASE);
        // What was there before is looked for first.
        for store in [&one, &other] {
            assert!(claim(store).await.entries.is_empty());
        }
        Some(Self { one, other, clock, _database: database })
    }

    async fn register(&self, name: &str) -> String {
        let email = EmailAddress::parse(&format!("{name}@example.com")).expect("an address");
        let (profile, hash) = (Profile::of(email), Some(String::from("hash").into()));
        let new = NewUser::new(self.one.new_user_id(), profile, hash, self.one.clock.now(), None);
        let user_id = new.user().user_id.clone();
        assert!(matches!(self.one.register(new).await, Ok(Registration::Registered(_))));
        user_id
    }

    async fn rename(&self, user_id: &str) {
        let user = self.one.user(user_id).await.expect("an answer").expect("the user");
        let name = DisplayName::parse("Ada").expect("a name");
        let change = Edit::of(&user).display_name(Some(name)).at(self.clock.now(), None);
        assert!(matches!(self.one.change(change).await, Ok(Changed::Done(_))));
    }
}

impl Pair {
    async fn erase(&self, user_id: &str) {
        let user = self.one.user(user_id).await.expect("an answer").expect("the user");
        let change = Edit::of(&user).erase().at(self.clock.now(), None);
        assert!(matches!(self.one.change(change).await, Ok(Changed::Done(_))));
    }
}

async fn claim(store: &MongoStore) -> Claim {
    store.claim(10, LEASE).await.expect("a claim")
}

/// As a relay that looks until there is something, or nothing for as long as it rests.
async fn found(store: &MongoStore) -> Claim {
    for _ in 0..20 {
        let claim = claim(store).await;
        if !claim.entries.is_empty() {
            return claim;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    claim(store).await
}

#[tokio::test]
async fn a_new_event_is_the_writers_own_until_its_lease_ends() {
    let Some(pair) = Pair::set_up().await else { return };
    let user_id = pair.register("ada").await;
    assert!(found(&pair.other).await.entries.is_empty(), "it is leased");
    let handed = claim(&pair.one).await;
    assert_eq!(handed.entries.len(), 1);
    assert_eq!(handed.entries[0].owner, user_id);
    pair.clock.advance(time::Duration::seconds(10));
    let taken_over = found(&pair.other).await;
    assert_eq!(taken_over.entries[0].message.id, handed.entries[0].message.id);
    // It is late, and marks nothing.
    pair.one.mark_published(&handed, &handed.entries).await.expect("an answer");
    assert_eq!(pair.one.backlog().await.expect("an answer").depth, 1);
    pair.other.mark_published(&taken_over, &taken_over.entries).await.expect("marked");
    assert_eq!(pair.one.backlog().await.expect("an answer").depth, 0);
}

#[tokio::test]
async fn what_changes_while_it_is_handed_over_stays_due() {
    let Some(pair) = Pair::set_up().await else { return };
    let (ada, _bob) = (pair.register("ada").await, pair.register("bob").await);
    let handed = claim(&pair.one).await;
    assert_eq!(handed.entries.len(), 2);
    pair.rename(&ada).await;
    pair.one.mark_published(&handed, &handed.entries).await.expect("marked");
    let next = claim(&pair.one).await;
    assert_eq!(next.entries.len(), 1, "{next:?}");
    assert_eq!((&next.entries[0].owner, &*next.entries[0].message.routing_key), (&ada, "user.updated"));
    pair.one.mark_published(&next, &next.entries).await.expect("marked");
    assert_eq!(pair.one.backlog().await.expect("an answer").depth, 0);
}

#[tokio::test]
async fn of_an_erased_user_no_address_goes_out_after_that() {
    let Some(pair) = Pair::set_up().await else { return };
    let (ada, bob) = (pair.register("ada").await, pair.register("bob").await);
    pair.erase(&ada).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        let claim = found(&pair.one).await;
        told.extend(
            claim.entries.iter().map(|entry| (entry.owner.clone(), entry.message.routing_key.clone())),
        );
        pair.one.mark_published(&claim, &claim.entries).await.expect("marked");
    }
    told.sort();
    let mut expected = [(ada, "user.deleted".to_owned()), (bob, "user.registered".to_owned())];
    expected.sort();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_relay_that_ends_leaves_what_it_was_handed_to_the_next() {
    let Some(pair) = Pair::set_up().await else { return };
    let user_id = pair.register("ada").await;
    pair.one.relay_ended().await.expect("released");
    assert_eq!(found(&pair.other).await.entries[0].owner, user_id);
    // Without a relay nothing is leased to one.
    pair.register("bob").await;
    assert_eq!(found(&pair.other).await.entries.len(), 1);
}

#[tokio::test]
async fn what_was_handed_over_and_not_confirmed_comes_again_at_once() {
    let Some(pair) = Pair::set_up().await else { return };
    pair.register("ada").await;
    let handed = claim(&pair.one).await;
    pair.one.mark_published(&handed, &[]).await.expect("an answer");
    pair.one.release(&handed).await.expect("released");
    assert_eq!(claim(&pair.one).await.entries.len(), 1);
}
