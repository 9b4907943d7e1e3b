//! The audit: a history agrees with itself, and whatever a hand in the database changes is found.

use std::path::Path;

use accrue_accounting::audit::{Anchor, Finding, Progress, audit};
use accrue_accounting::ledger::{Action, Adjust, Command, Correction, Policies};
use accrue_accounting::store::{AccountFilter, open_audit};
use time::Duration;
use uuid::Uuid;

use crate::fixture::{Fixture, NOON, allocate, allocate_until, booked, keyed, post, spend};
use crate::histories::History;
use crate::holding::reserve;
use crate::outbox::TELLING;

/// What the audit finds, with the file of heads if there is one.
pub(crate) async fn findings(fixture: &Fixture, file: Option<&Path>) -> Vec<Finding> {
    let source = open_audit(fixture.url()).await.expect("it can be audited");
    let mut anchor = file.map(|file| Anchor::open(file).expect("a file of heads"));
    let mut tell = |_, _| {};
    let mut found = Vec::new();
    let is_clean = audit(&*source, None, anchor.as_mut(), &mut Progress::new(&mut tell), &mut |finding| {
        found.push(finding);
    })
    .await
    .expect("it can be read");
    assert_eq!(is_clean, found.is_empty());
    if let Some(anchor) = anchor {
        anchor.finish(is_clean).expect("written");
    }
    found
}

