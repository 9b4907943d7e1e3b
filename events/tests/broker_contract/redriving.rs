//! Many dead letters at once: picked out, counted, sent back in one walk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_events::broker::Settlement::{Ack, Reject, Retry};
use accrue_events::broker::{DeadLetters, Look, Message, Redrive, Redriven, Selection, Survey};
use accrue_testkit::eventually;
use tokio::task::JoinSet;

use crate::harness::{Bench, message, number, receive, receive_many, settle};

const EVEN: &str = "accrue.test.even.v1";
const ODD: &str = "accrue.test.odd.v1";

/// Message number `n` with a body of an event: even and odd ones are of two types.
fn event(n: u128) -> Message {
    let kind = if n.is_multiple_of(2) { EVEN } else { ODD };
    let body = format!(r#"{{"type":"{kind}","subject":"u{n}","data":{{"email":"u{n}@example.com"}}}}"#);
    Message { body: body.into_bytes(), ..message(n) }
}

fn id(n: u128) -> String {
    message(n).id.to_string()
}

/// Makes dead letters of those numbers.
async fn bury(bench: &Bench, numbers: std::ops::Range<u128>) {
    let events: Vec<_> = numbers.map(event).collect();
    let mut subscription = bench.subscribe(300).await;
    let before = bench.broker.depth().await.expect("the broker is there").dead_letters;
    for window in events.chunks(250) {
        bench.publish(window).await;
        let deliveries = receive_many(&mut subscription, window.len()).await;
        let settlements: Vec<_> = deliveries.iter().map(|delivery| (delivery, Reject)).collect();
        settle(&mut subscription, &settlements).await;
    }
    drop(subscription);
    count_becomes(bench, before + events.len() as u64).await;
}

/// Waits until there are so many dead letters.
async fn count_becomes(bench: &Bench, count: u64) {
    eventually("so many dead letters", async || {
        bench.broker.depth().await.expect("the broker is there").dead_letters == count
    })
    .await;
}

async fn redrive(dead_letters: &dyn DeadLetters, redrive: Redrive) -> Redriven {
    let report = dead_letters.redrive_many(&redrive, &mut |_| {}).await.expect("the broker is there");
    assert!(report.failed.is_empty() && report.stopped.is_none(), "{report:?}");
    report
}

async fn survey(dead_letters: &dyn DeadLetters, selection: Selection, limit: usize) -> Survey {
    let look = Look { selection, limit, patience: Duration::from_mins(1) };
    dead_letters.survey(&look).await.expect("the broker is there")
}

fn of_type(kind: &str) -> Selection {
    Selection { kind: Some(kind.to_owned()), ..Selection::default() }
}

/// Takes everything out of the main queue: how often each number was there.
async fn drain(bench: &Bench, count: usize) -> BTreeMap<u128, u32> {
    let mut subscription = bench.subscribe(300).await;
    let mut seen = BTreeMap::new();
    for _ in 0..count {
        let delivery = receive(&mut subscription).await;
        *seen.entry(number(&delivery)).or_default() += 1;
        settle(&mut subscription, &[(&delivery, Ack)]).await;
    }
    drop(subscription);
    seen
}

pub(crate) async fn a_selection_of_two_thousand_goes_in_one_walk(bench: &Bench) {
    bury(bench, 0..1_000).await;
    // RabbitMQ tells the second of a death.
    let in_the_second_half = SystemClock.now() + Duration::from_secs(1);
    eventually("the next second", async || SystemClock.now() > in_the_second_half).await;
    bury(bench, 1_000..2_000).await;
    let dead_letters = bench.another_process().dead_letters();
    let since = Some(in_the_second_half.replace_nanosecond(0).expect("none is fine"));
    let report = redrive(
        &*dead_letters,
        Redrive { selection: Selection { since, ..of_type(ODD) }, ..Redrive::default() },
    )
    .await;
    assert_eq!((report.redriven, report.left, report.is_complete), (500, 0, true));
    let seen = drain(bench, 500).await;
    assert_eq!(seen, (1_000..2_000).filter(|n| n % 2 == 1).map(|n| (n, 1)).collect());
    let rest = survey(&*dead_letters, Selection::default(), 10_000).await;
    assert_eq!(rest.total(), 1_500);
    let ids: BTreeSet<_> = rest.letters.iter().map(|letter| letter.id.clone()).collect();
    assert_eq!(
        ids,
        (0..2_000).filter(|n| n % 2 == 0 || *n < 1_000).map(id).collect(),
        "the rest was put back"
    );
    let report = redrive(&*dead_letters, Redrive::default()).await;
    assert_eq!(report.redriven, 1_500);
    assert_eq!(drain(bench, 1_500).await.len(), 1_500);
    bench.assert_drained().await;
}

pub(crate) async fn a_limit_leaves_the_rest_and_counts_it(bench: &Bench) {
    bury(bench, 0..100).await;
    let dead_letters = bench.broker.dead_letters();
    let some = Redrive { selection: of_type(EVEN), limit: 7, ..Redrive::default() };
    let report = redrive(&*dead_letters, some.clone()).await;
    assert_eq!((report.redriven, report.left, report.is_complete), (7, 43, true));
    assert_eq!(survey(&*dead_letters, of_type(EVEN), 0).await.total(), 43);
    let none = redrive(&*dead_letters, Redrive { limit: 0, ..some.clone() }).await;
    assert_eq!((none.redriven, none.left), (0, 43));
    let hurried = redrive(&*dead_letters, Redrive { patience: Duration::ZERO, ..some }).await;
    assert_eq!((hurried.redriven, hurried.is_complete), (0, false));
    assert!(drain(bench, 7).await.keys().all(|n| n % 2 == 0));
    bench.assert_drained().await;
    count_becomes(bench, 93).await;
}

pub(crate) async fn ids_are_met_once_and_missing_ones_are_told(bench: &Bench) {
    bury(bench, 0..5).await;
    bury(bench, 3..4).await;
    let dead_letters = bench.broker.dead_letters();
    let selection = Selection::of_ids([id(3), id(1), id(77)]);
    let report = redrive(&*dead_letters, Redrive { selection, ..Redrive::default() }).await;
    assert_eq!((report.redriven, report.not_found), (2, vec![id(77)]));
    assert_eq!(drain(bench, 2).await, BTreeMap::from([(1, 1), (3, 1)]));
    count_becomes(bench, 4).await;
    assert_eq!(survey(&*dead_letters, Selection::of_ids([id(3)]), 10).await.total(), 1, "its twin stays");
}

pub(crate) async fn a_redrive_cut_off_half_way_loses_none(bench: &Bench) {
    bury(bench, 0..300).await;
    let broker = bench.another_process();
    let sent = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&sent);
    let order = Redrive { rate: Some(100), ..Redrive::default() };
    let mut cut_off = JoinSet::new();
    cut_off.spawn(async move {
        broker.dead_letters().redrive_many(&order, &mut |count| told.store(count, Ordering::SeqCst)).await
    });
    eventually("some were sent", async || sent.load(Ordering::SeqCst) >= 20).await;
    // Its connections break with it, as by the death of the process.
    cut_off.abort_all();
    cut_off.join_next().await.expect("one task").expect_err("it was in the middle");
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 300, "it was not in the middle");
    let left = eventually("the letters it held are back", async || {
        let left = survey(&*bench.broker.dead_letters(), Selection::default(), 1_000).await;
        (left.total() >= 300 - sent - 1).then_some(left)
    })
    .await;
    let queued = bench.broker.depth().await.expect("the broker is there").queue;
    let (queued, dead) = (usize::try_from(queued).expect("few"), left.letters.len());
    assert!((300..=301).contains(&(queued + dead)), "{queued} are queued and {dead} dead");
    let mut all = drain(bench, queued).await;
    assert!(all.values().all(|times| *times == 1));
    for letter in &left.letters {
        let n = letter.id.parse::<uuid::Uuid>().expect("ours are UUIDs").as_u128();
        *all.entry(n).or_default() += 1;
    }
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), (0..300).collect::<Vec<_>>());
    bench.assert_drained().await;
}

