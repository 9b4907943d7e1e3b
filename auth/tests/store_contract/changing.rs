//! Changing users: compare-and-set, with the event in the same write.

use accrue_auth::domain::{DisplayName, Edit, EmailAddress, Session, User, Username};
use accrue_auth::store::{AuthStore, Changed, Registration};
use accrue_chassis::clock::Clock as _;
use accrue_events::user::{Decoded, UserEvent, UserEventKind};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;

use crate::place::{Place, key, new_user, now, register};

const LEASE: std::time::Duration = std::time::Duration::from_secs(10);

async fn registered(place: &Place, name: &str) -> (std::sync::Arc<dyn AuthStore>, User) {
    let clock = now();
    let store = place.store(&clock).await;
    let user_id = register(&*store, &clock, name).await;
    let user = store.user(&user_id).await.expect("an answer").expect("the user");
    (store, user)
}

fn named(name: &str) -> DisplayName {
    DisplayName::parse(name).expect("a name")
}

pub(crate) async fn a_change_and_its_event_are_written_together(place: &Place) {
    let (store, user) = registered(place, "ada").await;
    let clock = now();
    clock.advance(time::Duration::seconds(1));
    let edit = Edit::of(&user).display_name(Some(named("Countess"))).username(Username::parse("ada").ok());
    let Ok(Changed::Done(changed)) = store.change(edit.at(clock.now(), None)).await else {
        panic!("not changed");
    };
    assert_eq!(changed.version, user.version + 1_000);
    assert_eq!(store.user(&user.user_id).await.expect("an answer").as_ref(), Some(&changed));
    let claim = store.claim(10, LEASE).await.expect("a claim");
    let kinds: Vec<_> = claim
        .entries
        .iter()
        .map(|entry| match UserEvent::decode(&entry.message.body) {
            Ok(Decoded::User(event)) => (event.kind, event.user.version),
            other => panic!("no user event: {other:?}"),
        })
        .collect();
    let expected = [(UserEventKind::Registered, user.version), (UserEventKind::Updated, changed.version)];
    assert_eq!(kinds, expected);
    store.mark_published(&claim, &claim.entries).await.expect("marked");
    assert_eq!(store.backlog().await.expect("an answer").depth, 0);
}

pub(crate) async fn of_twenty_changes_of_one_version_one_is_done(place: &Place) {
    let (store, user) = registered(place, "ada").await;
    let stores = [store, place.store(&now()).await];
    let changes = (0..20).map(|index| {
        let edit = Edit::of(&user).display_name(Some(named(&format!("Ada {index}"))));
        stores[index % 2].change(edit.at(now().now(), None))
    });
    let mut done = Vec::new();
    for changed in join_all(changes).await {
        match changed.expect("a store that works") {
            Changed::Done(user) => done.push(user),
            Changed::Stale => {}
            other => panic!("no such outcome: {other:?}"),
        }
    }
    assert_eq!(done.len(), 1);
    assert_eq!(store_user(&stores[1], &user).await, done[0]);
    let claim = stores[0].claim(10, LEASE).await.expect("a claim");
    assert_eq!(claim.entries.len(), 2, "an event of a change that was not done");
}

async fn store_user(store: &std::sync::Arc<dyn AuthStore>, user: &User) -> User {
    store.user(&user.user_id).await.expect("an answer").expect("the user")
}

pub(crate) async fn nobody_cannot_be_changed(place: &Place) {
    let (store, user) = registered(place, "ada").await;
    for user_id in [store.new_user_id(), "nobody".to_owned()] {
        let edit = Edit::of(&User { user_id, ..user.clone() }).verify_email();
        let changed = store.change(edit.at(now().now(), None)).await;
        assert!(matches!(changed, Ok(Changed::NotFound)), "{changed:?}");
    }
}

