//! Limits over the store's counters: never one too many, in however many processes.

use std::sync::Arc;

use accrue_auth::limits::{Admission, Limit, Limits, Rate, Rates, Slot};
use accrue_auth::store::AuthStore;
use accrue_chassis::clock::ManualClock;
use futures_util::future::join_all;
use time::Duration;

use crate::place::{Place, now};

const RATE: Rate = Rate { count: 10, window_s: 900 };

async fn limits(place: &Place, clock: &Arc<ManualClock>) -> Limits {
    let store: Arc<dyn AuthStore> = place.store(clock).await;
    Limits::new(store, Arc::<ManualClock>::clone(clock), Rates::all(RATE))
}

async fn admit(limits: &Limits, subject: &str) -> Result<Slot, u32> {
    match limits.admit(Limit::LoginByAccount, subject).await.expect("a store that works") {
        Admission::Admitted(slot) => Ok(slot),
        Admission::Refused { retry_after_s } => Err(retry_after_s),
    }
}

pub(crate) async fn of_fifty_tries_at_once_the_limit_is_admitted(place: &Place) {
    let clock = now();
    let processes = [limits(place, &clock).await, limits(place, &clock).await];
    let tries = (0..50).map(|index| admit(&processes[index % 2], "ada@example.com"));
    let admitted = join_all(tries).await.into_iter().flatten().count();
    assert_eq!(admitted, 10);
    assert!(admit(&processes[0], "ada@example.com").await.is_err());
    // Somebody else is not held up, nor is something else of the same subject.
    assert!(admit(&processes[0], "ida@example.com").await.is_ok());
    let other = processes[1].admit(Limit::MailByAddress, "ada@example.com").await.expect("an answer");
    assert!(matches!(other, Admission::Admitted(_)));
}

pub(crate) async fn a_window_ends_when_it_says(place: &Place) {
    let clock = now();
    let limits = limits(place, &clock).await;
    for _ in 0..10 {
        assert!(admit(&limits, "ada").await.is_ok());
    }
    // 03:04:05.678901: the window of 15 minutes ends at 03:15.
    let retry_after_s = admit(&limits, "ada").await.expect_err("too many");
    assert_eq!(retry_after_s, 655);
    clock.advance(Duration::seconds(654));
    assert_eq!(admit(&limits, "ada").await.expect_err("too many"), 1);
    clock.advance(Duration::seconds(1));
    assert!(admit(&limits, "ada").await.is_ok());
}

pub(crate) async fn what_is_given_back_is_admitted_again(place: &Place) {
    let clock = now();
    let limits = limits(place, &clock).await;
    for _ in 0..30 {
        let slot = admit(&limits, "ada").await.expect("only failures count");
        limits.give_back(slot).await.expect("a store that works");
    }
    for _ in 0..9 {
        assert!(admit(&limits, "ada").await.is_ok());
    }
    let last = admit(&limits, "ada").await.expect("the tenth");
    assert!(admit(&limits, "ada").await.is_err());
    limits.give_back(last).await.expect("a store that works");
    assert!(admit(&limits, "ada").await.is_ok());
    assert!(admit(&limits, "ada").await.is_err());
}
