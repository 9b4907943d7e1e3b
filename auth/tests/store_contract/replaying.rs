//! Users told of once more: their present state, in the same outbox, and in the order of ids.

use accrue_auth::domain::{Edit, Replay};
use accrue_auth::replaying::{Replayed, replay};
use accrue_auth::store::{AuthStore, Changed};
use accrue_chassis::clock::Clock as _;
use accrue_events::user::{Decoded, UserEvent, UserEventKind, UserStatus};

use crate::place::{Place, now, register};

const LEASE: std::time::Duration = std::time::Duration::from_secs(10);

/// What waits, which then is published.
async fn published(store: &dyn AuthStore) -> Vec<UserEvent> {
    let claim = store.claim(100, LEASE).await.expect("a claim");
    store.mark_published(&claim, &claim.entries).await.expect("marked");
    let event = |body: &[u8]| match UserEvent::decode(body) {
        Ok(Decoded::User(event)) => *event,
        other => panic!("no user event: {other:?}"),
    };
    claim.entries.iter().map(|entry| event(&entry.message.body)).collect()
}

pub(crate) async fn a_replay_tells_of_the_user_as_they_are(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let user_id = register(&*store, &clock, "ada").await;
    published(&*store).await;
    let replayed = async || replay(&*store, (&user_id, None), clock.now(), None).await.expect("an answer");
    let user = async || store.user(&user_id).await.expect("an answer").expect("the user");

    assert_eq!(replayed().await, Replayed::Queued);
    let events = published(&*store).await;
    assert_eq!((events.len(), events[0].kind), (1, UserEventKind::Updated));
    assert_eq!(events[0].user, user().await.snapshot());

    for (edit, kind) in [
        (Edit::of(&user().await).deactivate(), UserEventKind::Deactivated),
        (Edit::of(&user().await).deactivate().erase(), UserEventKind::Deleted),
    ] {
        clock.advance(time::Duration::seconds(1));
        let fresh = user().await;
        let edit = if kind == UserEventKind::Deleted { Edit::of(&fresh).erase() } else { edit };
        assert!(matches!(store.change(edit.at(clock.now(), None)).await, Ok(Changed::Done(_))));
        published(&*store).await;
        assert_eq!(replayed().await, Replayed::Queued);
        let events = published(&*store).await;
        assert_eq!((events.len(), events[0].kind), (1, kind));
        assert_eq!(events[0].user, user().await.snapshot());
    }
    let tombstone = user().await.snapshot();
    assert_eq!((tombstone.status, tombstone.email), (UserStatus::Deleted, None));
    assert_eq!(store.backlog().await.expect("an answer").depth, 0);
    for nobody in ["000000000000000000000000", "no such id"] {
        let answer = replay(&*store, (nobody, None), clock.now(), None).await;
        assert_eq!(answer.expect("an answer"), Replayed::Unknown);
    }
}

pub(crate) async fn what_waits_does_not_wait_twice(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let user_id = register(&*store, &clock, "ada").await;
    for _ in 0..3 {
        replay(&*store, (&user_id, None), clock.now(), None).await.expect("an answer");
    }
    let versions: Vec<i64> = published(&*store).await.iter().map(|event| event.user.version).collect();
    assert_eq!(versions.len(), 2, "the registration and one replay");
    assert_eq!(versions[0], versions[1]);
    // A state that is not the user's any more is not written.
    let user = store.user(&user_id).await.expect("an answer").expect("the user");
    let old = Replay::of(&user, clock.now(), None);
    clock.advance(time::Duration::seconds(1));
    assert!(matches!(
        store.change(Edit::of(&user).deactivate().at(clock.now(), None)).await,
        Ok(Changed::Done(_))
    ));
    store.replay(old).await.expect("an answer");
    let kinds: Vec<UserEventKind> = published(&*store).await.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [UserEventKind::Deactivated]);
}

pub(crate) async fn a_replay_can_move_a_version_on(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let user_id = register(&*store, &clock, "ada").await;
    published(&*store).await;
    let before = store.user(&user_id).await.expect("an answer").expect("the user");
    // A consumer knows a version of tomorrow.
    let known = before.version + 86_400_000;
    let answer = replay(&*store, (&user_id, Some(known)), clock.now(), None).await;
    assert_eq!(answer.expect("an answer"), Replayed::Queued);
    let after = store.user(&user_id).await.expect("an answer").expect("the user");
    assert_eq!(after.version, known + 1);
    assert_eq!(after.snapshot().email, before.snapshot().email);
    let events = published(&*store).await;
    assert_eq!((events.len(), &events[0].user), (1, &after.snapshot()));
    // One that is known to be older moves nothing.
    replay(&*store, (&user_id, Some(known - 7)), clock.now(), None).await.expect("an answer");
    assert_eq!(published(&*store).await[0].user.version, known + 1);
}

pub(crate) async fn versions_come_in_the_order_of_ids(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut expected = Vec::new();
    for name in ["ada", "bob", "cy", "di", "eve"] {
        expected.push(register(&*store, &clock, name).await);
    }
    expected.sort_unstable();
    let gone = store.user(&expected[1]).await.expect("an answer").expect("the user");
    assert!(matches!(
        store.change(Edit::of(&gone).erase().at(clock.now(), None)).await,
        Ok(Changed::Done(_))
    ));
    let (mut found, mut after): (Vec<_>, Option<String>) = (Vec::new(), None);
    loop {
        let page = store.versions(after.as_deref(), 2).await.expect("an answer").expect("an id of ours");
        let Some(last) = page.last() else { break };
        after = Some(last.user_id.clone());
        found.extend(page);
    }
    let ids: Vec<&str> = found.iter().map(|user| user.user_id.as_str()).collect();
    assert_eq!(ids, expected);
    assert_eq!((found[1].status, found[0].status), (UserStatus::Deleted, UserStatus::Active));
    assert!(found[1].version > gone.version);
}
