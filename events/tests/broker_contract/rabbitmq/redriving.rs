//! A redrive whose queue is deleted under it.

use accrue_events::broker::Settlement::Reject;
use accrue_events::broker::{BrokerError, Redrive};
use lapin::options::QueueDeleteOptions;

use super::stranger;
use crate::harness::{Bench, messages, receive_many, settle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_cannot_be_sent_stays_and_holds_back_no_other() {
    let Some(bench) = Bench::rabbitmq().await else { return };
    bench.publish(&messages(0..20)).await;
    let mut subscription = bench.subscribe(20).await;
    let deliveries = receive_many(&mut subscription, 20).await;
    settle(&mut subscription, &deliveries.iter().map(|delivery| (delivery, Reject)).collect::<Vec<_>>())
        .await;
    drop(subscription);
    bench.dead_letters(20).await;
    let (_connection, channel) = stranger(&bench).await;
    let (sent, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let broker = bench.another_process();
    let mut redriving = tokio::task::JoinSet::new();
    redriving.spawn(async move {
        let redrive = Redrive { rate: Some(10), ..Redrive::default() };
        broker
            .dead_letters()
            .redrive_many(&redrive, &mut |count| sent.send(count).expect("somebody hears"))
            .await
    });
    while hears.recv().await.expect("it goes on") < 5 {}
    channel
        .queue_delete(bench.topology().queue().into(), QueueDeleteOptions::default())
        .await
        .expect("deleted");
    let report =
        redriving.join_next().await.expect("one task").expect("it ends").expect("the broker is there");
    let [failed] = &report.failed[..] else { panic!("one is returned: {report:?}") };
    assert!(matches!(failed.error, BrokerError::Refused { .. }), "{report:?}");
    assert_eq!((report.redriven, report.is_complete), (19, true), "the queue was declared again");
    assert!(report.stopped.is_none(), "{report:?}");
    let left = bench.dead_letters(1).await;
    assert_eq!(left[0].id, failed.id);
    bench.finish().await;
}
