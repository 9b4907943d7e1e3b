//! Transfers worked by hand: the numbers of the first case are those of docs/ledger.md.

use accrue_events::user::{UserSnapshot, UserStatus};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rig::Books;
use super::*;

/// Two accounts, `u` and `v`, whose allocations are known by letters.
struct Pair {
    books: Books,
    minute: i64,
}

fn id(letter: char) -> Uuid {
    Uuid::from_u128(u128::from(u32::from(letter)) << 16)
}

/// The id of what the transfer `letter` made as its `place`th.
fn arrived(letter: char, place: u128) -> Uuid {
    Uuid::from_u128(id(letter).as_u128() + place)
}

fn at(minute: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute)
}

fn command(user_id: &str, action: Action) -> Command {
    Command { user_id: user_id.to_owned(), actor: "test".to_owned(), idempotency: None, action }
}

fn allocate(letter: char, credits: i64) -> Allocate {
    let (priority, effective_at, expires_at) = (DEFAULT_PRIORITY, None, None);
    let (reason, metadata) = (None, Some(json!({"order": 17})));
    Allocate { allocation_id: id(letter), credits, priority, effective_at, expires_at, reason, metadata }
}

fn spend(letter: char, credits: i64) -> Action {
    let cost = Cost::Credits(credits);
    Action::Use(Use { usage_id: id(letter), cost, resource: None, metadata: None })
}

fn reserve(letter: char, credits: i64) -> Action {
    let (reservation_id, expires_in_s) = (id(letter), 60 * 60);
    let cost = Cost::Credits(credits);
    Action::Reserve(Reserve { reservation_id, cost, expires_in_s, resource: None, metadata: None })
}

fn transfer(letter: char, (from, to): (&str, &str), credits: Option<i64>) -> Command {
    let (to, reason) = (to.to_owned(), "mistyped".to_owned());
    command(from, Action::Transfer(Transfer { transfer_id: id(letter), to, credits, reason }))
}

fn body(receipt: Result<Receipt, Rejection>) -> Result<Value, Rejection> {
    match receipt? {
        Receipt::Booked(reply) => Ok(serde_json::from_slice(&reply.body).expect("JSON")),
        other => panic!("nothing was booked: {other:?}"),
    }
}

impl Pair {
    fn new() -> Self {
        Self { books: Books::of(&["u", "v"]), minute: 0 }
    }

    fn post(&mut self, command: Command) -> Result<Value, Rejection> {
        let posted = self.books.post(&[command], at(self.minute)).remove(0);
        self.books.check();
        body(posted)
    }

    /// What can be spent, what is held and what is pending, of `u` and of `v`.
    fn is(&self, u: (i64, i64, i64), v: (i64, i64, i64)) {
        let of = |user_id: &str| {
            let Account { available, reserved, pending, .. } = self.books.accounts[user_id].account;
            (available, reserved, pending)
        };
        assert_eq!((of("u"), of("v")), (u, v));
    }

    fn newest(&self, user_id: &str, count: usize) -> Vec<(EntryKind, i64)> {
        let entries = &self.books.accounts[user_id].entries;
        entries[entries.len() - count..].iter().map(|entry| (entry.kind, entry.credits)).collect()
    }
}

