//! How accounts stand with users: compared in order, orphaned and lifted, missing.

use std::collections::BTreeSet;

use accrue_accounting::ledger::{AccountStatus, Action, Command, IdempotencyKey, Receipt, Rejection};
use accrue_accounting::store::Placeholders;
use time::Duration;

use crate::fixture::{
    Fixture, NOON, account, allocate, allocate_until, check_books, post, registered, spend,
};

pub(crate) async fn accounts_come_in_byte_order(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    // Collations of languages would sort them otherwise.
    let in_order = ["-", "10", "9", "A", "Z", "_", "a", "a b", "a-b", "aB", "ab", "z", "ß", "é", "中", "😀"];
    for user_id in in_order.iter().rev() {
        post(&store, registered(user_id, 7)).await.expect("applied");
    }
    post(&store, allocate_until("aB", "k", 5, NOON + Duration::seconds(1))).await.expect("room");
    clock.advance(Duration::seconds(2));
    for limit in [1_usize, 3, 16, 1_000] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let limit_rows = u32::try_from(limit).expect("small");
            let page = store.accounts_in_order(&after, limit_rows).await.expect("readable");
            let Some(last) = page.last() else { break };
            assert!(page.len() <= limit);
            after.clone_from(&last.account.user_id);
            seen.extend(page);
        }
        assert_eq!(seen.iter().map(|one| one.account.user_id.as_str()).collect::<Vec<_>>(), in_order);
        // What has run out counts as booked, as wherever an account is shown.
        assert!(seen.iter().all(|one| one.account.available == 0 && one.account.user_version == Some(7)));
    }
    let rest = store.accounts_in_order("b", 2).await.expect("readable");
    assert_eq!(rest.iter().map(|one| one.account.user_id.as_str()).collect::<Vec<_>>(), ["z", "ß"]);
}

fn orphan(user_id: &str, user_version: Option<i64>) -> Command {
    let action = Action::Orphan { user_version };
    Command { user_id: user_id.to_owned(), actor: "tester".to_owned(), idempotency: None, action }
}

pub(crate) async fn an_orphan_is_kept_and_lifted(fixture: Fixture) {
    let store = fixture.store().await;
    post(&store, registered("u", 7)).await.expect("applied");
    post(&store, allocate("u", "k", 30)).await.expect("room");
    for other in [None, Some(6), Some(8)] {
        assert_eq!(post(&store, orphan("u", other)).await, Err(Rejection::AccountChanged));
    }
    assert_eq!(post(&store, orphan("u", Some(7))).await, Ok(Receipt::Orphaned));
    let first = account(&fixture.store().await, "u").await;
    assert_eq!((first.account.status, first.account.available), (AccountStatus::Orphaned, 30));
    assert_eq!(post(&store, orphan("u", Some(7))).await, Ok(Receipt::Orphaned));
    assert_eq!(account(&store, "u").await, first, "nothing was written the second time");
    // It takes credits and spends them, as a placeholder does.
    post(&store, allocate("u", "more", 5)).await.expect("room");
    post(&store, spend("u", "s", 12)).await.expect("enough");
    post(&store, registered("u", 7)).await.expect("looked at");
    let lifted = account(&store, "u").await.account;
    assert_eq!((lifted.status, lifted.available), (AccountStatus::Active, 23));
    check_books(&store, "u").await;
    // What is not there is not made by it.
    assert_eq!(post(&store, orphan("nobody", None)).await, Err(Rejection::AccountChanged));
    assert_eq!(store.account("nobody").await.expect("readable"), None);
    post(&store, allocate("new", "k", 1)).await.expect("room");
    assert_eq!(post(&store, orphan("new", None)).await, Err(Rejection::AccountChanged));
}

pub(crate) async fn who_is_not_there_is_told(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    assert_eq!(store.placeholders().await.expect("readable"), Placeholders::default());
    post(&store, allocate("ada", "k", 1)).await.expect("room");
    clock.advance(Duration::minutes(1));
    post(&store, allocate("bob", "k", 1)).await.expect("room");
    post(&store, registered("eve", 1)).await.expect("applied");
    let expected = Placeholders { count: 2, oldest_since: Some(NOON) };
    assert_eq!(store.placeholders().await.expect("readable"), expected);
    post(&store, spend("ada", "s", 1)).await.expect("enough");
    let expected = Placeholders { count: 2, oldest_since: Some(NOON + Duration::minutes(1)) };
    assert_eq!(store.placeholders().await.expect("readable"), expected);
    let missing = store.missing_accounts(&["ada", "Ada", "nobody", "eve", "nobody"]).await.expect("readable");
    assert_eq!(missing, BTreeSet::from(["Ada".to_owned(), "nobody".to_owned()]));
    assert_eq!(store.missing_accounts(&[]).await.expect("readable"), BTreeSet::new());
    let key = |client: &str, key: &str| IdempotencyKey {
        client: client.to_owned(),
        key: key.to_owned(),
        fingerprint: [0; 32],
    };
    assert!(store.is_key_used("ada", &key("test", "k")).await.expect("readable"));
    for (user_id, other) in
        [("nobody", key("test", "k")), ("ada", key("shop", "k")), ("ada", key("test", "K"))]
    {
        assert!(!store.is_key_used(user_id, &other).await.expect("readable"), "{user_id}");
    }
}
