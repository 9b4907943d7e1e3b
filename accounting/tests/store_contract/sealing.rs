//! Sealing what a release without hashes booked: killed at any point, it goes on where it was.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use accrue_accounting::store::{OpenError, open};
use accrue_chassis::clock::SystemClock;

use crate::auditing::{fill, findings};
use crate::fixture::Fixture;

/// What `future` comes to, or nothing, where it was polled so many times and then dropped:
/// which is what a process that dies at that point does to it.
async fn polled<T>(times: u32, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = times;
    poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

pub(crate) async fn sealing_goes_on_where_it_was_killed(fixture: Fixture) {
    fill(&fixture, 5, 100).await;
    fixture.unseal().await;
    let all = fixture.count_unsealed().await;
    assert!(all > 300, "only {all} entries");
    let (mut times, mut seen_between) = (1, 0);
    loop {
        let opening = open(fixture.url(), 1, true, Arc::new(SystemClock));
        if let Some(opened) = polled(times, opening).await {
            drop(opened.expect("sealed"));
            break;
        }
        let left = fixture.count_unsealed().await;
        seen_between += u32::from(0 < left && left < all);
        let unsealed = open(fixture.url(), 1, false, Arc::new(SystemClock)).await.err();
        assert!(left == 0 || matches!(unsealed, Some(OpenError::NotSealed)), "{left} entries have no hash");
        times += times.div_ceil(8);
    }
    assert!(seen_between > 0, "it was never killed between two pages");
    assert_eq!(fixture.count_unsealed().await, 0);
    assert_eq!(findings(&fixture, None).await, []);
}