#[test]
fn credits_move_with_their_priority_beginning_and_end() {
    let mut pair = Pair::new();
    for order in [
        Allocate { priority: 10, expires_at: Some(at(30)), ..allocate('A', 30) },
        allocate('B', 50),
        Allocate { effective_at: Some(at(60)), expires_at: Some(at(90)), ..allocate('P', 20) },
    ] {
        pair.post(command("u", Action::Allocate(order))).expect("room");
    }
    pair.post(command("u", reserve('r', 10))).expect("enough");
    let reply = pair.post(transfer('t', ("u", "v"), Some(40))).expect("enough");
    pair.is((30, 10, 20), (40, 0, 0));
    let moved = |of: char, place: u128, credits: i64, is_pending: bool| {
        json!({"allocation_id": id(of), "arrived_as": arrived('t', place), "credits": credits,
               "is_pending": is_pending})
    };
    let allocations = json!([moved('A', 1, 20, false), moved('B', 2, 20, false)]);
    let expected = json!({"id": id('t'), "from": "u", "to": "v", "credits": 40, "pending": 0,
                          "reason": "mistyped", "allocations": allocations, "seq": 4});
    assert_eq!(reply["transfer"], expected);
    assert_eq!(reply["balance"], json!({"available": 30, "reserved": 10, "pending": 20}));
    let target = json!({"user_id": "v", "seq": 1, "account_status": "placeholder",
                        "balance": {"available": 40, "reserved": 0, "pending": 0}});
    assert_eq!(reply["target"], target);
    let first = &pair.books.accounts["v"].allocations[&arrived('t', 1)];
    assert_eq!((first.priority, first.expires_at, first.credits), (10, Some(at(30)), 20));
    let origin = json!({"user_id": "u", "allocation_id": id('A'), "transfer_id": id('t')});
    assert_eq!(first.metadata, Some(json!({"transferred_from": origin})));

    let refused = pair.post(transfer('x', ("u", "v"), Some(31)));
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 30, required: 31 }));
    let reply = pair.post(transfer('s', ("u", "v"), None)).expect("something");
    assert_eq!((&reply["transfer"]["credits"], &reply["transfer"]["pending"]), (&json!(30), &json!(20)));
    assert_eq!(reply["transfer"]["allocations"][1]["is_pending"], true);
    pair.is((0, 10, 0), (70, 0, 20));
    let refused = pair.post(transfer('x', ("u", "v"), None));
    assert_eq!(refused, Err(Rejection::NothingToTransfer { reserved: 10 }));

    // What A had given ends at minute 30 on v too; what comes back from r ends with A.
    pair.minute = 45;
    pair.post(command("v", spend('q', 1))).expect("enough");
    pair.post(command("u", Action::Release { reservation_id: id('r') })).expect("held");
    pair.is((0, 0, 0), (49, 0, 20));
    assert_eq!(pair.newest("v", 2), [(EntryKind::Expiry, -20), (EntryKind::Usage, -1)]);
    assert_eq!(pair.newest("u", 2), [(EntryKind::Release, 0), (EntryKind::Expiry, -10)]);
    pair.minute = 60;
    pair.post(command("v", spend('w', 69))).expect("P has begun");
    pair.is((0, 0, 0), (0, 0, 0));
}

#[test]
fn a_closed_account_gives_and_takes_none() {
    let mut pair = Pair::new();
    pair.post(command("u", Action::Allocate(allocate('A', 30)))).expect("room");
    let user = UserSnapshot {
        user_id: "u".to_owned(),
        version: 1,
        status: UserStatus::Deleted,
        email: None,
        email_verified: false,
        username: None,
        display_name: None,
        registered_at: at(0),
    };
    pair.books.post(&[Command::apply_user(user, Uuid::nil())], at(0)).remove(0).expect("applied");
    let reply = pair.post(transfer('t', ("u", "v"), Some(10))).expect("it may give");
    assert_eq!(reply["account_status"], "closed");
    assert_eq!(pair.post(transfer('s', ("v", "u"), Some(5))), Err(Rejection::AccountClosed));
    pair.is((20, 0, 0), (10, 0, 0));
}

#[test]
fn what_a_target_cannot_hold_stays() {
    let mut pair = Pair::new();
    let pending = Allocate { effective_at: Some(at(60)), ..allocate('P', 5) };
    for (user_id, order) in
        [("u", pending), ("u", allocate('A', 5)), ("v", allocate('F', CREDITS_LIMIT - 10))]
    {
        pair.post(command(user_id, Action::Allocate(order))).expect("room");
    }
    assert_eq!(pair.post(transfer('t', ("u", "v"), None)), Err(Rejection::BalanceLimit));
    assert_eq!(pair.post(transfer('t', ("u", "u"), None)), Err(Rejection::SameAccount));
    assert_eq!(pair.post(transfer('t', ("u", "v"), Some(0))), Err(Rejection::CreditsOutOfRange));
    pair.is((5, 0, 5), (CREDITS_LIMIT - 10, 0, 0));
    pair.post(transfer('t', ("u", "v"), Some(5))).expect("room");
    assert_eq!(pair.newest("v", 1), [(EntryKind::TransferIn, 5)]);
}

