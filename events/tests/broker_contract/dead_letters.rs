//! What can be done with messages that were given up on.

use accrue_events::broker::Settlement::{Ack, Reject};
use accrue_events::broker::{DeadLetter, DeadLetters};

use crate::harness::{Bench, message, messages, number, receive, receive_many, settle};

/// Dead letters 0 to `count`, in the order in which they are listed.
async fn letters(bench: &Bench, count: u128) -> Vec<DeadLetter> {
    bench.publish(&messages(0..count)).await;
    let mut subscription = bench.subscribe(100).await;
    let mut deliveries = receive_many(&mut subscription, usize::try_from(count).expect("few")).await;
    deliveries.sort_by_key(number);
    settle(&mut subscription, &deliveries.iter().map(|delivery| (delivery, Reject)).collect::<Vec<_>>())
        .await;
    drop(subscription);
    bench.dead_letters(usize::try_from(count).expect("few")).await
}

fn ids(letters: &[DeadLetter]) -> Vec<String> {
    letters.iter().map(|letter| letter.id.clone()).collect()
}

async fn list(dead_letters: &dyn DeadLetters, limit: usize) -> Vec<String> {
    ids(&dead_letters.list(limit).await.expect("the broker is there"))
}

pub(crate) async fn looking_takes_nothing_away(bench: &Bench) {
    let expected = ids(&letters(bench, 50).await);
    let mut all = expected.clone();
    all.sort_unstable();
    assert_eq!(all, messages(0..50).iter().map(|message| message.id.to_string()).collect::<Vec<_>>());
    let dead_letters = bench.another_process().dead_letters();
    for limit in [50, 3, 1_000, 7, 0, 50] {
        let seen = list(&*dead_letters, limit).await;
        assert_eq!(seen, expected[..limit.min(50)], "with a limit of {limit}");
    }
    assert!(!dead_letters.redrive("no such letter").await.expect("the broker is there"));
    assert_eq!(list(&*dead_letters, 50).await, expected);
}

pub(crate) async fn redriven_is_delivered_once_more_as_new(bench: &Bench) {
    let letters = letters(bench, 3).await;
    let dead_letters = bench.broker.dead_letters();
    assert!(dead_letters.redrive(&letters[1].id).await.expect("the broker is there"));
    assert!(!dead_letters.redrive(&letters[1].id).await.expect("the broker is there"), "it went already");
    let left = [letters[0].id.clone(), letters[2].id.clone()];
    assert_eq!(list(&*dead_letters, 10).await, left);
    let mut subscription = bench.subscribe(10).await;
    let delivery = receive(&mut subscription).await;
    assert_eq!((number(&delivery), delivery.attempts), (1, 0));
    assert_eq!(delivery.body, message(1).body);
    settle(&mut subscription, &[(&delivery, Ack)]).await;
    drop(subscription);
    bench.assert_drained().await;
}

pub(crate) async fn redriven_can_die_again(bench: &Bench) {
    let id = letters(bench, 1).await[0].id.clone();
    let dead_letters = bench.broker.dead_letters();
    for _ in 0..3 {
        assert!(dead_letters.redrive(&id).await.expect("the broker is there"));
        let mut subscription = bench.subscribe(10).await;
        let delivery = receive(&mut subscription).await;
        settle(&mut subscription, &[(&delivery, Reject)]).await;
        let letter = &bench.dead_letters(1).await[0];
        assert_eq!((&letter.id, letter.routing_key.as_str()), (&id, "user.registered"));
        assert_eq!((letter.reason.as_str(), &letter.body), ("rejected", &message(0).body));
    }
}

pub(crate) async fn dropped_is_gone_for_good(bench: &Bench) {
    let letters = letters(bench, 3).await;
    let dead_letters = bench.broker.dead_letters();
    assert!(dead_letters.drop_letter(&letters[0].id).await.expect("the broker is there"));
    assert!(!dead_letters.drop_letter(&letters[0].id).await.expect("the broker is there"), "it went already");
    assert_eq!(list(&*dead_letters, 10).await, ids(&letters[1..]));
    bench.assert_drained().await;
}

pub(crate) async fn what_is_not_there_is_not_found(bench: &Bench) {
    let dead_letters = bench.broker.dead_letters();
    assert_eq!(list(&*dead_letters, 10).await, Vec::<String>::new());
    for id in ["", "0", "'; DROP TABLE messages; --", &message(0).id.to_string()] {
        assert!(!dead_letters.redrive(id).await.expect("the broker is there"), "{id}");
        assert!(!dead_letters.drop_letter(id).await.expect("the broker is there"), "{id}");
    }
}
