//! Registering and finding users.

use accrue_auth::store::Registration;
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;

use crate::place::{Place, key, new_user, now, register};

pub(crate) async fn a_registered_user_is_found(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new = new_user(&*store, &clock, "ada");
    let expected = new.user().clone();
    let Ok(Registration::Registered(user)) = store.register(new).await else {
        panic!("not registered");
    };
    assert_eq!(user, expected);
    assert!(user.user_id.len() <= 50);
    assert_eq!(store.user(&user.user_id).await.expect("an answer"), Some(expected));
    store.ping().await.expect("an answer");
}

pub(crate) async fn ids_that_cannot_be_name_nobody(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let id = register(&*store, &clock, "ada").await;
    for other in ["", "x", "a\0b", &id.to_uppercase(), &"f".repeat(24), &"f".repeat(5_000), "' OR 1=1"] {
        if other != id {
            assert_eq!(store.user(other).await.expect("an answer"), None, "{other:?}");
        }
    }
}

pub(crate) async fn of_twenty_who_want_an_address_one_gets_it(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let tries = (0..20).map(|index| {
        let store = &stores[index % 2];
        store.register(new_user(&**store, &clock, "ada"))
    });
    let mut registered = Vec::new();
    for registration in join_all(tries).await {
        match registration.expect("a store that works") {
            Registration::Registered(user) => registered.push(user.user_id),
            Registration::EmailTaken => {}
            other => panic!("nobody gave a key or a username: {other:?}"),
        }
    }
    assert_eq!(registered.len(), 1);
    assert!(stores[0].user(&registered[0]).await.expect("an answer").is_some());
    assert_eq!(stores[0].backlog().await.expect("an answer").depth, 1);
}

pub(crate) async fn a_key_sent_through_two_stores_registers_once(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let tries = (0..20).map(|index| {
        let store = &stores[index % 2];
        let new = new_user(&**store, &clock, "ada").keep_reply(key("k"), format!("reply {index}").into());
        store.register(new)
    });
    let (mut registered, mut replies) = (Vec::new(), Vec::new());
    for registration in join_all(tries).await {
        match registration.expect("a store that works") {
            Registration::Registered(user) => registered.push(user.user_id),
            Registration::KeyUsed(kept) => replies.push((kept.user_id, kept.request.expect("kept").reply)),
            other => panic!("its own earlier try was taken for somebody else: {other:?}"),
        }
    }
    assert_eq!(registered.len(), 1);
    assert_eq!(replies.len(), 19);
    assert!(replies.iter().all(|reply| reply == &replies[0] && reply.0 == registered[0]));
    assert_eq!(stores[1].backlog().await.expect("an answer").depth, 1);
}

pub(crate) async fn a_key_wins_over_the_address_it_came_with(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let ada = new_user(&*store, &clock, "ada").keep_reply(key("a"), b"ada".to_vec());
    store.register(ada).await.expect("registered");
    register(&*store, &clock, "ida").await;
    // The key is ada's, the address is ida's: it is the key that is looked at first.
    let both = new_user(&*store, &clock, "ida").keep_reply(key("a"), b"ida".to_vec());
    let Ok(Registration::KeyUsed(kept)) = store.register(both).await else {
        panic!("the key was not found");
    };
    assert_eq!(kept.request.expect("kept").reply, b"ada");
    let other_key = new_user(&*store, &clock, "ida").keep_reply(key("b"), b"ida".to_vec());
    assert!(matches!(store.register(other_key).await, Ok(Registration::EmailTaken)));
    assert!(store.kept_reply(key("b")).await.expect("an answer").is_none());
}

pub(crate) async fn what_was_kept_comes_back_byte_for_byte(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let reply: Vec<u8> = (0..=255).collect();
    let new = new_user(&*store, &clock, "ada").keep_reply(key("k"), reply.clone());
    let (user_id, created_at) = (new.user().user_id.clone(), new.user().created_at);
    assert!(store.kept_reply(key("k")).await.expect("an answer").is_none());
    store.register(new).await.expect("registered");
    let kept = store.kept_reply(key("k")).await.expect("an answer").expect("kept");
    assert_eq!(kept.kept_at, created_at);
    let request = kept.request.expect("kept");
    assert_eq!((kept.user_id, request.reply), (user_id, reply));
    assert_eq!(request.password_hash.expect("a hash").expose_secret(), "hash of ada's password");
    assert!(store.kept_reply(key("K")).await.expect("an answer").is_none());
}

pub(crate) async fn users_without_a_key_do_not_collide(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    for name in ["ada", "ida", "eda"] {
        register(&*store, &clock, name).await;
    }
    assert_eq!(store.backlog().await.expect("an answer").depth, 3);
}