#[test]
fn within_one_batch_each_sees_what_came_before() {
    let mut pair = Pair::new();
    pair.post(command("u", Action::Allocate(allocate('A', 30)))).expect("room");
    pair.post(command("v", Action::Allocate(allocate('B', 1)))).expect("room");
    let correct = |letter: char, credits: i64| {
        let (adjustment_id, change) = (id(letter), Correction::SetAvailable(credits));
        Action::Adjust(Adjust { adjustment_id, change, reason: "counted".to_owned() })
    };
    let batch = [
        transfer('t', ("u", "v"), None),
        command("v", spend('p', 31)),
        command("u", spend('q', 1)),
        command("u", Action::Allocate(allocate('C', 7))),
        transfer('s', ("u", "v"), Some(5)),
        transfer('w', ("v", "u"), Some(3)),
        command("v", correct('j', 0)),
    ];
    let posted = pair.books.post(&batch, at(0));
    pair.books.check();
    let refused: Vec<_> = posted.iter().map(|one| one.as_ref().err().cloned()).collect();
    let empty = Rejection::InsufficientCredits { available: 0, required: 1 };
    assert_eq!(refused, [None, None, Some(empty), None, None, None, None]);
    pair.is((5, 0, 0), (0, 0, 0));
}

#[test]
fn one_transfer_moves_a_thousand_allocations() {
    let mut pair = Pair::new();
    let orders: Vec<Command> = (1_u128..=1_500)
        .map(|i| {
            let allocation_id = Uuid::from_u128(i);
            command("u", Action::Allocate(Allocate { allocation_id, ..allocate('A', 2) }))
        })
        .collect();
    pair.books.post(&orders, at(0));
    let refused = pair.post(transfer('t', ("u", "v"), None));
    assert_eq!(refused, Err(Rejection::TransferTooLarge { movable: 2_000 }));
    let refused = pair.post(transfer('t', ("u", "v"), Some(2_001)));
    assert_eq!(refused, Err(Rejection::TransferTooLarge { movable: 2_000 }));
    let reply = pair.post(transfer('t', ("u", "v"), Some(2_000))).expect("as many as it takes");
    assert_eq!(reply["transfer"]["allocations"].as_array().map(Vec::len), Some(MAX_MOVED));
    pair.post(transfer('s', ("u", "v"), None)).expect("the rest");
    pair.is((0, 0, 0), (3_000, 0, 0));

    // The same in one batch, back again.
    let batch = [
        transfer('a', ("v", "u"), None),
        transfer('b', ("v", "u"), Some(2_000)),
        transfer('c', ("v", "u"), None),
        transfer('d', ("v", "u"), None),
    ];
    let posted = pair.books.post(&batch, at(0));
    pair.books.check();
    let refused: Vec<_> = posted.iter().map(|one| one.as_ref().err().cloned()).collect();
    let too_large = Rejection::TransferTooLarge { movable: 2_000 };
    let nothing = Rejection::NothingToTransfer { reserved: 0 };
    assert_eq!(refused, [Some(too_large), None, None, Some(nothing)]);
    pair.is((3_000, 0, 0), (0, 0, 0));
}

#[test]
fn where_a_clock_was_set_back_nothing_outlives_its_end() {
    let mut pair = Pair::new();
    pair.minute = 100;
    pair.post(command("v", Action::Allocate(allocate('F', 1)))).expect("room");
    pair.minute = 0;
    for order in [
        Allocate { expires_at: Some(at(50)), ..allocate('A', 10) },
        Allocate { effective_at: Some(at(60)), ..allocate('P', 20) },
        Allocate { effective_at: Some(at(60)), expires_at: Some(at(70)), ..allocate('Q', 40) },
        Allocate { effective_at: Some(at(200)), ..allocate('R', 80) },
    ] {
        pair.post(command("u", Action::Allocate(order))).expect("room");
    }
    let posted = pair.books.post(&[transfer('t', ("u", "v"), None)], at(0)).remove(0);
    body(posted).expect("something");
    pair.books.accounts.values().for_each(rig::Whole::check);
    // By v's own time A has ended, P has begun and Q has done both.
    pair.is((0, 0, 0), (21, 0, 80));
    let expected = [
        (EntryKind::TransferIn, 10),
        (EntryKind::Expiry, -10),
        (EntryKind::Allocation, 20),
        (EntryKind::Allocation, 40),
        (EntryKind::Expiry, -40),
    ];
    assert_eq!(pair.newest("v", 5), expected);
}
