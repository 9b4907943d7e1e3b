//! What single histories are told as: each kind of entry, and each fall below the threshold.

use accrue_events::account::{AccountEvent, BookedKind, Happening};
use time::{Duration, OffsetDateTime};
use uuid::{Uuid, Version};

use super::chain::SaltSeed;
use super::*;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::seconds(second)
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn allocate(number: u128, credits: i64, expires_at: Option<OffsetDateTime>) -> Action {
    Action::Allocate(Allocate {
        allocation_id: id(number),
        credits,
        priority: DEFAULT_PRIORITY,
        effective_at: None,
        expires_at,
        reason: Some("a reason that nobody else need know".to_owned()),
        metadata: None,
    })
}

fn spend(number: u128, credits: i64) -> Action {
    let (cost, resource) = (Cost::Credits(credits), Some("chat with ada@example.com".to_owned()));
    Action::Use(Use { usage_id: id(number), cost, resource, metadata: None })
}

fn reserve(number: u128, credits: i64, expires_in_s: i64) -> Action {
    let (cost, resource, metadata) = (Cost::Credits(credits), None, None);
    Action::Reserve(Reserve { reservation_id: id(number), cost, expires_in_s, resource, metadata })
}

fn capture(number: u128, usage: u128, credits: i64) -> Action {
    let (cost, on_shortfall) = (Some(Cost::Credits(credits)), OnShortfall::Reject);
    Action::Capture(Capture { reservation_id: id(number), usage_id: id(usage), cost, on_shortfall })
}

/// Decides each action at its second, in one batch, and gives the events.
fn told(history: &[(i64, Action)], balance_low: i64) -> Vec<AccountEvent> {
    let mut state = AccountState::new(Account::placeholder("u"));
    for (second, action) in history {
        let (user_id, actor) = ("u".to_owned(), "test".to_owned());
        let command = Command { user_id, actor, idempotency: None, action: action.clone() };
        state.decide(&command, Policies::DEFAULT, at(*second)).expect("not refused");
    }
    events_of(&Accounts::from([("u".to_owned(), state)]), EventPolicy::On { balance_low })
}

/// The entries with which the balance fell below the threshold.
fn lows(events: &[AccountEvent]) -> Vec<i64> {
    let seq = |event: &AccountEvent| match &event.happening {
        Happening::BalanceLow(low) => Some(low.seq),
        Happening::Booked(..) => None,
    };
    events.iter().filter_map(seq).collect()
}

#[test]
fn each_entry_is_told_as_what_it_is() {
    use BookedKind::*;
    let release = Action::Release { reservation_id: id(12) };
    let refund = Action::Refund { usage_id: id(2), credits: Some(5), reason: None };
    let void = Action::Void { allocation_id: id(1), reason: Some("mistaken".to_owned()) };
    let (adjustment_id, reason) = (id(30), "counted".to_owned());
    let adjust = Action::Adjust(Adjust { adjustment_id, change: Correction::By(7), reason });
    let history = [
        (1, allocate(1, 100, None)),
        (2, spend(2, 30)),
        (3, refund),
        (4, reserve(10, 20, 60)),
        (5, capture(10, 11, 15)),
        (6, reserve(12, 10, 60)),
        (7, release),
        (8, reserve(13, 10, 60)),
        (9, allocate(20, 3, Some(at(100)))),
        // At second 68 the reservation is over, at 100 the allocation.
        (110, adjust),
        (111, void),
    ];
    let events = told(&history, 0);
    let expected = [
        (CreditsAllocated, 100, [Some(1), None, None, None]),
        (CreditsUsed, -30, [None, Some(2), None, None]),
        (CreditsRefunded, 5, [None, Some(2), None, None]),
        (CreditsReserved, 0, [None, None, Some(10), None]),
        (CreditsUsed, -15, [None, Some(11), Some(10), None]),
        (CreditsReserved, 0, [None, None, Some(12), None]),
        (ReservationReleased, 0, [None, None, Some(12), None]),
        (CreditsReserved, 0, [None, None, Some(13), None]),
        (CreditsAllocated, 3, [Some(20), None, None, None]),
        (ReservationExpired, 0, [None, None, Some(13), None]),
        (CreditsExpired, -3, [Some(20), None, None, None]),
        (BalanceAdjusted, 7, [None, None, None, Some(30)]),
        (CreditsVoided, -60, [Some(1), None, None, None]),
    ];
    assert_eq!(events.len(), expected.len());
    for (event, (kind, credits, ids)) in events.iter().zip(expected) {
        let Happening::Booked(told, booked) = &event.happening else { panic!("{event:?}") };
        assert_eq!((*told, booked.credits), (kind, credits), "{event:?}");
        let named = [booked.allocation_id, booked.usage_id, booked.reservation_id, booked.adjustment_id];
        assert_eq!(named, ids.map(|number| number.map(id)), "{event:?}");
        let body = String::from_utf8(event.to_message().body).expect("JSON");
        assert!(!body.contains("reason") && !body.contains("chat"), "{body}");
    }
    // What fell due bears its own instant.
    assert_eq!((events[9].occurred_at, events[10].occurred_at), (at(68), at(100)));
}

