//! What a subscription promises about what was settled and what was not.

use std::time::Duration;

use accrue_events::broker::Destination;
use accrue_events::broker::Settlement::{Ack, Reject};

use crate::harness::{
    Bench, assert_nothing_comes, message, messages, number, numbers, receive, receive_many, settle,
};

pub(crate) async fn acked_is_gone(bench: &Bench) {
    bench.publish(&messages(0..20)).await;
    let mut subscription = bench.subscribe(50).await;
    let deliveries = receive_many(&mut subscription, 20).await;
    settle(&mut subscription, &deliveries.iter().map(|delivery| (delivery, Ack)).collect::<Vec<_>>()).await;
    drop(subscription);
    bench.assert_drained().await;
    assert!(bench.broker.dead_letters().list(10).await.expect("readable").is_empty());
}

pub(crate) async fn unsettled_comes_again(bench: &Bench) {
    bench.publish(&messages(0..10)).await;
    for _ in 0..3 {
        let mut subscription = bench.subscribe(50).await;
        assert_eq!(numbers(&receive_many(&mut subscription, 10).await), (0..10).collect::<Vec<_>>());
    }
}

/// Groups as lanes would finish them: a hole at the front, one in the middle, single
/// ones, all kinds mixed.
pub(crate) async fn settled_in_any_order_only_the_rest_comes_again(bench: &Bench) {
    bench.publish(&messages(0..30)).await;
    let mut subscription = bench.subscribe(50).await;
    let mut deliveries = receive_many(&mut subscription, 30).await;
    deliveries.sort_by_key(number);
    for group in [&[5, 3, 4][..], &[29], &[20, 10, 15, 16], &[0, 1], &[2, 7]] {
        let acks: Vec<_> = group.iter().map(|index| (&deliveries[*index], Ack)).collect();
        settle(&mut subscription, &acks).await;
    }
    settle(&mut subscription, &[(&deliveries[12], Reject), (&deliveries[6], Ack)]).await;
    drop(subscription);
    let left: Vec<u128> = [8, 9, 11, 13, 14, 17, 18, 19].into_iter().chain(21..29).collect();
    let mut subscription = bench.subscribe(50).await;
    let deliveries = receive_many(&mut subscription, left.len()).await;
    assert_eq!(numbers(&deliveries), left);
    assert_nothing_comes(&mut subscription).await;
    settle(&mut subscription, &deliveries.iter().map(|delivery| (delivery, Ack)).collect::<Vec<_>>()).await;
    drop(subscription);
    bench.assert_drained().await;
    bench.dead_letters(1).await;
}

pub(crate) async fn rejected_is_dead_and_what_is_around_it_is_not(bench: &Bench) {
    let mut window = messages(0..5);
    window[2].body = vec![0, 159, 146, 150, 255];
    window[2].routing_key = String::from("user.updated");
    bench.publish(&window).await;
    let mut subscription = bench.subscribe(50).await;
    let deliveries = receive_many(&mut subscription, 5).await;
    let settlement = |delivery| (delivery, if number(delivery) == 2 { Reject } else { Ack });
    settle(&mut subscription, &deliveries.iter().map(settlement).collect::<Vec<_>>()).await;
    drop(subscription);
    let letters = bench.dead_letters(1).await;
    assert_eq!(letters[0].id, window[2].id.to_string());
    assert_eq!(letters[0].body, window[2].body);
    assert_eq!((letters[0].reason.as_str(), letters[0].routing_key.as_str()), ("rejected", "user.updated"));
    assert!(letters[0].dead_since.is_some());
    bench.assert_drained().await;
}

pub(crate) async fn settling_twice_or_the_unknown_does_nothing(bench: &Bench) {
    bench.publish(&messages(0..3)).await;
    let mut subscription = bench.subscribe(50).await;
    let deliveries = receive_many(&mut subscription, 3).await;
    settle(&mut subscription, &[(&deliveries[0], Ack), (&deliveries[0], Reject)]).await;
    settle(&mut subscription, &[(&deliveries[0], Ack)]).await;
    subscription.settle(vec![(u64::MAX, Ack), (0, Reject)]).await.expect("no harm done");
    subscription.settle(Vec::new()).await.expect("no harm done");
    settle(&mut subscription, &[(&deliveries[2], Ack), (&deliveries[1], Ack)]).await;
    drop(subscription);
    bench.assert_drained().await;
}