/// Each changes something that the one after it changes back. Which row it is hangs on the
/// history, which is always the same.
const CHANGES: [(&str, &str); 31] = [
    (
        "UPDATE entries SET credits = credits + 1 WHERE user_id = 'u1' AND seq = 5",
        "UPDATE entries SET credits = credits - 1 WHERE user_id = 'u1' AND seq = 5",
    ),
    (
        "UPDATE entries SET balance_after = balance_after + 1 WHERE user_id = 'u1' AND seq = 5",
        "UPDATE entries SET balance_after = balance_after - 1 WHERE user_id = 'u1' AND seq = 5",
    ),
    (
        "UPDATE entries SET kind = kind || 'x' WHERE user_id = 'u1' AND seq = 5",
        "UPDATE entries SET kind = substr(kind, 1, length(kind) - 1) WHERE user_id = 'u1' AND seq = 5",
    ),
    (
        "UPDATE entries SET actor = actor || 'x' WHERE user_id = 'u1' AND seq = 5",
        "UPDATE entries SET actor = substr(actor, 1, length(actor) - 1) WHERE user_id = 'u1' AND seq = 5",
    ),
    (
        "UPDATE entries SET recorded_at = recorded_at + {second} WHERE user_id = 'u1' AND seq = 5",
        "UPDATE entries SET recorded_at = recorded_at - {second} WHERE user_id = 'u1' AND seq = 5",
    ),
    (
        "UPDATE entries SET reason = 'another' WHERE reason = 'counted' AND credits < 0",
        "UPDATE entries SET reason = 'counted' WHERE reason = 'another'",
    ),
    (
        "UPDATE accounts SET available = available + 1 WHERE user_id = 'u2'",
        "UPDATE accounts SET available = available - 1 WHERE user_id = 'u2'",
    ),
    (
        "UPDATE accounts SET reserved = reserved + 1 WHERE user_id = 'u2'",
        "UPDATE accounts SET reserved = reserved - 1 WHERE user_id = 'u2'",
    ),
    (
        "UPDATE accounts SET pending = pending + 1 WHERE user_id = 'u2'",
        "UPDATE accounts SET pending = pending - 1 WHERE user_id = 'u2'",
    ),
    (
        "UPDATE accounts SET last_seq = last_seq + 1 WHERE user_id = 'u2'",
        "UPDATE accounts SET last_seq = last_seq - 1 WHERE user_id = 'u2'",
    ),
    (
        "UPDATE accounts SET last_entry_at = last_entry_at + {second} WHERE user_id = 'u2'",
        "UPDATE accounts SET last_entry_at = last_entry_at - {second} WHERE user_id = 'u2'",
    ),
    (
        "UPDATE accounts SET user_id = 'u9' WHERE user_id = 'u2'",
        "UPDATE accounts SET user_id = 'u2' WHERE user_id = 'u9'",
    ),
    (
        "UPDATE credit_allocations SET credits = credits + 1",
        "UPDATE credit_allocations SET credits = credits - 1",
    ),
    (
        "UPDATE credit_allocations SET credits = credits + 1 WHERE is_pending",
        "UPDATE credit_allocations SET credits = credits - 1 WHERE is_pending",
    ),
    (
        "UPDATE credit_allocations SET remaining = remaining - 1 WHERE remaining > 1",
        "UPDATE credit_allocations SET remaining = remaining + 1 WHERE remaining > 0 AND remaining + reserved < credits",
    ),
    (
        "UPDATE credit_allocations SET priority = priority + 1 WHERE user_id = 'u3'",
        "UPDATE credit_allocations SET priority = priority - 1 WHERE user_id = 'u3'",
    ),
    (
        "UPDATE credit_allocations SET expires_at = expires_at + {second} WHERE user_id = 'u3'",
        "UPDATE credit_allocations SET expires_at = expires_at - {second} WHERE user_id = 'u3'",
    ),
    (
        "UPDATE credit_allocations SET effective_at = effective_at + {second} WHERE user_id = 'u3'",
        "UPDATE credit_allocations SET effective_at = effective_at - {second} WHERE user_id = 'u3'",
    ),
    (
        "UPDATE credit_allocations SET recorded_at = recorded_at + {second} WHERE user_id = 'u3'",
        "UPDATE credit_allocations SET recorded_at = recorded_at - {second} WHERE user_id = 'u3'",
    ),
    (
        "UPDATE credit_allocations SET reason = 'x' WHERE reason IS NULL AND NOT is_pending",
        "UPDATE credit_allocations SET reason = NULL WHERE reason = 'x'",
    ),
    (
        "UPDATE credit_allocations SET is_voided = NOT is_voided WHERE user_id = 'u3'",
        "UPDATE credit_allocations SET is_voided = NOT is_voided WHERE user_id = 'u3'",
    ),
    ("UPDATE usages SET uncollected = uncollected + 1", "UPDATE usages SET uncollected = uncollected - 1"),
    (
        "UPDATE usages SET refunded = refunded - 1 WHERE refunded > 1",
        "UPDATE usages SET refunded = refunded + 1 WHERE refunded > 0 AND refunded < credits",
    ),
    (
        "UPDATE usages SET actor = actor || 'x'",
        "UPDATE usages SET actor = substr(actor, 1, length(actor) - 1)",
    ),
    ("UPDATE usages SET resource = 'x'", "UPDATE usages SET resource = NULL"),
    (
        "UPDATE usages SET user_id = 'u9' WHERE user_id = 'u1'",
        "UPDATE usages SET user_id = 'u1' WHERE user_id = 'u9'",
    ),
    (
        "UPDATE reservations SET expires_at = expires_at + {second}",
        "UPDATE reservations SET expires_at = expires_at - {second}",
    ),
    ("UPDATE reservations SET credits = credits + 1", "UPDATE reservations SET credits = credits - 1"),
    (
        "UPDATE reservations SET status = 'released' WHERE status = 'expired'",
        "UPDATE reservations SET status = 'expired' WHERE status = 'released' AND ended_at = expires_at",
    ),
    ("UPDATE reservations SET resource = 'x'", "UPDATE reservations SET resource = NULL"),
    (
        "UPDATE reservations SET ended_at = ended_at + {second}",
        "UPDATE reservations SET ended_at = ended_at - {second}",
    ),
];

/// What cannot be changed back; the last thing that is done to a database.
const LOSSES: [&str; 9] = [
    "UPDATE entries SET hash = {bytes} WHERE user_id = 'u1' AND seq = 5",
    "UPDATE entries SET text_salt = NULL WHERE reason IS NOT NULL",
    "UPDATE accounts SET next_due_at = NULL WHERE next_due_at IS NOT NULL",
    "DELETE FROM entries WHERE user_id = 'u1' AND seq = 5",
    "DELETE FROM entries WHERE user_id = 'u1' AND seq > 20",
    "DELETE FROM accounts WHERE user_id = 'u2'",
    "DELETE FROM credit_allocations WHERE user_id = 'u3'",
    "DELETE FROM usages WHERE user_id = 'u3'",
    "INSERT INTO entries (user_id, seq, kind, credits, balance_after, reserved_after, draws, reference, actor,
                          recorded_at, hash)
     SELECT user_id, seq + 1, kind, credits, balance_after, reserved_after, draws, reference, actor, recorded_at, hash
     FROM entries AS last WHERE user_id = 'u1' AND seq = (SELECT max(seq) FROM entries WHERE user_id = 'u1')",
];

