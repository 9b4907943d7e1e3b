//! What the embedded broker promises besides: one file, several processes, any death.

use std::process::Stdio;

use accrue_events::broker::Publication::{Confirmed, Unconfirmed};
use accrue_events::broker::Settlement::{Ack, Retry};
use accrue_events::broker::{Depth, Destination};
use accrue_testkit::eventually;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::harness::{
    Bench, assert_nothing_comes, message, messages, number, numbers, open_at, receive, receive_many, settle,
};

/// Where the child of a test finds the broker's file.
const CHILD_URL: &str = "ACCRUE_TEST_CHILD_BROKER_URL";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_process_publishes_another_receives() {
    let bench = Bench::embedded();
    let other = bench.another_process();
    let mut subscription = other.subscriber().subscribe(10).await.expect("the file is there");
    assert_nothing_comes(&mut subscription).await;
    bench.publish(&messages(0..3)).await;
    let deliveries = receive_many(&mut subscription, 3).await;
    assert_eq!(numbers(&deliveries), [0, 1, 2]);
    settle(&mut subscription, &[(&deliveries[0], Retry), (&deliveries[1], Ack)]).await;
    let depth = bench.broker.depth().await.expect("the file is there");
    assert_eq!(depth, Depth { queue: 1, retry: 1, dead_letters: 0 });
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_processes_find_a_new_file_at_once() {
    let bench = Bench::embedded();
    let processes: Vec<_> = (0..8).map(|_| bench.another_process()).collect();
    let publishing = (0..).zip(&processes).map(async |(n, process)| {
        let mut publisher = process.publisher(Destination::Users);
        publisher.connect().await.expect("whoever comes first migrates");
        publisher.publish(&[message(n)]).await.expect("the file is there")
    });
    for publications in futures_util::future::join_all(publishing).await {
        assert_eq!(publications, [Confirmed]);
    }
    let mut subscription = bench.subscribe(10).await;
    assert_eq!(numbers(&receive_many(&mut subscription, 8).await), (0..8).collect::<Vec<_>>());
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_subscription_keeps_what_it_holds_and_a_dropped_one_frees_it() {
    let bench = Bench::embedded();
    bench.publish(&messages(0..5)).await;
    let mut busy = bench.subscribe(10).await;
    let held = receive_many(&mut busy, 5).await;
    let other = bench.another_process();
    let mut waiting = other.subscriber().subscribe(10).await.expect("the file is there");
    assert_nothing_comes(&mut waiting).await;
    settle(&mut busy, &[(&held[2], Ack)]).await;
    drop(busy);
    let mut freed = receive_many(&mut waiting, 4).await;
    freed.sort_by_key(number);
    assert_eq!(numbers(&freed), [0, 1, 3, 4]);
    assert_nothing_comes(&mut waiting).await;
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_opened_again_has_everything() {
    let bench = Bench::embedded();
    bench.publish(&messages(0..4)).await;
    let mut subscription = bench.subscribe(10).await;
    let held = receive_many(&mut subscription, 4).await;
    settle(&mut subscription, &[(&held[0], Ack), (&held[1], Retry)]).await;
    drop(subscription);
    let Bench { url, .. } = &bench;
    let reopened = open_at(url, "accrue");
    let mut subscription = reopened.subscriber().subscribe(10).await.expect("the file is there");
    let deliveries = receive_many(&mut subscription, 3).await;
    assert_eq!(deliveries.iter().map(|delivery| delivery.attempts).sum::<u32>(), 1);
    bench.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_not_there_is_an_error_until_it_is() {
    let bench = Bench::embedded();
    let directory = accrue_testkit::data_dir();
    let path = directory.path().join("later");
    let broker = open_at(&format!("sqlite:{}", path.join("broker.db").display()), "accrue");
    let mut publisher = broker.publisher(Destination::Users);
    publisher.connect().await.expect_err("there is no such directory");
    broker.subscriber().subscribe(1).await.err().expect("there is no such directory");
    std::fs::create_dir(&path).expect("a directory");
    publisher.connect().await.expect("now there is");
    let mut window = messages(0..2);
    window[0].routing_key = "other".to_owned();
    assert_eq!(publisher.publish(&window).await.expect("writable"), [Unconfirmed, Confirmed]);
    bench.finish().await;
}

/// Not a test by itself: the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child process of a test: cargo test -p accrue-events --test broker_contract a_killed_process_frees_what_it_held"]
async fn child_that_holds_messages() {
    let Ok(url) = std::env::var(CHILD_URL) else { return };
    let mut subscription =
        open_at(&url, "accrue").subscriber().subscribe(10).await.expect("the file is there");
    let held = receive_many(&mut subscription, 5).await;
    settle(&mut subscription, &[(&held[0], Ack)]).await;
    println!("\nholding");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_process_frees_what_it_held() {
    let bench = Bench::embedded();
    bench.publish(&messages(0..5)).await;
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args(["embedded::child_that_holds_messages", "--exact", "--ignored", "--nocapture"])
        .env(CHILD_URL, &bench.url)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("this program runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    eventually("the child holds its messages", async || {
        lines.next_line().await.expect("readable").is_none_or(|line| line == "holding")
    })
    .await;
    let mut waiting = bench.subscribe(10).await;
    assert_nothing_comes(&mut waiting).await;
    child.kill().await.expect("it was running");
    let mut deliveries = vec![receive(&mut waiting).await];
    deliveries.extend(receive_many(&mut waiting, 3).await);
    assert_eq!(deliveries.len(), 4);
    settle(&mut waiting, &deliveries.iter().map(|delivery| (delivery, Ack)).collect::<Vec<_>>()).await;
    drop(waiting);
    bench.assert_drained().await;
    bench.finish().await;
}
