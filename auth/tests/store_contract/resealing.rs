//! Mail under a key that is to go: sealed anew where it waits, and sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use accrue_auth::domain::{EmailAddress, NewUser, Posting, User, WaitingMail};
use accrue_auth::mail::{Composer, Postman, SendError, Sending, Transport};
use accrue_auth::sealing::{KeyEncryptionKeys, Sealed};
use accrue_auth::store::{AuthStore, Registration};
use accrue_auth::tokens::rewrap;
use accrue_chassis::clock::ManualClock;
use async_trait::async_trait;
use secrecy::ExposeSecret as _;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::place::{Place, new_user, now};

const LEASE: Duration = Duration::from_mins(2);

/// The key of before, both as `rewrap-keys` is run, and the new one alone.
struct Keys {
    old: KeyEncryptionKeys,
    both: KeyEncryptionKeys,
    new: KeyEncryptionKeys,
}

impl Keys {
    fn generate() -> Self {
        let (old, new) = (KeyEncryptionKeys::generate(), KeyEncryptionKeys::generate());
        let (old, new) = (old.expose_secret(), new.expose_secret());
        let parse = |list: &str| KeyEncryptionKeys::parse(list).expect("keys");
        Self { old: parse(old), both: parse(&format!("{new},{old}")), new: parse(new) }
    }
}

/// A mail server that takes everything.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<Uuid>>>);

#[async_trait]
impl Transport for Taken {
    async fn send(&self, id: Uuid, _: lettre::Message) -> Result<(), SendError> {
        self.0.lock().expect("no test panicked").push(id);
        Ok(())
    }
}

fn composer(keys: &KeyEncryptionKeys, clock: &Arc<ManualClock>) -> Composer {
    Composer::new(keys.clone(), "https://example.com", Arc::<ManualClock>::clone(clock))
}

async fn register(store: &dyn AuthStore, new: NewUser, posting: Posting) -> User {
    match store.register(new.post(Some(posting))).await.expect("a store that works") {
        Registration::Registered(user) => user,
        other => panic!("not registered: {other:?}"),
    }
}

fn address(user: &NewUser) -> EmailAddress {
    user.user().email.clone().expect("an address")
}

async fn waiting(store: &dyn AuthStore, after: &str, limit: usize) -> Vec<(String, WaitingMail)> {
    store.mail_not_under("another key", after, limit).await.expect("a store that works")
}

async fn sent(store: &Arc<dyn AuthStore>, clock: &Arc<ManualClock>, keys: &KeyEncryptionKeys) -> Vec<Uuid> {
    let taken = Taken::default();
    let from = "Accrue <no-reply@example.com>".parse().expect("a sender");
    let sending = Sending { transport: Arc::new(taken.clone()), from, keys: keys.clone() };
    let clock = Arc::<ManualClock>::clone(clock);
    let postman = Postman::new(Arc::clone(store), sending, clock, Arc::new(Notify::new()));
    while postman.run_once().await.expect("a round").sent > 0 {}
    let mut sent = std::mem::take(&mut *taken.0.lock().expect("no test panicked"));
    sent.sort();
    sent
}

/// More users than are read at once, one of whom two mails wait for.
pub(crate) async fn mail_that_waits_goes_out_after_its_key_has_gone(place: &Place) {
    let (clock, keys) = (now(), Keys::generate());
    let store = place.store(&clock).await;
    let (under_old, under_new) = (composer(&keys.old, &clock), composer(&keys.new, &clock));
    let mut posted = Vec::new();
    for index in 0..103 {
        let new = new_user(&*store, &clock, &format!("user{index}"));
        let (email, by) = (address(&new), if index == 7 { &under_new } else { &under_old });
        let mail = by.verification(&email).expect("a mail");
        posted.push(mail.mail.id);
        let user = register(&*store, new, mail).await;
        if index == 5 {
            let reset = under_old.reset(&email).expect("a mail");
            posted.push(reset.mail.id);
            assert!(store.post(&user.user_id, user.version, reset).await.expect("a store that works"));
        }
    }
    // Whoever holds some of it meanwhile marks it all the same.
    let held = store.claim_mail(1, LEASE).await.expect("a claim");
    rewrap(&*store, &keys.both).await.expect("sealed anew");
    assert_eq!(accrue_auth::mail::rewrap(&*store, &keys.both).await.expect("done"), 0, "it is done once");
    for mail in &held.mails {
        store.mark_sent(&held, mail).await.expect("a store that works");
        posted.retain(|id| *id != mail.mail.id);
    }
    store.release_mail(&held).await.expect("a store that works");
    posted.sort();
    assert!(!held.mails.is_empty() && posted.len() > 100);
    assert_eq!(sent(&store, &clock, &keys.new).await, posted);
    assert!(waiting(&*store, "", 10).await.is_empty());
}

pub(crate) async fn mail_that_does_not_open_stays_and_stops_nothing(place: &Place) {
    let (clock, keys, strange) = (now(), Keys::generate(), Keys::generate());
    let store = place.store(&clock).await;
    let mut ids = Vec::new();
    for (name, keys) in [("ada", &strange.old), ("ida", &keys.old), ("eda", &strange.old)] {
        let new = new_user(&*store, &clock, name);
        let mail = composer(keys, &clock).verification(&address(&new)).expect("a mail");
        ids.push(mail.mail.id);
        register(&*store, new, mail).await;
    }
    assert_eq!(accrue_auth::mail::rewrap(&*store, &keys.both).await.expect("done"), 1);
    assert_eq!(sent(&store, &clock, &keys.new).await, [ids[1]]);
    assert_eq!(waiting(&*store, "", 10).await.len(), 2);
}

pub(crate) async fn only_the_very_mail_is_sealed_anew(place: &Place) {
    let (clock, keys) = (now(), Keys::generate());
    let store = place.store(&clock).await;
    let under_old = composer(&keys.old, &clock);
    let new = new_user(&*store, &clock, "ada");
    let email = address(&new);
    let user = register(&*store, new, under_old.verification(&email).expect("a mail")).await;
    let read = waiting(&*store, "", 10).await;
    let (user_id, first) = &read[0];
    assert_eq!((read.len(), user_id), (1, &user.user_id));
    assert!(waiting(&*store, user_id, 10).await.is_empty(), "nobody comes after");
    let newer = under_old.verification(&email).expect("a mail");
    assert!(store.post(user_id, user.version, newer.clone()).await.expect("a store that works"));
    let sealed = Sealed { key_id: "k".to_owned(), bytes: vec![1] };
    assert!(!store.reseal_mail(user_id, first, &sealed).await.expect("a store that works"));
    assert!(!store.reseal_mail("nobody", &newer.mail, &sealed).await.expect("a store that works"));
    assert!(store.reseal_mail(user_id, &newer.mail, &sealed).await.expect("a store that works"));
    assert!(!store.reseal_mail(user_id, &newer.mail, &sealed).await.expect("a store that works"), "once");
    let claim = store.claim_mail(10, LEASE).await.expect("a claim");
    assert_eq!((claim.mails[0].mail.id, &claim.mails[0].mail.sealed), (newer.mail.id, &sealed));
}
