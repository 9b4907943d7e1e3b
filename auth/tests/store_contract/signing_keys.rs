//! Signing keys and the ring over them: one rotation at a time, no token orphaned.

use std::sync::Arc;

use accrue_auth::config::TokenConfig;
use accrue_auth::sealing::KeyEncryptionKeys;
use accrue_auth::store::AuthStore;
use accrue_auth::tokens::{
    KeyRing, KeyRingError, Rewrapped, Rotated, SigningAlgorithm, TokenIssuer, rewrap, rotate,
    rotate_after_loss,
};
use accrue_chassis::clock::{Clock as _, ManualClock, SharedClock};
use accrue_chassis::tokens::{Scopes, TokenError, Verifier};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use time::Duration;

use crate::place::{Place, now};

fn sealing() -> KeyEncryptionKeys {
    KeyEncryptionKeys::parse(KeyEncryptionKeys::generate().expose_secret()).expect("a key")
}

/// One process: an issuer and a verifier over one ring.
struct Process {
    ring: KeyRing,
    issuer: TokenIssuer,
    verifier: Verifier,
}

impl Process {
    fn new(store: &Arc<dyn AuthStore>, sealing: &KeyEncryptionKeys, clock: &Arc<ManualClock>) -> Self {
        Self::with(store, sealing, clock, &TokenConfig::default())
    }

    fn with(
        store: &Arc<dyn AuthStore>,
        sealing: &KeyEncryptionKeys,
        clock: &Arc<ManualClock>,
        config: &TokenConfig,
    ) -> Self {
        let clock: SharedClock = Arc::<ManualClock>::clone(clock);
        let ring = KeyRing::new(Arc::clone(store), sealing.clone(), config, Arc::clone(&clock));
        let name = "https://auth.example.com".to_owned();
        let issuer = TokenIssuer::new(ring.clone(), name.clone(), config, Arc::clone(&clock));
        let verifier = Verifier::new(Arc::new(ring.clone()), name, "accrue".to_owned(), clock);
        Self { ring, issuer, verifier }
    }

    async fn token(&self) -> String {
        self.issuer.for_client("shop", &Scopes::parse("usage:write")).await.expect("a token").token
    }

    async fn published(&self) -> Vec<String> {
        self.ring.refresh().await.expect("refreshed");
        let keys = self.ring.published().await.expect("keys").keys;
        keys.into_iter().map(|key| key.common.key_id.expect("an id")).collect()
    }
}

fn key_id(token: &str) -> String {
    jsonwebtoken::decode_header(token).expect("a header").kid.expect("a key id")
}

pub(crate) async fn of_processes_that_start_at_once_one_makes_a_key(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let sealing = sealing();
    let processes: Vec<_> = (0..8).map(|i| Process::new(&stores[i % 2], &sealing, &clock)).collect();
    let tokens = join_all(processes.iter().map(Process::token)).await;
    assert_eq!(stores[0].signing_keys().await.expect("an answer").len(), 1);
    for process in &processes {
        for token in &tokens {
            assert!(process.verifier.verify(token).await.is_ok());
        }
    }
}

pub(crate) async fn a_key_is_published_before_it_signs_and_after(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let process = Process::new(&store, &sealing(), &clock);
    let old_token = process.token().await;
    let old = key_id(&old_token);
    clock.advance(Duration::days(30));
    let both = process.published().await;
    assert_eq!((both.len(), &both[0]), (2, &old), "the next key is there");
    assert_eq!(key_id(&process.token().await), old, "and does not sign yet");
    assert_eq!(process.published().await, both, "and there is no third");
    clock.advance(Duration::minutes(5));
    let last_token = process.token().await;
    assert_eq!(key_id(&last_token), old);
    clock.advance(Duration::minutes(1));
    let new_token = process.token().await;
    assert_eq!(key_id(&new_token), both[1]);
    clock.advance(Duration::minutes(13));
    assert_eq!(process.published().await, both);
    assert!(process.verifier.verify(&last_token).await.is_ok(), "good until it expires");
    clock.advance(Duration::minutes(4));
    assert_eq!(process.published().await, both[1..]);
    clock.advance(Duration::days(2));
    process.published().await;
    let left = store.signing_keys().await.expect("an answer");
    assert_eq!(left.into_iter().map(|key| key.key_id).collect::<Vec<_>>(), both[1..]);
    assert_eq!(
        process.verifier.verify(&old_token).await,
        Err(TokenError::Invalid("its key is not one of the issuer's"))
    );
}

pub(crate) async fn a_ring_that_was_asleep_does_not_sign_with_an_old_key(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let sealing = sealing();
    let (asleep, awake) = (Process::new(&store, &sealing, &clock), Process::new(&store, &sealing, &clock));
    let old = key_id(&asleep.token().await);
    clock.advance(Duration::days(30));
    awake.published().await;
    clock.advance(Duration::minutes(6));
    assert_ne!(key_id(&asleep.token().await), old);
}