pub(crate) async fn competing_subscribers_share_the_messages(bench: &Bench) {
    const COUNT: usize = 200;
    let other = bench.another_process();
    let mut first = bench.subscribe(10).await;
    let mut second = other.subscriber().subscribe(10).await.expect("the broker is there");
    bench.publish(&messages(0..COUNT as u128)).await;
    let mut shares = [Vec::new(), Vec::new()];
    while shares.iter().map(Vec::len).sum::<usize>() < COUNT {
        let (index, delivery) = tokio::select! {
            delivery = receive(&mut first) => (0, delivery),
            delivery = receive(&mut second) => (1, delivery),
        };
        let subscription = if index == 0 { &mut first } else { &mut second };
        settle(subscription, &[(&delivery, Ack)]).await;
        shares[index].push(number(&delivery));
    }
    assert!(shares.iter().all(|share| !share.is_empty()), "one of them got everything");
    let mut all = shares.concat();
    all.sort_unstable();
    assert_eq!(all, (0..COUNT as u128).collect::<Vec<_>>());
    drop((first, second));
    bench.assert_drained().await;
}

pub(crate) async fn prefetch_bounds_what_is_unsettled(bench: &Bench) {
    bench.publish(&messages(0..40)).await;
    let mut subscription = bench.subscribe(5).await;
    let five = receive_many(&mut subscription, 5).await;
    assert_nothing_comes(&mut subscription).await;
    settle(&mut subscription, &[(&five[3], Ack), (&five[1], Ack)]).await;
    let two = receive_many(&mut subscription, 2).await;
    assert_nothing_comes(&mut subscription).await;
    subscription.set_prefetch(20).await.expect("the subscription holds");
    let more = receive_many(&mut subscription, 15).await;
    let unsettled = [&five[0], &five[2], &five[4], &two[0], &two[1]].into_iter().chain(&more);
    settle(&mut subscription, &unsettled.map(|delivery| (delivery, Ack)).collect::<Vec<_>>()).await;
    let rest = receive_many(&mut subscription, 18).await;
    settle(&mut subscription, &rest.iter().map(|delivery| (delivery, Ack)).collect::<Vec<_>>()).await;
    subscription.set_prefetch(1).await.expect("the subscription holds");
    bench.publish(&messages(40..43)).await;
    let one = receive(&mut subscription).await;
    assert_nothing_comes(&mut subscription).await;
    settle(&mut subscription, &[(&one, Ack)]).await;
    for _ in 0..2 {
        let one = receive(&mut subscription).await;
        settle(&mut subscription, &[(&one, Ack)]).await;
    }
    drop(subscription);
    bench.assert_drained().await;
}

/// A consumer waits for whichever comes first, a delivery or something else, and so
/// drops its wait over and over.
pub(crate) async fn a_dropped_wait_loses_no_delivery(bench: &Bench) {
    const COUNT: u128 = 60;
    let mut subscription = bench.subscribe(7).await;
    let mut publisher = bench.broker.publisher(Destination::Users);
    publisher.connect().await.expect("the broker is there");
    let mut seen = Vec::new();
    let (mut sent, mut patience_us) = (0, 0);
    while seen.len() < 60 {
        if sent < COUNT {
            publisher.publish(&[message(sent)]).await.expect("the broker is there");
            sent += 1;
        }
        // Any moment of the wait is hit sooner or later.
        patience_us = (patience_us + 137) % 3_000;
        if let Ok(next) = tokio::time::timeout(Duration::from_micros(patience_us), subscription.next()).await
        {
            let delivery = next.expect("the subscription holds");
            settle(&mut subscription, &[(&delivery, Ack)]).await;
            seen.push(number(&delivery));
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..COUNT).collect::<Vec<_>>());
    drop(subscription);
    bench.assert_drained().await;
}
