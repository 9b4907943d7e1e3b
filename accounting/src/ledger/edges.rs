//! Cases on the very edge: instants that are equal, limits that are just met.

use serde_json::json;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rig::{Books, Whole};
use super::*;

pub(super) const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

pub(super) fn command(user_id: &str, action: Action) -> Command {
    Command { user_id: user_id.to_owned(), actor: "test".to_owned(), idempotency: None, action }
}

fn post(whole: &mut Whole, action: Action, now: OffsetDateTime) -> Result<Receipt, Rejection> {
    let posted = whole.post(&[command("u", action)], Policies::DEFAULT, now).remove(0);
    whole.check();
    posted
}

pub(super) fn allocation(credits: i64) -> Allocate {
    Allocate {
        allocation_id: Uuid::now_v7(),
        credits,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        expires_at: None,
        reason: None,
        metadata: None,
    }
}

pub(super) fn spend(credits: i64) -> Action {
    let (cost, resource, metadata) = (Cost::Credits(credits), None, None);
    Action::Use(Use { usage_id: Uuid::now_v7(), cost, resource, metadata })
}

#[test]
fn what_begins_at_this_instant_does_not_wait() {
    for (begin, pending) in [(NOW, 0), (NOW + Duration::MICROSECOND, 5)] {
        let mut whole = Whole::new();
        let order = Allocate { effective_at: Some(begin), ..allocation(5) };
        post(&mut whole, Action::Allocate(order), NOW).expect("room");
        assert_eq!((whole.account.available, whole.account.pending), (5 - pending, pending), "{begin}");
    }
}

#[test]
fn credits_are_refused_out_of_their_range() {
    let mut whole = Whole::new();
    post(&mut whole, Action::Allocate(allocation(CREDITS_LIMIT - 1)), NOW).expect("room");
    for credits in [-1, 0, CREDITS_LIMIT] {
        let refused = post(&mut whole, spend(credits), NOW);
        assert_eq!(refused, Err(Rejection::CreditsOutOfRange), "{credits}");
    }
    for credits in [1, CREDITS_LIMIT - 2] {
        post(&mut whole, spend(credits), NOW).expect("in range, and there");
    }
}

#[test]
fn a_draw_leaves_out_what_is_zero() {
    let id = Uuid::from_u128(1);
    for (remaining, reserved, json) in [
        (-5, 5, json!({"allocation_id": id, "remaining": -5, "reserved": 5})),
        (-5, 0, json!({"allocation_id": id, "remaining": -5})),
        (0, 5, json!({"allocation_id": id, "reserved": 5})),
        (0, 0, json!({"allocation_id": id})),
    ] {
        let draw = Draw { allocation_id: id, remaining, reserved };
        assert_eq!(serde_json::to_value(draw).expect("JSON"), json);
        assert_eq!(serde_json::from_value::<Draw>(json).expect("a draw"), draw);
    }
}

#[test]
fn what_a_batch_did_to_a_row_is_told_apart() {
    let mut state = AccountState::new(Account::placeholder("u"));
    state.allocations.hold(rows::allocation(1));
    state.allocations.hold(rows::allocation(2));
    state.allocations.get_mut(Uuid::from_u128(2)).expect("held");
    state.allocations.make(rows::allocation(3));
    let with = |change| state.allocations.with(change).map(|one| one.id.as_u128()).collect::<Vec<_>>();
    assert_eq!([Change::None, Change::Updated, Change::Made].map(with), [[1], [2], [3]]);
}

#[test]
fn a_hold_is_of_thirty_days_at_most() {
    let mut whole = Whole::new();
    post(&mut whole, Action::Allocate(allocation(10)), NOW).expect("room");
    let mut hold = |id, expires_in_s| {
        let (reservation_id, cost) = (Uuid::from_u128(id), Cost::Credits(1));
        let order = Reserve { reservation_id, cost, expires_in_s, resource: None, metadata: None };
        post(&mut whole, Action::Reserve(order), NOW)
    };
    for (id, seconds) in [(1, 0), (2, 2_592_001)] {
        assert_eq!(hold(id, seconds), Err(Rejection::HoldOutOfRange), "{seconds} s");
    }
    for (id, seconds) in [(3, 1), (4, 2_592_000)] {
        hold(id, seconds).expect("in range");
    }
}

