//! Usage summed by day, month, user and resource, page by page.

use std::collections::BTreeMap;
use std::sync::Arc;

use accrue_accounting::ledger::{Action, Command, Cost, Policies, Use};
use accrue_accounting::store::{Days, LedgerStore, UsageFilter, UsagePosition, UsageSum};
use time::macros::date;
use time::{Date, Duration};
use uuid::Uuid;

use crate::fixture::{Fixture, NOON, allocate, keyed, post};
use crate::holding::{capture, reserve};

/// Sums as they must be, by period from the newest, user, and resource with none last.
type Expected = BTreeMap<(i64, String, bool, Option<String>), UsageSum>;

const PERIOD: Days = Days { since: date!(2026 - 03 - 01), until: date!(2026 - 05 - 01) };

fn everything() -> UsageFilter {
    UsageFilter { days: PERIOD, user_id: None, resource: None }
}

fn position(sum: &UsageSum) -> UsagePosition {
    UsagePosition { begin: sum.begin, user_id: sum.user_id.clone(), resource: sum.resource.clone() }
}

/// All pages of `limit` sums, by day or, of one user, by month.
async fn pages(
    store: &Arc<dyn LedgerStore>,
    filter: &UsageFilter,
    by_month_of: Option<&str>,
    limit: u32,
) -> Vec<UsageSum> {
    let mut all: Vec<UsageSum> = Vec::new();
    loop {
        let after = all.last().map(position);
        let page = match by_month_of {
            None => store.usage_by_day(filter, after.as_ref(), limit).await,
            Some(user_id) => store.usage_by_month(user_id, filter, after.as_ref(), limit).await,
        };
        let page = page.expect("readable");
        let is_last = page.len() < usize::try_from(limit).expect("small");
        all.extend(page);
        if is_last {
            return all;
        }
    }
}

/// Sums every usage of `users` by hand.
async fn expected(store: &Arc<dyn LedgerStore>, users: &[String], begin: fn(Date) -> Date) -> Expected {
    let mut sums = Expected::new();
    for user_id in users {
        for usage in store.usages(user_id, None, 9_999).await.expect("readable") {
            let begin = begin(usage.recorded_at.date());
            let newest_first = -i64::from(begin.to_julian_day());
            let key = (newest_first, user_id.clone(), usage.resource.is_none(), usage.resource.clone());
            let sum = sums.entry(key).or_insert_with(|| UsageSum {
                begin,
                user_id: user_id.clone(),
                resource: usage.resource.clone(),
                credits: 0,
                refunded: 0,
                uncollected: 0,
                count: 0,
            });
            sum.credits += i128::from(usage.credits);
            sum.refunded += i128::from(usage.refunded);
            sum.uncollected += i128::from(usage.uncollected);
            sum.count += 1;
        }
    }
    sums
}

fn of<'a>(sums: &'a Expected, passes: impl Fn(&UsageSum) -> bool + 'a) -> Vec<UsageSum> {
    sums.values().filter(|sum| passes(sum)).cloned().collect()
}

/// 40 days of usage by six users for four resources and for none, some of it refunded.
async fn book(fixture: &Fixture) -> (Arc<dyn LedgerStore>, Vec<String>) {
    let (store, clock) = fixture.store_at_noon().await;
    let users: Vec<String> = ["b", "a", "Z", "ä", "a b", "10"].map(ToOwned::to_owned).to_vec();
    for user_id in &users {
        post(&store, allocate(user_id, "a", 1_000_000)).await.expect("room");
    }
    let resources = ["chat", "Chat", "échec", "a,b"];
    let mut commands = Vec::new();
    for step in 0..240_usize {
        let user_id = &users[step * step % 6];
        let usage_id = Uuid::now_v7();
        let resource = resources.get(step * 7 % 5).map(|name| (*name).to_owned());
        let credits = i64::try_from(step % 17 + 1).expect("small");
        let order = Use { usage_id, cost: Cost::Credits(credits), resource, metadata: None };
        commands.push(keyed(user_id, &format!("u{step}"), 0, Action::Use(order)));
        if step % 11 == 0 {
            let refund = Action::Refund { usage_id, credits: None, reason: None };
            commands.push(keyed(user_id, &format!("r{step}"), 0, refund));
        }
        if step % 2 == 0 {
            store.post(&commands, Policies::DEFAULT).await.expect("posted");
            commands.clear();
            clock.advance(Duration::hours(8));
        }
    }
    let (hold, id) = reserve("a", "h", 3, 10);
    let rest: Vec<Command> = vec![hold, capture("a", "c", id, Some(2_000_000))];
    store.post(&rest, Policies::DEFAULT).await.expect("posted")[1].clone().expect("captured");
    (store, users)
}