pub(crate) async fn what_dies_again_meanwhile_is_not_sent_again(bench: &Bench) {
    bury(bench, 0..20).await;
    let mut subscription = bench.subscribe(10).await;
    let mut rejecting = JoinSet::new();
    rejecting.spawn(async move {
        for _ in 0..20 {
            let delivery = receive(&mut subscription).await;
            settle(&mut subscription, &[(&delivery, Reject)]).await;
        }
    });
    let report =
        redrive(&*bench.broker.dead_letters(), Redrive { rate: Some(50), ..Redrive::default() }).await;
    assert_eq!((report.redriven, report.is_complete), (20, true));
    rejecting.join_next().await.expect("one task").expect("each came once");
    count_becomes(bench, 20).await;
    bench.assert_drained().await;
}

pub(crate) async fn a_survey_counts_all_and_tells_the_oldest(bench: &Bench) {
    bury(bench, 0..30).await;
    let dead_letters = bench.broker.dead_letters();
    let seen = survey(&*dead_letters, Selection::default(), 3).await;
    let all: Vec<_> = bench.dead_letters(30).await.into_iter().map(|letter| letter.summary()).collect();
    assert_eq!(seen.letters, all[..3]);
    assert_eq!((seen.total(), seen.is_complete), (30, true));
    let count = |kind: &str| ((Some(kind.to_owned()), "rejected".to_owned()), 15);
    assert_eq!(seen.counts, BTreeMap::from([count(EVEN), count(ODD)]));
    assert_eq!(survey(&*dead_letters, of_type("another"), 3).await.total(), 0);
    let later = Some(SystemClock.now() + Duration::from_hours(1));
    assert_eq!(
        survey(&*dead_letters, Selection { since: later, ..Selection::default() }, 3).await.total(),
        0
    );
}

pub(crate) async fn one_is_found_with_its_story(bench: &Bench) {
    let traceparent = Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned());
    bench.publish(&[Message { traceparent: traceparent.clone(), ..event(1) }]).await;
    let mut subscription = bench.subscribe(10).await;
    for settlement in [Retry, Retry, Reject] {
        let delivery = receive(&mut subscription).await;
        settle(&mut subscription, &[(&delivery, settlement)]).await;
    }
    drop(subscription);
    count_becomes(bench, 1).await;
    let dead_letters = bench.broker.dead_letters();
    let letter = dead_letters.find(&id(1)).await.expect("the broker is there").expect("it is there");
    assert_eq!((letter.attempts, &letter.traceparent, &letter.body), (2, &traceparent, &event(1).body));
    assert_eq!(letter.content_type.as_deref(), Some("application/cloudevents+json"));
    assert_eq!(
        (letter.summary().kind.as_deref(), letter.summary().subject.as_deref()),
        (Some(ODD), Some("u1"))
    );
    assert!(dead_letters.find(&id(2)).await.expect("the broker is there").is_none());
    count_becomes(bench, 1).await;
}
