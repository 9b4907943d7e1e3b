//! Erasing users: a tombstone stays, and nothing else.

use accrue_auth::domain::{Edit, LoginName, User, Username};
use accrue_auth::store::{AuthStore, Changed, Registration};
use accrue_chassis::clock::Clock as _;
use accrue_events::user::{Decoded, UserEvent, UserEventKind, UserStatus};

use crate::place::{Place, key, new_user, now, register};

const LEASE: std::time::Duration = std::time::Duration::from_secs(10);

async fn erase(store: &dyn AuthStore, user: &User) -> User {
    match store.change(Edit::of(user).erase().at(now().now(), None)).await {
        Ok(Changed::Done(user)) => user,
        other => panic!("not erased: {other:?}"),
    }
}

pub(crate) async fn of_an_erased_user_an_id_stays(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new = new_user(&*store, &clock, "ada").keep_reply(key("k"), b"reply to ada@example.com".to_vec());
    let user = new.user().clone();
    store.register(new).await.expect("registered");
    let edit = Edit::of(&user).username(Username::parse("ada").ok()).at(clock.now(), None);
    let Ok(Changed::Done(user)) = store.change(edit).await else { panic!("not changed") };
    let tombstone = erase(&*store, &user).await;

    assert_eq!(tombstone.status, UserStatus::Deleted);
    assert_eq!((&tombstone.email, &tombstone.username, &tombstone.display_name), (&None, &None, &None));
    assert_eq!(tombstone.created_at, user.created_at);
    let login = store.login_of(&user.user_id).await.expect("an answer").expect("the tombstone");
    assert_eq!((login.user, login.password_hash.is_none()), (tombstone, true));
    for name in ["ada@example.com", "ada"] {
        let name = LoginName::parse(name).expect("a name");
        assert!(store.login(&name).await.expect("an answer").is_none());
    }
    let kept = store.kept_reply(key("k")).await.expect("an answer").expect("the key");
    assert!(kept.request.is_none(), "the request outlives the person");
}

pub(crate) async fn events_that_wait_are_replaced_by_the_tombstone(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new = new_user(&*store, &clock, "ada");
    let user = new.user().clone();
    store.register(new).await.expect("registered");
    erase(&*store, &user).await;
    let claim = store.claim(10, LEASE).await.expect("a claim");
    assert_eq!(claim.entries.len(), 1);
    let body = &claim.entries[0].message.body;
    let Ok(Decoded::User(event)) = UserEvent::decode(body) else { panic!("no user event") };
    assert_eq!((event.kind, event.user.email), (UserEventKind::Deleted, None));
    // Ids are hexadecimal: three letters alone turn up in them by chance.
    let body = String::from_utf8_lossy(body).into_owned();
    assert!(["ada@", "\"ada", "ada\"", "ada the"].iter().all(|name| !body.contains(name)), "{body}");
    store.mark_published(&claim, &claim.entries).await.expect("marked");
    assert_eq!(store.backlog().await.expect("an answer").depth, 0);
}

pub(crate) async fn a_tombstone_survives_a_relay_that_held_what_it_replaced(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new = new_user(&*store, &clock, "ada");
    let user = new.user().clone();
    store.register(new).await.expect("registered");
    let held = store.claim(10, LEASE).await.expect("a claim");
    erase(&*store, &user).await;
    store.mark_published(&held, &held.entries).await.expect("an answer");
    clock.advance(time::Duration::seconds(11));
    let claim = store.claim(10, LEASE).await.expect("a claim");
    let keys: Vec<_> = claim.entries.iter().map(|entry| entry.message.routing_key.as_str()).collect();
    assert_eq!(keys, ["user.deleted"]);
}

pub(crate) async fn the_names_of_an_erased_user_are_free(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    for name in ["ada", "ida"] {
        let user_id = register(&*store, &clock, name).await;
        let user = store.user(&user_id).await.expect("an answer").expect("the user");
        erase(&*store, &user).await;
    }
    let again = store.register(new_user(&*store, &clock, "ada")).await;
    assert!(matches!(again, Ok(Registration::Registered(_))), "{again:?}");
}