pub(crate) async fn what_another_has_is_not_given(place: &Place) {
    let (store, ada) = registered(place, "ada").await;
    let clock = now();
    let ida = register(&*store, &clock, "ida").await;
    let ida = store.user(&ida).await.expect("an answer").expect("the user");
    let countess = Username::parse("countess").ok();
    let change = Edit::of(&ada).username(countess.clone()).at(clock.now(), None);
    let Ok(Changed::Done(ada)) = store.change(change).await else { panic!("not changed") };

    let change = Edit::of(&ida).username(countess.clone()).at(clock.now(), None);
    assert!(matches!(store.change(change).await, Ok(Changed::UsernameTaken)));
    let email = EmailAddress::parse("ada@example.com").expect("an address");
    let change = Edit::of(&ida).email(email).at(clock.now(), None);
    assert!(matches!(store.change(change).await, Ok(Changed::EmailTaken)));
    assert_eq!(store.user(&ida.user_id).await.expect("an answer"), Some(ida.clone()));

    // Both are free once they are given up.
    let change = Edit::of(&ada).username(None).at(clock.now(), None);
    assert!(matches!(store.change(change).await, Ok(Changed::Done(_))));
    let change = Edit::of(&ida).username(countess).at(clock.now(), None);
    assert!(matches!(store.change(change).await, Ok(Changed::Done(_))));
    assert_eq!(store.backlog().await.map(|backlog| backlog.depth > 0).ok(), Some(true));
}

pub(crate) async fn a_new_password_forgets_what_only_the_old_one_could_tell(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let new = new_user(&*store, &clock, "ada").keep_reply(key("k"), b"reply".to_vec());
    let user = new.user().clone();
    store.register(new).await.expect("registered");
    let change = Edit::of(&user).password(String::from("new hash").into()).at(clock.now(), None);
    let Ok(Changed::Done(changed)) = store.change(change).await else { panic!("not changed") };
    assert_eq!(changed.session_epoch, user.session_epoch + 1);
    let login = store.login_of(&user.user_id).await.expect("an answer").expect("the user");
    assert_eq!(login.password_hash.expect("a hash").expose_secret(), "new hash");
    let kept = store.kept_reply(key("k")).await.expect("an answer").expect("the key");
    assert_eq!((kept.user_id, kept.request.is_none()), (user.user_id, true));
    // The key is used for ever.
    let again = new_user(&*store, &clock, "ida").keep_reply(key("k"), Vec::new());
    assert!(matches!(store.register(again).await, Ok(Registration::KeyUsed(_))));
}

pub(crate) async fn a_hash_is_upgraded_only_in_the_place_of_the_one_it_was_made_for(place: &Place) {
    let (store, user) = registered(place, "ada").await;
    let hash = |text: &str| secrecy::SecretString::from(text.to_owned());
    let old = hash("hash of ada's password");
    assert!(store.upgrade_password_hash(&user.user_id, &old, hash("better")).await.expect("an answer"));
    assert!(!store.upgrade_password_hash(&user.user_id, &old, hash("late")).await.expect("an answer"));
    assert!(!store.upgrade_password_hash("nobody", &old, hash("late")).await.expect("an answer"));
    let login = store.login_of(&user.user_id).await.expect("an answer").expect("the user");
    assert_eq!(login.password_hash.expect("a hash").expose_secret(), "better");
    assert_eq!(login.user, user, "no change of the user");
    assert_eq!(store.claim(10, LEASE).await.expect("a claim").entries.len(), 1);
}

pub(crate) async fn a_session_is_carried_on_over_one_epoch_and_no_more(place: &Place) {
    let (store, user) = registered(place, "ada").await;
    let lifetime = time::Duration::days(30);
    let (session, _) = Session::begin(user.user_id.clone(), 1, None, now().now(), lifetime);
    store.begin_session(&session).await.expect("begun");
    let (user_id, id) = (user.user_id.as_str(), session.session_id);
    assert!(!store.carry_session(user_id, id, 3).await.expect("an answer"), "it had ended before");
    assert!(!store.carry_session("nobody", id, 2).await.expect("an answer"), "it is another's");
    assert!(store.carry_session(user_id, id, 2).await.expect("an answer"));
    assert!(!store.carry_session(user_id, id, 2).await.expect("an answer"), "it is there already");
    let carried = store.session(id).await.expect("an answer").expect("the session");
    assert_eq!(carried.epoch, 2);
    assert_eq!(carried.current, session.current);
}
