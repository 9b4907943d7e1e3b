//! What a publisher promises.

use accrue_events::broker::{Destination, Publication, Settlement};

use crate::harness::{Bench, message, messages, number, numbers, receive, receive_many, settle};

pub(crate) async fn what_is_published_arrives_whole(bench: &Bench) {
    let mut sent = message(7);
    sent.body = (0..=255).collect();
    sent.traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    bench.publish(&[sent.clone(), message(8)]).await;
    let mut subscription = bench.subscribe(10).await;
    let deliveries = receive_many(&mut subscription, 2).await;
    assert_eq!(deliveries[0].message_id, Some(sent.id.to_string()));
    assert_eq!(deliveries[0].body, sent.body);
    assert_eq!(deliveries[0].traceparent, sent.traceparent);
    assert_eq!((deliveries[0].attempts, &deliveries[1].traceparent), (0, &None));
    assert!(deliveries[0].tag < deliveries[1].tag);
}

pub(crate) async fn unroutable_is_unconfirmed_and_harms_nothing_else(bench: &Bench) {
    use Publication::{Confirmed, Unconfirmed};
    let mut publisher = bench.broker.publisher(Destination::Users);
    let mut window = messages(0..5);
    window[2].routing_key = String::from("invoice.paid");
    let publications = publisher.publish(&window).await.expect("the broker is there");
    assert_eq!(publications, [Confirmed, Confirmed, Unconfirmed, Confirmed, Confirmed]);
    publisher.connect().await.expect("the broker is there");
    window[2].routing_key = String::from("user.updated");
    let again = publisher.publish(&window[2..3]).await.expect("the broker is there");
    assert_eq!(again, [Confirmed]);
    let mut subscription = bench.subscribe(10).await;
    assert_eq!(numbers(&receive_many(&mut subscription, 5).await), [0, 1, 2, 3, 4]);
}

pub(crate) async fn a_routing_key_beyond_what_amqp_can_carry_is_unconfirmed(bench: &Bench) {
    let mut publisher = bench.broker.publisher(Destination::Users);
    let mut window = messages(0..2);
    window[0].routing_key = format!("account.{}", "x".repeat(300));
    let publications = publisher.publish(&window).await.expect("the broker is there");
    assert_eq!(publications, [Publication::Unconfirmed, Publication::Confirmed]);
}

pub(crate) async fn what_happens_to_accounts_needs_no_listener_and_disturbs_no_queue(bench: &Bench) {
    use Publication::{Confirmed, Unconfirmed};
    // Both have to be there: the one publisher declares nothing of the other's.
    bench.publish(&[message(0)]).await;
    let mut publisher = bench.broker.publisher(Destination::Accounts);
    publisher.connect().await.expect("the broker is there");
    let mut window = messages(1..4);
    for message in &mut window {
        message.routing_key = String::from("account.credits_used");
    }
    // Not even under a key that the users' queue would take.
    window[1].routing_key = String::from("user.registered");
    assert_eq!(publisher.publish(&window).await.expect("the broker is there"), [Confirmed; 3]);
    window[1].routing_key = format!("account.{}", "x".repeat(300));
    let publications = publisher.publish(&window).await.expect("the broker is there");
    assert_eq!(publications, [Confirmed, Unconfirmed, Confirmed]);
    let mut subscription = bench.subscribe(10).await;
    let delivery = receive(&mut subscription).await;
    assert_eq!(number(&delivery), 0);
    settle(&mut subscription, &[(&delivery, Settlement::Ack)]).await;
    drop(subscription);
    bench.assert_drained().await;
}

pub(crate) async fn an_empty_window_is_no_work(bench: &Bench) {
    assert_eq!(bench.broker.publisher(Destination::Users).publish(&[]).await.expect("nothing to fail"), []);
}

pub(crate) async fn one_id_published_twice_is_delivered_twice(bench: &Bench) {
    bench.publish(&[message(1), message(1)]).await;
    bench.publish(&[message(1)]).await;
    let mut subscription = bench.subscribe(10).await;
    let deliveries = receive_many(&mut subscription, 3).await;
    assert_eq!(numbers(&deliveries), [1, 1, 1]);
    let acks: Vec<_> = deliveries.iter().map(|delivery| (delivery, Settlement::Ack)).collect();
    settle(&mut subscription, &acks).await;
    drop(subscription);
    bench.assert_drained().await;
}

pub(crate) async fn a_publisher_outlives_its_subscriber(bench: &Bench) {
    let mut publisher = bench.broker.publisher(Destination::Users);
    for n in 0..5 {
        let mut subscription = bench.subscribe(10).await;
        let publications = publisher.publish(&[message(n)]).await.expect("the broker is there");
        assert_eq!(publications, [Publication::Confirmed]);
        let delivery = receive(&mut subscription).await;
        assert_eq!(number(&delivery), n);
        settle(&mut subscription, &[(&delivery, Settlement::Ack)]).await;
        drop(subscription);
        publisher.connect().await.expect("the broker is there");
    }
}