pub(crate) async fn usage_is_summed_by_day_user_and_resource(fixture: Fixture) {
    let (store, users) = book(&fixture).await;
    let sums = expected(&store, &users, |day| day).await;
    let all = of(&sums, |_| true);
    assert!(all.len() > 150 && all.iter().any(|sum| sum.uncollected > 0), "{}", all.len());
    for limit in [1, 7, 1_000] {
        assert_eq!(pages(&store, &everything(), None, limit).await, all, "pages of {limit}");
    }
    let chat = UsageFilter { resource: Some("chat".to_owned()), ..everything() };
    let is_chat = |sum: &UsageSum| sum.resource.as_deref() == Some("chat");
    assert_eq!(pages(&store, &chat, None, 3).await, of(&sums, is_chat));
    let one = UsageFilter { user_id: Some("a".to_owned()), ..everything() };
    assert_eq!(pages(&store, &one, None, 3).await, of(&sums, |sum| sum.user_id == "a"));
    let both = UsageFilter { resource: Some("chat".to_owned()), ..one };
    assert_eq!(pages(&store, &both, None, 3).await, of(&sums, |sum| is_chat(sum) && sum.user_id == "a"));
    let days = Days { since: date!(2026 - 03 - 05), until: date!(2026 - 03 - 08) };
    let few = UsageFilter { days, ..everything() };
    let is_within = |sum: &UsageSum| (days.since..days.until).contains(&sum.begin);
    assert_eq!(pages(&store, &few, None, 4).await, of(&sums, is_within));
    let days = Days { since: date!(2025 - 01 - 01), until: NOON.date() };
    assert!(pages(&store, &UsageFilter { days, ..everything() }, None, 4).await.is_empty());
}

pub(crate) async fn usage_is_summed_by_month(fixture: Fixture) {
    let (store, users) = book(&fixture).await;
    let sums = expected(&store, &users, |day| day.replace_day(1).expect("a first day")).await;
    assert!(sums.values().any(|sum| sum.begin == date!(2026 - 04 - 01)), "two months at least");
    for user_id in &users {
        let all = of(&sums, |sum| sum.user_id == *user_id);
        for limit in [1, 4, 100] {
            assert_eq!(pages(&store, &everything(), Some(user_id), limit).await, all);
        }
        let chat = UsageFilter { resource: Some("chat".to_owned()), ..everything() };
        let is_chat = |sum: &UsageSum| sum.user_id == *user_id && sum.resource.as_deref() == Some("chat");
        assert_eq!(pages(&store, &chat, Some(user_id), 1).await, of(&sums, is_chat));
    }
    // Of a month only the days that are asked for.
    let days = Days { since: date!(2026 - 03 - 10), until: date!(2026 - 04 - 01) };
    let by_day = pages(&store, &UsageFilter { days, ..everything() }, None, 500).await;
    let of_part = by_day.iter().filter(|sum| sum.user_id == "b").map(|sum| sum.credits).sum::<i128>();
    let by_month = pages(&store, &UsageFilter { days, ..everything() }, Some("b"), 500).await;
    assert_eq!(by_month.iter().map(|sum| sum.credits).sum::<i128>(), of_part);
    assert!(of_part > 0 && by_month.iter().all(|sum| sum.begin == date!(2026 - 03 - 01)));
}
