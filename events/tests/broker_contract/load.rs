//! Many messages, and large ones.

use std::collections::HashMap;

use accrue_events::broker::Settlement::Ack;
use accrue_events::broker::{Delivery, Destination, Publication};

use crate::harness::{Bench, messages, number, receive, receive_many, settle};

pub(crate) async fn five_thousand_pass_without_loss(bench: &Bench) {
    const COUNT: u128 = 5_000;
    let mut subscription = bench.subscribe(300).await;
    let mut publisher = bench.broker.publisher(Destination::Users);
    publisher.connect().await.expect("the broker is there");
    let publishing = async {
        let messages = messages(0..COUNT);
        for window in messages.chunks(256) {
            let publications = publisher.publish(window).await.expect("the broker is there");
            assert!(publications.iter().all(|publication| *publication == Publication::Confirmed));
        }
    };
    let consuming = async {
        let mut seen: HashMap<u128, u32> = HashMap::new();
        let mut held: Vec<Delivery> = Vec::new();
        while seen.len() < usize::try_from(COUNT).expect("it fits") {
            let delivery = receive(&mut subscription).await;
            *seen.entry(number(&delivery)).or_default() += 1;
            held.push(delivery);
            // Settled in groups, the later half of what is held first.
            if held.len() == 150 || seen.len() == usize::try_from(COUNT).expect("it fits") {
                for group in [held.split_off(held.len() / 2), std::mem::take(&mut held)] {
                    let acks: Vec<_> = group.iter().rev().map(|delivery| (delivery, Ack)).collect();
                    settle(&mut subscription, &acks).await;
                }
            }
        }
        seen
    };
    let ((), seen) = tokio::join!(publishing, consuming);
    assert!(seen.values().all(|count| *count == 1), "nothing broke, so nothing came twice");
    drop(subscription);
    bench.assert_drained().await;
}

pub(crate) async fn a_wide_window_of_large_bodies_passes(bench: &Bench) {
    let mut window = messages(0..64);
    for (n, message) in (0_u8..).zip(&mut window) {
        message.body = vec![n; 100 * 1024];
    }
    bench.publish(&window).await;
    let mut subscription = bench.subscribe(100).await;
    let deliveries = receive_many(&mut subscription, 64).await;
    for delivery in &deliveries {
        let sent = &window[usize::try_from(number(delivery)).expect("small")];
        assert!(delivery.body == sent.body, "a body was changed on its way");
    }
    settle(&mut subscription, &deliveries.iter().map(|delivery| (delivery, Ack)).collect::<Vec<_>>()).await;
    drop(subscription);
    bench.assert_drained().await;
}
