//! Sessions: one exchange of a token is done, whatever else happens.

use std::sync::Arc;

use accrue_auth::domain::{Session, USED_TOKENS, UsedToken};
use accrue_chassis::clock::{Clock as _, ManualClock};
use futures_util::future::join_all;
use time::Duration;
use time::macros::datetime;
use uuid::Uuid;

use crate::place::Place;

const LIFETIME: Duration = Duration::days(30);

/// A clock far ahead: MongoDB itself deletes what has expired by its own.
fn now() -> Arc<ManualClock> {
    ManualClock::new(datetime!(2100-01-02 03:04:05.678901 UTC))
}

fn session(clock: &Arc<ManualClock>, user_id: &str, epoch: i64) -> Session {
    Session::begin(user_id.to_owned(), epoch, Some("curl/8".to_owned()), clock.now(), LIFETIME).0
}

pub(crate) async fn a_session_is_found_as_it_was_written(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut ada = session(&clock, "u1", 3);
    store.begin_session(&ada).await.expect("written");
    assert_eq!(store.session(ada.session_id).await.expect("an answer"), Some(ada.clone()));
    assert_eq!(store.session(Uuid::now_v7()).await.expect("an answer"), None);
    clock.advance(Duration::hours(1));
    let (rotation, _) = ada.rotation(ada.current, clock.now(), LIFETIME);
    assert!(store.rotate_session(&rotation).await.expect("an answer"));
    ada.used.push(UsedToken { digest: ada.current, at: Some(rotation.at) });
    ada.current = rotation.to;
    (ada.last_used_at, ada.expires_at) = (rotation.at, rotation.at + LIFETIME);
    assert_eq!(place.store(&clock).await.session(ada.session_id).await.expect("an answer"), Some(ada));
}

pub(crate) async fn of_parallel_rotations_one_is_done(place: &Place) {
    let clock = now();
    let stores = [place.store(&clock).await, place.store(&clock).await];
    let ada = session(&clock, "u1", 0);
    stores[0].begin_session(&ada).await.expect("written");
    let rotations: Vec<_> = (0..10).map(|_| ada.rotation(ada.current, clock.now(), LIFETIME).0).collect();
    let tries =
        rotations.iter().enumerate().map(|(index, rotation)| stores[index % 2].rotate_session(rotation));
    let done: Vec<bool> = join_all(tries).await.into_iter().map(|done| done.expect("an answer")).collect();
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    let winner = done.iter().position(|done| *done).expect("a winner");
    let found = stores[1].session(ada.session_id).await.expect("an answer").expect("the session");
    let used = UsedToken { digest: ada.current, at: Some(rotations[winner].at) };
    assert_eq!((found.current, found.used), (rotations[winner].to, vec![used]));
}

pub(crate) async fn used_tokens_are_remembered_to_a_limit(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut ada = session(&clock, "u1", 0);
    store.begin_session(&ada).await.expect("written");
    let mut used = Vec::new();
    for _ in 0..usize::from(USED_TOKENS) + 5 {
        let (rotation, _) = ada.rotation(ada.current, clock.now(), LIFETIME);
        assert!(store.rotate_session(&rotation).await.expect("an answer"));
        used.push(UsedToken { digest: ada.current, at: Some(rotation.at) });
        ada.current = rotation.to;
        clock.advance(Duration::seconds(1));
    }
    let found = store.session(ada.session_id).await.expect("an answer").expect("the session");
    assert_eq!(found.used, used[5..]);
}

pub(crate) async fn an_ended_session_is_not_rotated(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let ada = session(&clock, "u1", 0);
    store.begin_session(&ada).await.expect("written");
    assert!(!store.end_session("u2", ada.session_id).await.expect("an answer"), "it is another's");
    assert!(store.end_session("u1", ada.session_id).await.expect("an answer"));
    assert!(!store.end_session("u1", ada.session_id).await.expect("an answer"));
    let (rotation, _) = ada.rotation(ada.current, clock.now(), LIFETIME);
    assert!(!store.rotate_session(&rotation).await.expect("an answer"));
    assert_eq!(store.session(ada.session_id).await.expect("an answer"), None);
}

pub(crate) async fn sessions_are_listed_newest_first_by_epoch_and_time(place: &Place) {
    let clock = now();
    let store = place.store(&clock).await;
    let mut expected = Vec::new();
    for (user_id, epoch) in [("u1", 0), ("u1", 1), ("u2", 1), ("u1", 1), ("u1", 1)] {
        let session = session(&clock, user_id, epoch);
        store.begin_session(&session).await.expect("written");
        if (user_id, epoch) == ("u1", 1) {
            expected.insert(0, session);
        }
    }
    let list = async |before, limit| {
        store.sessions_of("u1", 1, clock.now(), before, limit).await.expect("an answer")
    };
    assert_eq!(list(None, 10).await, expected);
    assert_eq!(list(None, 2).await, expected[..2]);
    assert_eq!(list(Some(expected[1].session_id), 10).await, expected[2..]);
    assert_eq!(store.end_sessions("u1", Some(expected[1].session_id)).await.expect("an answer"), 3);
    assert_eq!(list(None, 10).await, expected[1..2]);
    clock.advance(LIFETIME);
    assert_eq!(list(None, 10).await, []);
    assert_eq!(store.end_sessions("u1", None).await.expect("an answer"), 1);
    assert_eq!(store.end_sessions("u2", None).await.expect("an answer"), 1);
}