#[test]
fn the_end_of_what_is_spent_wakes_nobody() {
    let mut whole = Whole::new();
    let end = NOW + Duration::seconds(100);
    let spent = Allocate { expires_at: Some(end), ..allocation(5) };
    let spent_id = spent.allocation_id;
    post(&mut whole, Action::Allocate(spent), NOW).expect("room");
    post(&mut whole, spend(5), NOW).expect("enough");
    let begin = NOW + Duration::seconds(10);
    post(&mut whole, Action::Allocate(Allocate { effective_at: Some(begin), ..allocation(1) }), NOW)
        .expect("room");
    // It is loaded, while something else falls due.
    let void = Action::Void { allocation_id: spent_id, reason: None };
    assert_eq!(post(&mut whole, void, begin), Err(Rejection::NothingToVoid));
    assert_eq!((whole.account.available, whole.account.next_due_at), (1, None));
}

#[test]
fn what_is_held_and_what_waits_takes_room_as_well() {
    let pending = Allocate { effective_at: Some(NOW + Duration::HOUR), ..allocation(10) };
    let (reservation_id, cost) = (Uuid::from_u128(1), Cost::Credits(10));
    let hold = Reserve { reservation_id, cost, expires_in_s: 60, resource: None, metadata: None };
    for taking in [Action::Allocate(pending), Action::Reserve(hold)] {
        let mut whole = Whole::new();
        let is_held = matches!(taking, Action::Reserve(_));
        let before = if is_held { CREDITS_LIMIT - 1 } else { CREDITS_LIMIT - 11 };
        post(&mut whole, Action::Allocate(allocation(before)), NOW).expect("room");
        post(&mut whole, taking.clone(), NOW).expect("room");
        let refused = post(&mut whole, Action::Allocate(allocation(1)), NOW);
        assert_eq!(refused, Err(Rejection::BalanceLimit), "{taking:?}");
    }
}

#[test]
fn who_may_spend_is_up_to_status_and_policy() {
    use AccountStatus::{Active, Closed, Orphaned, Placeholder, Suspended};
    use Spending::{Allow, Deny};
    // What applies to suspended accounts, what to those whose user is not known.
    for (status, (suspended_spending, placeholder_spending), refusal) in [
        (Active, (Deny, Deny), None),
        (Closed, (Allow, Allow), Some(Rejection::AccountClosed)),
        (Suspended, (Deny, Allow), Some(Rejection::AccountSuspended)),
        (Suspended, (Allow, Deny), None),
        (Placeholder, (Allow, Deny), Some(Rejection::SpendingDenied)),
        (Placeholder, (Deny, Allow), None),
        (Orphaned, (Allow, Deny), Some(Rejection::SpendingDenied)),
        (Orphaned, (Deny, Allow), None),
    ] {
        let mut whole = Whole::new();
        post(&mut whole, Action::Allocate(allocation(5)), NOW).expect("room");
        whole.account.status = status;
        let policies = Policies { suspended_spending, placeholder_spending, ..Policies::DEFAULT };
        let spent = whole.post(&[command("u", spend(5))], policies, NOW).remove(0);
        assert_eq!(spent.err(), refusal, "{status:?}, {suspended_spending:?}, {placeholder_spending:?}");
    }
}

#[test]
fn a_key_is_one_clients_and_one_key() {
    let mut whole = Whole::new();
    let mut allocate = |client: &str, key: &str, credits| {
        let (client, key) = (client.to_owned(), key.to_owned());
        let idempotency = Some(IdempotencyKey { client, key, fingerprint: [0; 32] });
        let order = Command { idempotency, ..command("u", Action::Allocate(allocation(credits))) };
        whole.post(&[order], Policies::DEFAULT, NOW).remove(0).expect("room");
        whole.account.available
    };
    assert_eq!(allocate("one", "first", 1), 1);
    assert_eq!(allocate("one", "second", 10), 11, "another key");
    assert_eq!(allocate("other", "first", 100), 111, "another client");
    assert_eq!(allocate("one", "first", 1), 111, "once more");
}

#[test]
fn an_entry_vouches_for_what_it_makes() {
    let mut whole = Whole::new();
    let ends = Allocate { expires_at: Some(NOW + Duration::MINUTE), ..allocation(5) };
    post(&mut whole, Action::Allocate(ends), NOW).expect("room");
    post(&mut whole, spend(1), NOW).expect("enough");
    post(&mut whole, Action::Settle, NOW + Duration::MINUTE).expect("settled");
    let vouches = |kind| {
        let entry = whole.entries.iter().find(|entry| entry.kind == kind).expect("booked");
        entry.seal.made_digest.is_some()
    };
    let kinds = [EntryKind::Allocation, EntryKind::Usage, EntryKind::Expiry];
    assert_eq!(kinds.map(vouches), [true, true, false]);
}