pub(crate) async fn a_rotation_by_hand_waits_like_any_other(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let sealing = sealing();
    let process = Process::new(&store, &sealing, &clock);
    process.token().await;
    let algorithm = SigningAlgorithm::EdDsa;
    let Ok(Rotated::Added(key)) = rotate(&*store, algorithm, &sealing, clock.now()).await else {
        panic!("no key was added");
    };
    let again = rotate(&*store, algorithm, &sealing, clock.now()).await;
    assert!(matches!(again, Ok(Rotated::Waiting(other)) if other.key_id == key.key_id));
    assert!(process.published().await.contains(&key.key_id));
    clock.advance(Duration::minutes(6));
    let token = process.token().await;
    assert_eq!(key_id(&token), key.key_id);
    assert!(process.verifier.verify(&token).await.is_ok(), "EdDSA");
}

pub(crate) async fn another_algorithm_comes_with_the_next_key(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let sealing = sealing();
    Process::new(&store, &sealing, &clock).token().await;
    let config = TokenConfig { algorithm: SigningAlgorithm::EdDsa, ..TokenConfig::default() };
    let process = Process::with(&store, &sealing, &clock, &config);
    let (first, keys) = (process.token().await, process.published().await);
    assert_eq!((key_id(&first), keys.len()), (keys[0].clone(), 2));
    clock.advance(Duration::minutes(6));
    let token = process.token().await;
    assert_eq!(jsonwebtoken::decode_header(&token).expect("a header").alg, jsonwebtoken::Algorithm::EdDSA);
    assert!(process.verifier.verify(&token).await.is_ok() && process.verifier.verify(&first).await.is_ok());
}

pub(crate) async fn private_keys_are_sealed_and_can_be_sealed_anew(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (old, new) = (KeyEncryptionKeys::generate(), KeyEncryptionKeys::generate());
    let parse = |list: &str| KeyEncryptionKeys::parse(list).expect("keys");
    let (only_old, only_new) = (parse(old.expose_secret()), parse(new.expose_secret()));
    let both = parse(&format!("{},{}", new.expose_secret(), old.expose_secret()));
    let token = Process::new(&store, &only_old, &clock).token().await;
    let locked_out = Process::new(&store, &only_new, &clock);
    assert!(locked_out.issuer.for_client("shop", &Scopes::default()).await.is_err());
    assert!(locked_out.verifier.verify(&token).await.is_ok(), "the public half needs no key");
    assert!(rewrap(&*store, &only_new).await.is_err());
    let done = async || rewrap(&*store, &both).await.expect("done");
    assert_eq!(done().await, Rewrapped { signing_keys: 1, mails: 0, closed_keys: 0 });
    assert_eq!(done().await, Rewrapped { signing_keys: 0, mails: 0, closed_keys: 0 });
    let unlocked = Process::new(&store, &only_new, &clock);
    assert_eq!(key_id(&unlocked.token().await), key_id(&token));
}

pub(crate) async fn keys_that_belong_elsewhere_add_none_unless_told(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let (right, wrong, algorithm) = (sealing(), sealing(), SigningAlgorithm::Es256);
    let process = Process::new(&store, &right, &clock);
    let token = process.token().await;
    let refused = rotate(&*store, algorithm, &wrong, clock.now()).await;
    assert!(matches!(refused, Err(KeyRingError::Foreign)), "{refused:?}");
    let refused = rewrap(&*store, &wrong).await;
    assert!(matches!(refused, Err(KeyRingError::Foreign)), "{refused:?}");
    // Nor does a process that runs with them, when it is time for the next key.
    clock.advance(Duration::days(31));
    let stray = Process::new(&store, &wrong, &clock);
    assert_eq!(stray.published().await, [key_id(&token)]);
    assert_eq!(process.published().await.len(), 2, "whoever is at home adds it");

    // The right keys are lost: what waits under them helps nobody.
    let added = rotate_after_loss(&*store, algorithm, &wrong, clock.now()).await.expect("a key");
    let Rotated::Added(key) = added else { panic!("no key was added: {added:?}") };
    let again = rotate(&*store, algorithm, &wrong, clock.now()).await.expect("a key that waits");
    assert!(matches!(again, Rotated::Waiting(other) if other.key_id == key.key_id));
    assert!(stray.issuer.for_client("shop", &Scopes::default()).await.is_err(), "not yet");
    clock.advance(Duration::minutes(6));
    assert_eq!(key_id(&stray.token().await), key.key_id);
    let done = rewrap(&*store, &wrong).await.expect("done");
    assert_eq!(done, Rewrapped { signing_keys: 0, mails: 0, closed_keys: 2 });
}
