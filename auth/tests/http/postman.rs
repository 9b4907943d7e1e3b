//! The postman round by round: refused, away, died, without its key.

mod broken_off;

use std::sync::Arc;
use std::time::Duration as StdDuration;

use accrue_auth::domain::{EmailAddress, NewUser, Profile};
use accrue_auth::mail::{Composer, Outcome, Postman, Sending, SmtpTransport};
use accrue_auth::sealing::KeyEncryptionKeys;
use accrue_auth::store::{self, AuthStore};
use accrue_chassis::clock::{Clock as _, ManualClock};
use secrecy::ExposeSecret as _;
use time::Duration;
use time::macros::datetime;
use tokio::sync::Notify;

use crate::smtp::{self, MailServer};

const ADA: &str = "ada@example.com";
const SENT: Outcome = Outcome { sent: 1, put_off: 0, given_up: 0 };
const PUT_OFF: Outcome = Outcome { sent: 0, put_off: 1, given_up: 0 };
const GIVEN_UP: Outcome = Outcome { sent: 0, put_off: 0, given_up: 1 };

/// A store with users, for each of whom a mail waits.
struct Office {
    store: Arc<dyn AuthStore>,
    clock: Arc<ManualClock>,
    keys: KeyEncryptionKeys,
    /// Of a store in a file.
    _files: Option<tempfile::TempDir>,
}

impl Office {
    async fn open() -> Self {
        Self::with(&[ADA]).await
    }

    async fn with(addresses: &[&str]) -> Self {
        let files = accrue_testkit::data_dir();
        let url = format!("sqlite:{}", files.path().join("auth.db").display());
        let office = Self { _files: Some(files), ..Self::at(&url).await };
        for address in addresses {
            office.register(address).await;
        }
        office
    }

    /// Without users, in the store at `url`.
    async fn at(url: &str) -> Self {
        let clock = ManualClock::new(datetime!(2026-01-02 03:04:05 UTC));
        let store = store::open(url, Arc::<ManualClock>::clone(&clock), true).await.expect("a store");
        Self { store, clock, keys: new_keys(), _files: None }
    }

    /// Somebody signs up, a second after whoever did before.
    async fn register(&self, address: &str) {
        self.clock.advance(Duration::seconds(1));
        let email = EmailAddress::parse(address).expect("an address");
        let composer = Composer::new(self.keys.clone(), "https://example.com", self.clock.clone());
        let mail = composer.verification(&email).expect("a mail");
        let now = self.clock.now();
        let new = NewUser::new(self.store.new_user_id(), Profile::of(email), None, now, None);
        self.store.register(new.post(Some(mail))).await.expect("registered");
    }

    fn postman(&self, url: &str) -> Postman {
        self.postman_with(url, self.keys.clone())
    }

    fn postman_with(&self, url: &str, keys: KeyEncryptionKeys) -> Postman {
        let transport = SmtpTransport::new(&url.to_owned().into()).expect("a transport");
        self.postman_by(transport, keys)
    }

    fn postman_by(&self, transport: SmtpTransport, keys: KeyEncryptionKeys) -> Postman {
        let from = "Accrue <no-reply@example.com>".parse().expect("a sender");
        let sending = Sending { transport: Arc::new(transport), from, keys };
        Postman::new(self.store.clone(), sending, self.clock.clone(), Arc::new(Notify::new()))
    }
}

fn new_keys() -> KeyEncryptionKeys {
    KeyEncryptionKeys::parse(KeyEncryptionKeys::generate().expose_secret()).expect("a key")
}

#[tokio::test]
async fn a_mail_that_is_refused_is_tried_again_later_and_later() {
    let (office, server) = (Office::open().await, MailServer::start());
    let postman = office.postman(&server.url());
    server.refuse(true);
    for wait in [Duration::minutes(1), Duration::minutes(2), Duration::minutes(4)] {
        assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
        office.clock.advance(wait - Duration::seconds(1));
        assert_eq!(postman.run_once().await.expect("a round"), Outcome::default(), "not due yet");
        office.clock.advance(Duration::seconds(1));
    }
    server.refuse(false);
    assert_eq!(postman.run_once().await.expect("a round"), SENT);
    assert_eq!(postman.run_once().await.expect("a round"), Outcome::default());
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_days_is_given_up() {
    let (office, server) = (Office::open().await, MailServer::start());
    let postman = office.postman(&server.url());
    server.refuse(true);
    for _ in 0..13 {
        assert_eq!(postman.run_once().await.expect("a round"), PUT_OFF);
        office.clock.advance(Duration::hours(6));
    }
    assert_eq!(postman.run_once().await.expect("a round"), GIVEN_UP);
    office.clock.advance(Duration::days(1));
    assert_eq!(postman.run_once().await.expect("a round"), Outcome::default());
}

#[tokio::test]
async fn a_server_that_is_away_costs_no_try() {
    let office = Office::open().await;
    let address = MailServer::free_address();
    let postman = office.postman(&smtp::url(address));
    for _ in 0..20 {
        let error = postman.run_once().await.expect_err("nobody listens").to_string();
        assert!(!error.contains("ada@"), "{error}");
        office.clock.advance(Duration::hours(6));
    }
    let server = MailServer::at(address);
    assert_eq!(postman.run_once().await.expect("a round"), SENT);
    assert_eq!(server.mails()[0].to, ADA);
}

#[tokio::test]
async fn a_postman_who_died_is_followed_by_another() {
    let (office, server) = (Office::open().await, MailServer::start());
    let claim = office.store.claim_mail(8, StdDuration::from_mins(2)).await.expect("a claim");
    assert_eq!(claim.mails.len(), 1);
    let other = office.postman(&server.url());
    assert_eq!(other.run_once().await.expect("a round"), Outcome::default(), "it is held");
    office.clock.advance(Duration::seconds(121));
    assert_eq!(other.run_once().await.expect("a round"), SENT);
}

#[tokio::test]
async fn a_mail_waits_for_its_key() {
    let (office, server) = (Office::open().await, MailServer::start());
    let stranger = office.postman_with(&server.url(), new_keys());
    assert_eq!(stranger.run_once().await.expect("a round"), PUT_OFF);
    office.clock.advance(Duration::days(1));
    assert_eq!(office.postman(&server.url()).run_once().await.expect("a round"), SENT);
}
