//! What becomes of a message that fails for a while, or for good.

use accrue_events::broker::Settlement::{Ack, Retry};
use accrue_events::broker::{DELIVERY_LIMIT, MAX_ATTEMPTS};
use tokio::time::Instant;

use crate::harness::{Bench, RETRY_DELAY, message, messages, number, receive, receive_many, settle};

pub(crate) async fn a_retry_comes_back_after_its_delay(bench: &Bench) {
    let mut window = messages(0..3);
    window[1].traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    bench.publish(&window).await;
    let mut subscription = bench.subscribe(10).await;
    let deliveries = receive_many(&mut subscription, 3).await;
    let asked = Instant::now();
    let settlement = |delivery| (delivery, if number(delivery) == 1 { Retry } else { Ack });
    settle(&mut subscription, &deliveries.iter().map(settlement).collect::<Vec<_>>()).await;
    let again = receive(&mut subscription).await;
    assert!(asked.elapsed() >= RETRY_DELAY, "it came back after {:?}", asked.elapsed());
    assert_eq!((number(&again), again.attempts), (1, 1));
    assert_eq!((&again.body, &again.traceparent), (&window[1].body, &window[1].traceparent));
    settle(&mut subscription, &[(&again, Ack)]).await;
    drop(subscription);
    bench.assert_drained().await;
}

pub(crate) async fn after_the_last_attempt_it_is_dead(bench: &Bench) {
    bench.publish(&[message(1)]).await;
    let mut subscription = bench.subscribe(10).await;
    for attempts in 0..MAX_ATTEMPTS {
        let delivery = receive(&mut subscription).await;
        assert_eq!(delivery.attempts, attempts);
        settle(&mut subscription, &[(&delivery, Retry)]).await;
    }
    let letters = bench.dead_letters(1).await;
    assert_eq!(
        (letters[0].reason.as_str(), letters[0].routing_key.as_str()),
        ("rejected", "user.registered")
    );
    assert_eq!(letters[0].body, message(1).body);
    drop(subscription);
    bench.assert_drained().await;
}

/// A message that kills whoever handles it must not do so for ever.
pub(crate) async fn what_is_delivered_too_often_is_dead(bench: &Bench) {
    bench.publish(&[message(1)]).await;
    let mut deaths = 0;
    let dead_letters = bench.broker.dead_letters();
    loop {
        let mut subscription = bench.subscribe(1).await;
        let came = tokio::time::timeout(std::time::Duration::from_secs(2), subscription.next()).await;
        if came.is_err() {
            break;
        }
        deaths += 1;
        assert!(deaths <= DELIVERY_LIMIT + 1, "it was delivered {deaths} times");
    }
    // RabbitMQ counts what came back, so it delivers once more than the limit says.
    assert!(deaths >= DELIVERY_LIMIT, "it was given up on after {deaths} deliveries");
    let letters = bench.dead_letters(1).await;
    assert_eq!(letters[0].reason, "delivery_limit");
    assert!(dead_letters.redrive(&letters[0].id).await.expect("the broker is there"));
    let mut subscription = bench.subscribe(1).await;
    let delivery = receive(&mut subscription).await;
    settle(&mut subscription, &[(&delivery, Ack)]).await;
    drop(subscription);
    bench.assert_drained().await;
}