/// Writes a history of so many batches, of everything that there is.
pub(crate) async fn fill(fixture: &Fixture, seed: u64, batches: usize) {
    let (store, clock) = fixture.store_at_noon().await;
    let mut history = History::new(seed);
    for round in 0..batches {
        let step = Duration::minutes(history.any(6));
        clock.advance(step);
        history.now += step;
        if round % 7 == 0 {
            // A version that lies behind the last is refused, which is as good.
            drop(store.put_rate(&history.rate()).await.expect("writable"));
        }
        let commands: Vec<Command> = (0..=history.any(12)).map(|_| history.command()).collect();
        store.post(&commands, TELLING).await.expect("posted");
    }
}

pub(crate) async fn a_history_audits_clean_and_any_change_is_found(fixture: Fixture) {
    fill(&fixture, 7, 100).await;
    assert_eq!(findings(&fixture, None).await, []);
    let mut hidden = Vec::new();
    let mut before = Vec::new();
    for (change, back) in CHANGES {
        let changed = fixture.tamper(change).await;
        if changed == 0 || findings(&fixture, None).await == before {
            hidden.push(change);
        }
        // Of some changes not every row goes back.
        fixture.tamper(back).await;
        before = findings(&fixture, None).await;
    }
    for loss in LOSSES {
        let changed = fixture.tamper(loss).await;
        let found = findings(&fixture, None).await;
        if changed == 0 || found == before {
            hidden.push(loss);
        }
        before = found;
    }
    assert_eq!(hidden, [""; 0], "changed nothing, or was not found");
}

pub(crate) async fn an_anchor_finds_what_agrees_with_itself(fixture: Fixture) {
    let store = fixture.store().await;
    let files = accrue_testkit::data_dir();
    let file = files.path().join("heads");
    for (key, credits) in [("a", 10), ("b", 20)] {
        booked(post(&store, allocate("u", key, credits)).await);
    }
    assert_eq!(findings(&fixture, Some(&file)).await, []);
    let heads = std::fs::read_to_string(&file).expect("written");
    assert!(
        heads.starts_with("{\"user_id\":\"u\",\"seq\":2,\"hash\":\"") && heads.lines().count() == 1,
        "{heads}"
    );
    booked(post(&store, spend("u", "c", 5)).await);
    assert_eq!(findings(&fixture, Some(&file)).await, []);
    assert_ne!(std::fs::read_to_string(&file).expect("replaced"), heads);
    // The tail is cut off, and all that spoke of it put right.
    for sql in [
        "DELETE FROM entries WHERE seq = 3",
        "DELETE FROM usages",
        "UPDATE credit_allocations SET remaining = credits",
        "UPDATE accounts SET available = 30, last_seq = 2,
             last_entry_at = (SELECT recorded_at FROM entries WHERE seq = 2),
             chain_head = (SELECT hash FROM entries WHERE seq = 2)",
    ] {
        fixture.tamper(sql).await;
    }
    assert_eq!(findings(&fixture, None).await, []);
    let kept = std::fs::read_to_string(&file).expect("kept");
    let found = findings(&fixture, Some(&file)).await;
    assert!(found.len() == 1 && found[0].what.contains("entry 3, which is not there"), "{found:?}");
    assert_eq!(std::fs::read_to_string(&file).expect("kept"), kept, "what was found must not be lost");
    for table in ["accounts", "entries", "credit_allocations"] {
        fixture.tamper(&format!("DELETE FROM {table}")).await;
    }
    assert_eq!(findings(&fixture, None).await, []);
    let found = findings(&fixture, Some(&file)).await;
    assert!(found.len() == 1 && found[0].user_id == "u", "{found:?}");
}

pub(crate) async fn of_many_findings_on_one_account_some_are_told(fixture: Fixture) {
    let store = fixture.store().await;
    for key in 0..150 {
        booked(post(&store, allocate("u", &format!("{key}"), 1)).await);
    }
    booked(post(&store, allocate("v", "0", 1)).await);
    fixture.tamper("UPDATE entries SET actor = actor || 'x'").await;
    let found = findings(&fixture, None).await;
    let of_u = found.iter().filter(|one| one.user_id == "u").count();
    assert_eq!((found.len(), of_u), (102, 101), "100 of the one, and of how many more; 1 of the other");
    assert!(found[100].what.contains("50 more"), "{}", found[100]);
}

