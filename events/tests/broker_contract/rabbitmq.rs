//! What the RabbitMQ adapter promises besides: a topology that is changed under it,
//! foreign producers, brokers that are away.

mod redriving;

use std::time::Duration;

use accrue_events::broker::Settlement::{Ack, Reject, Retry};
use accrue_events::broker::{BrokerError, Destination, Publication, Publisher};
use accrue_testkit::{Listener, eventually};
use lapin::ExchangeKind::{Fanout, Topic};
use lapin::options::{
    BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldArray, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use tokio::time::Instant;

use crate::harness::{Bench, message, messages, number, numbers, open_at, receive, receive_many, settle};

/// Somebody else on the same broker.
async fn stranger(bench: &Bench) -> (Connection, Channel) {
    let connection =
        Connection::connect(&bench.url, ConnectionProperties::default()).await.expect("a broker");
    let channel = connection.create_channel().await.expect("a channel");
    (connection, channel)
}

/// Publishes until it is confirmed, as the relay would, and counts the failures.
async fn publish_until_confirmed(publisher: &mut Box<dyn Publisher>, n: u128) -> u32 {
    let mut failures = 0;
    eventually("a confirmed publish", async || {
        let confirmed = match publisher.connect().await {
            Ok(()) => publisher.publish(&[message(n)]).await.is_ok_and(|all| all == [Publication::Confirmed]),
            Err(_) => false,
        };
        failures += u32::from(!confirmed);
        confirmed
    })
    .await;
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_deleted_under_the_publisher_is_declared_again() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    let mut publisher = bench.broker.publisher(Destination::Users);
    assert_eq!(publish_until_confirmed(&mut publisher, 0).await, 0);
    let (_connection, channel) = stranger(&bench).await;
    let queue = bench.topology().queue();
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
    let refused = publisher.publish(&messages(1..4)).await.expect("returned, each of them");
    assert_eq!(refused, [Publication::Unconfirmed; 3]);
    assert_eq!(publish_until_confirmed(&mut publisher, 9).await, 0, "declared again by the next connect");
    let mut subscription = bench.subscribe(10).await;
    assert_eq!(number(&receive(&mut subscription).await), 9);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_deleted_under_the_publisher_is_declared_again() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    let mut publisher = bench.broker.publisher(Destination::Users);
    assert_eq!(publish_until_confirmed(&mut publisher, 0).await, 0);
    let (_connection, channel) = stranger(&bench).await;
    let exchange = bench.topology().users_exchange();
    channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await.expect("deleted");
    // The broker's answer may be read before or after the last publish is written,
    // and the error is another one accordingly.
    publisher.publish(&messages(1..4)).await.expect_err("there is no such exchange");
    assert_eq!(publish_until_confirmed(&mut publisher, 9).await, 0, "declared again by the next connect");
    let mut subscription = bench.subscribe(10).await;
    assert_eq!(numbers(&receive_many(&mut subscription, 2).await), [0, 9]);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_declared_again_is_told_and_the_rest_counted() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    bench.publish(&messages(0..2)).await;
    let tended = bench.broker.tend().await.expect("the broker is there");
    assert!(tended.refused.is_none(), "{tended:?}");
    assert_eq!(tended.depth.queue, 2);
    let (_connection, channel) = stranger(&bench).await;
    let exchange = bench.topology().users_exchange();
    channel
        .exchange_delete(exchange.clone().into(), ExchangeDeleteOptions::default())
        .await
        .expect("deleted");
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let declared = channel.exchange_declare(exchange.into(), Fanout, options, FieldTable::default()).await;
    declared.expect("made by somebody else, otherwise");
    let tended = bench.broker.tend().await.expect("the broker is there");
    assert!(tended.refused.is_some(), "{tended:?}");
    assert_eq!(tended.depth.queue, 2);
    bench.finish().await;
}

/// The publisher of accounts declares its exchange, also when that goes under it, and
/// nothing else; every queue that is bound by then gets what it publishes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_exchange_of_accounts_is_declared_by_its_publisher_alone() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    let (_connection, channel) = stranger(&bench).await;
    let mut publisher = bench.broker.publisher(Destination::Accounts);
    publisher.connect().await.expect("the broker is there");
    let exchange = || bench.topology().accounts_exchange();
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let asked = channel.exchange_declare(exchange().into(), Topic, passive, FieldTable::default()).await;
    asked.expect("it is there");
    channel.exchange_delete(exchange().into(), ExchangeDeleteOptions::default()).await.expect("deleted");
    publisher.publish(&messages(1..4)).await.expect_err("there is no such exchange");
    eventually("declared again by the next connect", async || publisher.connect().await.is_ok()).await;
    let listener = Listener::bind(&bench.url, (bench.prefix(), "accounts"), "account.#").await;
    let mut window = messages(4..6);
    window[1].routing_key = String::from("account.credits_used");
    let publications = publisher.publish(&window).await.expect("the broker is there");
    assert_eq!(publications, [Publication::Confirmed; 2], "one for a queue, one for nobody");
    let heard = listener.take().await;
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].routing_key.as_str(), &heard[0].body), ("account.credits_used", &window[1].body));
    assert_eq!(heard[0].message_id, Some(window[1].id.to_string()));
    // Last, since asking for what is not there ends the channel.
    let users = bench.topology().users_exchange();
    let asked = channel.exchange_declare(users.into(), Topic, passive, FieldTable::default()).await;
    asked.expect_err("nobody has published on users, or listened");
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_deleted_under_the_subscription_ends_it() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    let mut subscription = bench.subscribe(10).await;
    let (_connection, channel) = stranger(&bench).await;
    let queue = bench.topology().queue();
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
    let next = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await.expect("in time");
    assert!(matches!(next, Err(BrokerError::Ended(_))), "{next:?}");
    subscription.settle(vec![]).await.expect_err("it is over");
    let mut subscription = bench.subscribe(10).await;
    bench.publish(&[message(1)]).await;
    assert_eq!(number(&receive(&mut subscription).await), 1);
    bench.finish().await;
}