#[test]
fn a_transfer_moves_so_many_allocations_and_no_more() {
    let most = super::transfer::MAX_MOVED;
    // How many are available, and how many wait; one credit each.
    for (available, waiting, is_moved) in
        [(most, 0, true), (1, most - 1, true), (most + 1, 0, false), (1, most, false)]
    {
        let mut books = Books::of(&["u", "v"]);
        let order = |number: usize| {
            let effective_at = (number >= available).then_some(NOW + Duration::HOUR);
            command("u", Action::Allocate(Allocate { effective_at, ..allocation(1) }))
        };
        let orders: Vec<Command> = (0..available + waiting).map(order).collect();
        assert!(books.post(&orders, NOW).iter().all(Result::is_ok));
        let (to, reason) = ("v".to_owned(), "mistyped".to_owned());
        let transfer = Action::Transfer(Transfer { transfer_id: Uuid::now_v7(), to, credits: None, reason });
        let refused = books.post(&[command("u", transfer)], NOW).remove(0).err();
        books.check();
        let movable = i64::try_from(available.min(most)).expect("few");
        let too_large = Rejection::TransferTooLarge { movable };
        assert_eq!(refused, (!is_moved).then_some(too_large), "{available} and {waiting}");
    }
}

#[test]
fn what_was_to_begin_where_it_arrives_late_begins_at_once() {
    let later = NOW + Duration::HOUR;
    for (begin, pending) in [(later, 0), (later + Duration::MICROSECOND, 7)] {
        let mut books = Books::of(&["u", "v"]);
        let waits = Allocate { effective_at: Some(begin), ..allocation(7) };
        books.post(&[command("u", Action::Allocate(waits))], NOW).remove(0).expect("room");
        // By a clock that is ahead, which the account keeps to.
        books.post(&[command("v", Action::Allocate(allocation(1)))], later).remove(0).expect("room");
        let (to, reason) = ("v".to_owned(), "mistyped".to_owned());
        let transfer = Action::Transfer(Transfer { transfer_id: Uuid::now_v7(), to, credits: None, reason });
        books.post(&[command("u", transfer)], NOW).remove(0).expect("moved");
        books.accounts["v"].check();
        let account = &books.accounts["v"].account;
        assert_eq!((account.available, account.pending), (8 - pending, pending), "{begin}");
    }
}

#[test]
fn what_has_begun_has_begun_where_it_arrives() {
    let later = NOW + Duration::HOUR;
    // When it began, which was at once, and what the account that it arrives at knows of that: one
    // whose time is behind knows nothing.
    for (begin, kept) in [(NOW, Some(NOW)), (later, None)] {
        let mut books = Books::of(&["u", "v"]);
        let begun = Allocate { effective_at: Some(begin), ..allocation(7) };
        books.post(&[command("u", Action::Allocate(begun))], begin).remove(0).expect("room");
        let (to, reason) = ("v".to_owned(), "mistyped".to_owned());
        let transfer = Action::Transfer(Transfer { transfer_id: Uuid::now_v7(), to, credits: None, reason });
        books.post(&[command("u", transfer)], NOW).remove(0).expect("moved");
        let target = &books.accounts["v"];
        target.check();
        let arrived = target.allocations.values().next().expect("it arrived");
        assert_eq!((arrived.effective_at, arrived.remaining), (kept, 7), "{begin}");
    }
}

#[test]
fn a_transfer_is_refused_where_the_books_disagree() {
    let tampered: [(fn(&mut Account), _); 2] =
        [(|account| account.pending += 1, None), (|account| account.available += 1, Some(6))];
    for (tamper, credits) in tampered {
        let mut books = Books::of(&["u", "v"]);
        books.post(&[command("u", Action::Allocate(allocation(5)))], NOW).remove(0).expect("room");
        tamper(&mut books.accounts.get_mut("u").expect("there").account);
        let (to, reason) = ("v".to_owned(), "mistyped".to_owned());
        let transfer = Action::Transfer(Transfer { transfer_id: Uuid::now_v7(), to, credits, reason });
        let refused = books.post(&[command("u", transfer)], NOW).remove(0);
        assert_eq!(refused, Err(Rejection::BooksDisagree), "{credits:?}");
    }
}