pub(crate) async fn erasing_a_reason_breaks_nothing(fixture: Fixture) {
    let store = fixture.store().await;
    booked(post(&store, allocate("u", "a", 10)).await);
    let order =
        Adjust { adjustment_id: Uuid::now_v7(), change: Correction::By(-3), reason: "counted".to_owned() };
    booked(post(&store, keyed("u", "b", 3, Action::Adjust(order))).await);
    booked(post(&store, spend("u", "c", 5)).await);
    fixture.tamper("UPDATE entries SET reason = NULL, text_salt = NULL").await;
    fixture.tamper("UPDATE credit_allocations SET reason = NULL, metadata = NULL").await;
    assert_eq!(findings(&fixture, None).await.len(), 1, "the usage's text is still there");
    fixture.tamper("UPDATE usages SET resource = NULL, metadata = NULL").await;
    assert_eq!(findings(&fixture, None).await, []);
    booked(post(&store, spend("u", "d", 1)).await);
    assert_eq!(findings(&fixture, None).await, []);
}

pub(crate) async fn live_load_is_no_drift(fixture: Fixture) {
    let store = fixture.store().await;
    let load = async {
        for round in 0..40 {
            let commands: Vec<Command> = (0..8)
                .flat_map(|user| {
                    let (user, key) = (format!("u{user}"), format!("{round}"));
                    [allocate(&user, &format!("a{key}"), 10), spend(&user, &format!("s{key}"), 7)]
                })
                .collect();
            store.post(&commands, Policies::DEFAULT).await.expect("posted");
        }
    };
    let looks = async {
        for _ in 0..10 {
            assert_eq!(findings(&fixture, None).await, []);
        }
    };
    tokio::join!(load, looks);
    assert_eq!(findings(&fixture, None).await, []);
}

/// A hand that makes credits never come: the allocation no longer waits, and nothing waits.
pub(crate) async fn what_is_made_never_to_begin_is_found(fixture: Fixture) {
    let (store, _clock) = fixture.store_at_noon().await;
    let mut waiting = allocate("u1", "k", 30);
    let Action::Allocate(order) = &mut waiting.action else { panic!("an allocation") };
    order.effective_at = Some(NOON + Duration::hours(1));
    post(&store, waiting).await.expect("room");
    assert_eq!(findings(&fixture, None).await, []);
    fixture.tamper("UPDATE credit_allocations SET is_pending = false WHERE user_id = 'u1'").await;
    fixture.tamper("UPDATE accounts SET pending = 0, next_due_at = NULL WHERE user_id = 'u1'").await;
    assert!(!findings(&fixture, None).await.is_empty());
}

/// Metadata is read as it was written, whatever numbers are in it.
pub(crate) async fn odd_numbers_in_metadata_are_kept(fixture: Fixture) {
    let (store, clock) = fixture.store_at_noon().await;
    let odd: serde_json::Value = serde_json::from_str(
        r#"{"max": 1.7976931348623157e308, "small": 3.469955633815739e-10, "whole": 500000000000000064.0,
            "long": 123456789012345678901234567890, "zero": -0.0, "least": 5e-324}"#,
    )
    .expect("JSON");
    let mut first = allocate_until("u1", "a", 100, NOON + Duration::hours(1));
    let Action::Allocate(order) = &mut first.action else { panic!("an allocation") };
    order.metadata = Some(odd.clone());
    let mut spent = spend("u1", "s", 10);
    let Action::Use(order) = &mut spent.action else { panic!("a usage") };
    order.metadata = Some(odd.clone());
    let usage_id = order.usage_id;
    let (mut held, reservation_id) = reserve("u1", "r", 20, 5);
    let Action::Reserve(order) = &mut held.action else { panic!("a reservation") };
    order.metadata = Some(odd);
    for command in [first, spent, held] {
        booked(post(&store, command).await);
    }
    assert_eq!(findings(&fixture, None).await, []);
    let (mut numbers, mut kept) = (Vec::new(), Vec::new());
    numbers.push(store.usage("u1", usage_id).await.expect("readable").expect("there").metadata);
    numbers.push(store.reservation("u1", reservation_id).await.expect("readable").expect("there").metadata);
    for number in numbers {
        kept.push(number.and_then(|object| object["max"].as_f64()));
    }
    assert_eq!(kept, [Some(f64::MAX); 2]);
    // All of it falls due, and somebody else's page is read.
    clock.advance(Duration::hours(2));
    let pages = store.accounts(&AccountFilter::default(), None, 10).await.expect("readable");
    assert_eq!(pages[0].account.available, 0);
    post(&store, Command::settle("u1".to_owned())).await.expect("settled");
    assert_eq!(findings(&fixture, None).await, []);
}