/// A retry queue that is gone must not cost the message that was to wait there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_is_not_confirmed_breaks_the_subscription_and_loses_nothing() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    bench.publish(&messages(0..3)).await;
    let mut subscription = bench.subscribe(10).await;
    let deliveries = receive_many(&mut subscription, 3).await;
    // Once, so that the connection for retries is there and will not declare again.
    settle(&mut subscription, &[(&deliveries[0], Retry)]).await;
    let again = receive(&mut subscription).await;
    let (_connection, channel) = stranger(&bench).await;
    let queue = bench.topology().retry_queue();
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("deleted");
    let settlements = vec![(deliveries[1].tag, Ack), (deliveries[2].tag, Retry), (again.tag, Retry)];
    let error = subscription.settle(settlements).await.expect_err("the retry queue is gone");
    assert!(matches!(error, BrokerError::Refused { .. }), "{error:?}");
    subscription.next().await.expect_err("it is broken");
    drop(subscription);
    let mut subscription = bench.subscribe(10).await;
    let deliveries = receive_many(&mut subscription, 2).await;
    assert_eq!(numbers(&deliveries), [0, 2], "what was acked stayed acked");
    settle(&mut subscription, &[(&deliveries[0], Retry), (&deliveries[1], Retry)]).await;
    let deliveries = receive_many(&mut subscription, 2).await;
    assert_eq!(numbers(&deliveries), [0, 2]);
    bench.finish().await;
}

fn odd_headers() -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("accrue-attempts".into(), AMQPValue::FieldArray(FieldArray::from(vec![AMQPValue::Void])));
    table.insert("traceparent".into(), AMQPValue::LongString(vec![0xff, 0xfe].into()));
    table.insert("x-death".into(), AMQPValue::Boolean(true));
    table.insert("nested".into(), AMQPValue::FieldTable(FieldTable::default()));
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_message_is_delivered_retried_and_redriven_like_ours() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    let mut subscription = bench.subscribe(10).await;
    let (_connection, channel) = stranger(&bench).await;
    let body = [0xff, 0x00, 0xc3, 0x28];
    let properties = BasicProperties::default().with_headers(odd_headers()).with_user_id("guest".into());
    channel
        .basic_publish(
            bench.topology().users_exchange().into(),
            "user".into(),
            BasicPublishOptions::default(),
            &body,
            properties,
        )
        .await
        .expect("published");
    let delivery = receive(&mut subscription).await;
    assert_eq!((&delivery.message_id, &delivery.traceparent, delivery.attempts), (&None, &None, 0));
    assert_eq!(delivery.body, body);
    settle(&mut subscription, &[(&delivery, Retry)]).await;
    let delivery = receive(&mut subscription).await;
    assert_eq!((&delivery.message_id, delivery.attempts), (&None, 1));
    settle(&mut subscription, &[(&delivery, Reject)]).await;
    let letter = &bench.dead_letters(1).await[0];
    // printf '\xff\x00\xc3\x28' | sha256sum
    assert_eq!(letter.id, "6c9488366422cf1a4e2c83189b81b29831f28491113c09198c181ba784633368");
    assert_eq!((letter.routing_key.as_str(), &letter.body[..]), ("user", &body[..]));
    assert!(bench.broker.dead_letters().redrive(&letter.id).await.expect("the broker is there"));
    assert_eq!(receive(&mut subscription).await.body, body);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_or_mute_is_an_error_in_time() {
    let closed = open_at("amqp://guest:guest@127.0.0.1:1", "accrue");
    let error = closed.publisher(Destination::Users).connect().await.expect_err("nobody listens there");
    assert!(matches!(error, BrokerError::Unreachable(_)), "{error:?}");
    closed.subscriber().subscribe(1).await.err().expect("nobody listens there");
    closed.dead_letters().list(1).await.expect_err("nobody listens there");
    closed.depth().await.expect_err("nobody listens there");
    // Takes connections and never says a word, as a process does that was stopped.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("amqp://guest:hunter2@{}", mute.local_addr().expect("bound"));
    let asked = Instant::now();
    let error =
        open_at(&url, "accrue").publisher(Destination::Users).connect().await.expect_err("nobody answers");
    assert!(matches!(error, BrokerError::Timeout { .. }), "{error:?}");
    assert!(asked.elapsed() < Duration::from_secs(15));
    let (mut socket, _) = mute.accept().await.expect("it came");
    let mut asked_for = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut asked_for);
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .expect("a connection given up on is ended")
        .ok();
    assert_eq!(asked_for, b"AMQP\x00\x00\x09\x01");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_without_them() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    let url = bench.url.replacen("//guest:guest@", "//guest:hunter2@", 1);
    let error = open_at(&url, bench.prefix())
        .publisher(Destination::Users)
        .connect()
        .await
        .expect_err("not the password");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    bench.finish().await;
}