#[test]
fn a_transfer_is_told_on_both_sides() {
    let command = |user_id: &str, action| {
        let (user_id, actor) = (user_id.to_owned(), "test".to_owned());
        Command { user_id, actor, idempotency: None, action }
    };
    let (to, reason) = ("v".to_owned(), "mistyped".to_owned());
    let transfer = Action::Transfer(Transfer { transfer_id: id(9), to, credits: Some(4), reason });
    let commands = [command("u", allocate(1, 5, None)), command("u", transfer)];
    let state = |user_id: &str| (user_id.to_owned(), AccountState::new(Account::placeholder(user_id)));
    let mut accounts = Accounts::from(["u", "v"].map(state));
    let decided = decide_all(&mut accounts, &commands, Policies::DEFAULT, (at(1), SaltSeed::default()));
    assert!(decided.expect("sound").iter().all(Result::is_ok));
    let events = events_of(&accounts, EventPolicy::On { balance_low: 0 });
    let told: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.happening {
            Happening::Booked(BookedKind::CreditsTransferred, booked) => {
                Some((booked.credits, booked.transfer_id))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [(-4, Some(id(9))), (4, Some(id(9)))]);
}

/// An entry that is read back from a database, which keeps microseconds, has the same event; and no
/// release may give an entry another.
#[test]
fn an_entry_has_the_same_event_id_for_ever() {
    let made = |nanoseconds| {
        let mut state = AccountState::new(Account::placeholder("u"));
        let (user_id, actor) = ("u".to_owned(), "test".to_owned());
        let command = Command { user_id, actor, idempotency: None, action: allocate(1, 5, None) };
        let now = at(1) + Duration::nanoseconds(nanoseconds);
        state.decide(&command, Policies::DEFAULT, now).expect("room");
        events_of(&Accounts::from([("u".to_owned(), state)]), EventPolicy::On { balance_low: 0 })[0].id
    };
    assert_eq!((made(1_000), made(1_999)), (made(1_001), made(1_000)));
    assert_ne!(made(1_000), made(2_000));
    assert_eq!(made(1_000).to_string(), "019254d3-83e8-70a0-baa0-fa23d6a936a9");
}

#[test]
fn a_fall_is_told_once_until_it_has_risen_again() {
    let history = [
        // Never risen, so it cannot fall.
        (1, allocate(1, 9, None)),
        (2, spend(2, 1)),
        (3, allocate(3, 2, None)),
        // 10 is not below 10; 9 is; 8 is no fall any more.
        (4, spend(4, 1)),
        (5, spend(5, 1)),
        // Up and down again, in the same batch.
        (6, allocate(6, 92, None)),
        (7, spend(7, 95)),
    ];
    assert_eq!(lows(&told(&history, 10)), [4, 7]);
    assert_eq!(lows(&told(&history, 0)), [0; 0]);
}

#[test]
fn what_is_held_and_what_ends_by_itself_can_fall_too() {
    let history = [
        (1, allocate(1, 50, Some(at(100)))),
        (2, allocate(2, 5, None)),
        // Held credits are not available.
        (3, reserve(3, 48, 20)),
        // Given back at second 23, ended at 100.
        (200, Action::Settle),
    ];
    let events = told(&history, 10);
    assert_eq!(lows(&events), [3, 5]);
    let last = events.last().expect("the fall at the end");
    assert_eq!((last.occurred_at, last.user_id()), (at(100), "u"));
}

#[test]
fn an_id_is_of_version_7_and_always_the_same() {
    let history = [(1, allocate(1, 50, None)), (2, spend(2, 45))];
    let events = told(&history, 10);
    assert_eq!(events, told(&history, 10));
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    assert!(ids.is_sorted() || ids[1].as_u128() >> 80 == ids[2].as_u128() >> 80, "{ids:?}");
    for (event, id) in events.iter().zip(&ids) {
        assert_eq!(id.get_version(), Some(Version::SortRand));
        let milliseconds = event.occurred_at.unix_timestamp_nanos() / 1_000_000;
        assert_eq!(i128::try_from(id.as_u128() >> 80), Ok(milliseconds));
    }
    assert_ne!(ids[1], ids[2], "the entry and its fall are two events");
}

#[test]
fn off_is_nothing() {
    let state = AccountState::new(Account::placeholder("u"));
    let mut accounts = Accounts::from([("u".to_owned(), state)]);
    let command = Command {
        user_id: "u".to_owned(),
        actor: "test".to_owned(),
        idempotency: None,
        action: allocate(1, 5, None),
    };
    decide_all(&mut accounts, &[command], Policies::DEFAULT, (at(1), SaltSeed::default()))
        .expect("sound books")
        .remove(0)
        .expect("room");
    assert_eq!(events_of(&accounts, EventPolicy::Off), []);
}
