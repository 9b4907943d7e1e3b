//! Lists: every item once, newest first, page by page.

use accrue_accounting::ledger::AccountStatus;
use accrue_accounting::store::{AccountFilter, AccountPosition, EntryFilter};
use time::Duration;

use crate::fixture::{Fixture, allocate, post, registered};

pub(crate) async fn pages_show_each_account_once(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    for user in 0..23 {
        // Several accounts of the same instant: the cursor must tell them apart.
        if user % 4 == 0 {
            clock.advance(Duration::milliseconds(1));
        }
        let user_id = format!("u{user:02}");
        post(&store, allocate(&user_id, "k", 1)).await.expect("room");
        if user % 3 == 0 {
            post(&store, registered(&user_id, user)).await.expect("applied");
        }
    }
    let mut seen = Vec::new();
    let filter = AccountFilter { status: Some(AccountStatus::Placeholder), email: None };
    let mut after: Option<AccountPosition> = None;
    loop {
        let page = store.accounts(&filter, after.as_ref(), 4).await.expect("readable");
        let Some(last) = page.last() else { break };
        after = Some(AccountPosition { created_at: last.created_at, user_id: last.account.user_id.clone() });
        seen.extend(page.into_iter().map(|view| view.account.user_id));
    }
    let expected: Vec<String> =
        (0..23).rev().filter(|user| user % 3 != 0).map(|user| format!("u{user:02}")).collect();
    assert_eq!(seen, expected);
    let filter = AccountFilter { status: None, email: Some("mail-21".to_owned()) };
    let found = store.accounts(&filter, None, 10).await.expect("readable");
    assert_eq!(found.iter().map(|view| view.account.user_id.as_str()).collect::<Vec<_>>(), ["u21"]);
}

pub(crate) async fn entries_come_page_by_page(fixture: Fixture) {
    let store = fixture.store().await;
    for round in 0..9 {
        post(&store, allocate("u1", &format!("k{round}"), 1)).await.expect("room");
    }
    post(&store, allocate("u10", "k", 1)).await.expect("room");
    let mut seqs = Vec::new();
    loop {
        let filter = EntryFilter { before_seq: seqs.last().copied(), ..EntryFilter::default() };
        let page = store.entries("u1", &filter, 4).await.expect("readable");
        if page.is_empty() {
            break;
        }
        seqs.extend(page.iter().map(|entry| entry.seq));
    }
    assert_eq!(seqs, (1..=9).rev().collect::<Vec<i64>>());
    assert!(store.entries("nobody", &EntryFilter::default(), 4).await.expect("readable").is_empty());
}
