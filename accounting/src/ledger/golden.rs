//! Cases worked by hand: the numbers here are those of docs/ledger.md.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rig::Whole;
use super::*;
use crate::rates::{RateCard, RateVersion, UnitRate, Units, Unpriced};

/// An account whose allocations, usages and reservations are known by letters.
struct Book {
    whole: Whole,
    minute: i64,
}

fn id(letter: char) -> Uuid {
    Uuid::from_u128(u128::from(u32::from(letter)))
}

fn at(minute: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute)
}

impl Book {
    fn new() -> Self {
        Self { whole: Whole::new(), minute: 0 }
    }

    fn post(&mut self, action: Action) -> Result<Value, Rejection> {
        let command =
            Command { user_id: "u".to_owned(), actor: "test".to_owned(), idempotency: None, action };
        let posted = self.whole.post(&[command], Policies::DEFAULT, at(self.minute)).remove(0);
        self.whole.check();
        match posted? {
            Receipt::Booked(reply) => Ok(serde_json::from_slice(&reply.body).expect("JSON")),
            other => panic!("nothing was booked: {other:?}"),
        }
    }

    fn allocate(&mut self, letter: char, credits: i64, priority: i16, end: Option<i64>) {
        let allocation_id = id(letter);
        let (expires_at, effective_at, reason, metadata) = (end.map(at), None, None, None);
        let order = Allocate { allocation_id, credits, priority, effective_at, expires_at, reason, metadata };
        self.post(Action::Allocate(order)).expect("room");
    }

    fn spend(&mut self, letter: char, credits: i64) -> Result<Value, Rejection> {
        self.post(Action::Use(Use {
            usage_id: id(letter),
            cost: Cost::Credits(credits),
            resource: None,
            metadata: None,
        }))
    }

    fn reserve(&mut self, letter: char, credits: i64, minutes: i64) {
        let (reservation_id, expires_in_s) = (id(letter), minutes * 60);
        let (cost, resource, metadata) = (Cost::Credits(credits), None, None);
        self.post(Action::Reserve(Reserve { reservation_id, cost, expires_in_s, resource, metadata }))
            .expect("enough");
    }

    fn capture(
        &mut self,
        (from, to): (char, char),
        credits: i64,
        on_shortfall: OnShortfall,
    ) -> Result<Value, Rejection> {
        let (reservation_id, usage_id) = (id(from), id(to));
        let cost = Some(Cost::Credits(credits));
        self.post(Action::Capture(Capture { reservation_id, usage_id, cost, on_shortfall }))
    }

    fn refund(&mut self, letter: char, credits: Option<i64>) -> Result<Value, Rejection> {
        self.post(Action::Refund { usage_id: id(letter), credits, reason: None })
    }

    fn void(&mut self, letter: char) -> Result<Value, Rejection> {
        self.post(Action::Void { allocation_id: id(letter), reason: None })
    }

    /// What can be spent and what is held, of the account and of some allocations.
    fn is(&self, (available, reserved): (i64, i64), allocations: &[(char, i64, i64)]) {
        assert_eq!((self.whole.account.available, self.whole.account.reserved), (available, reserved));
        for (letter, remaining, reserved) in allocations {
            let kept = &self.whole.allocations[&id(*letter)];
            assert_eq!((kept.remaining, kept.reserved), (*remaining, *reserved), "{letter}");
        }
    }

    /// The kinds and credits of the newest entries, oldest first.
    fn newest(&self, count: usize) -> Vec<(EntryKind, i64)> {
        let entries = &self.whole.entries;
        entries[entries.len() - count..].iter().map(|entry| (entry.kind, entry.credits)).collect()
    }
}

fn shares(of: &[(char, i64)]) -> Value {
    of.iter().map(|(letter, credits)| json!({"allocation_id": id(*letter), "credits": credits})).collect()
}

#[test]
fn priority_comes_before_expiry() {
    let mut book = Book::new();
    book.allocate('A', 30, 50, None);
    book.allocate('B', 20, 50, Some(60));
    book.allocate('C', 10, 10, None);
    book.allocate('D', 15, 50, Some(30));
    let reply = book.spend('u', 40).expect("enough");
    assert_eq!(reply["usage"]["allocations"], shares(&[('C', 10), ('D', 15), ('B', 15)]));
    book.is((35, 0), &[('A', 30, 0), ('B', 5, 0), ('C', 0, 0), ('D', 0, 0)]);
    let refused = book.spend('v', 36);
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 35, required: 36 }));
    book.minute = 60;
    let refused = book.spend('v', 31);
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 30, required: 31 }));
    assert_eq!(book.newest(1), [(EntryKind::Expiry, -5)]);
}

#[test]
fn a_refund_after_the_end_lapses_at_once() {
    let mut book = Book::new();
    book.allocate('A', 30, 50, Some(30));
    book.allocate('B', 50, 50, None);
    book.spend('u', 45).expect("enough");
    book.minute = 40;
    // Last drawn first: 15 go back to B, 5 to A, which has ended.
    let reply = book.refund('u', Some(20)).expect("refundable");
    assert_eq!(reply["refund"]["allocations"], shares(&[('B', 15), ('A', 5)]));
    assert_eq!(reply["refund"]["lapsed"], 5);
    book.is((50, 0), &[('A', 0, 0), ('B', 50, 0)]);
    assert_eq!(book.newest(2), [(EntryKind::Refund, 20), (EntryKind::Expiry, -5)]);
    assert_eq!(book.refund('u', Some(26)), Err(Rejection::RefundTooLarge { refundable: 25 }));
    let reply = book.refund('u', None).expect("refundable");
    assert_eq!((&reply["refund"]["credits"], &reply["refund"]["lapsed"]), (&json!(25), &json!(25)));
    book.is((50, 0), &[('A', 0, 0), ('B', 50, 0)]);
    assert_eq!(book.refund('u', None), Err(Rejection::RefundTooLarge { refundable: 0 }));
}

#[test]
fn of_a_capture_of_part_the_rest_comes_back() {
    let mut book = Book::new();
    book.allocate('A', 30, 50, Some(30));
    book.allocate('B', 50, 50, None);
    book.reserve('r', 40, 60);
    book.is((40, 40), &[('A', 0, 30), ('B', 40, 10)]);
    let reply = book.capture(('r', 'u'), 25, OnShortfall::Reject).expect("held");
    assert_eq!(reply["usage"]["allocations"], shares(&[('A', 25)]));
    assert_eq!(reply["reservation"]["status"], "captured");
    book.is((55, 0), &[('A', 5, 0), ('B', 50, 0)]);
    assert_eq!(book.newest(1), [(EntryKind::Capture, -25)]);
    let again = book.capture(('r', 'v'), 1, OnShortfall::Reject);
    assert_eq!(again, Err(Rejection::ReservationEnded { status: ReservationStatus::Captured }));
}

#[test]
fn what_is_held_outlives_its_allocation_and_expires_when_it_returns() {
    let mut book = Book::new();
    book.allocate('A', 30, 50, Some(30));
    book.allocate('B', 50, 50, None);
    book.reserve('r', 40, 60);
    book.minute = 45;
    book.capture(('r', 'u'), 25, OnShortfall::Reject).expect("held");
    book.is((50, 0), &[('A', 0, 0), ('B', 50, 0)]);
    assert_eq!(book.newest(2), [(EntryKind::Capture, -25), (EntryKind::Expiry, -5)]);
}

#[test]
fn a_capture_of_more_draws_what_is_available() {
    let mut book = Book::new();
    book.allocate('A', 100, 50, None);
    book.reserve('r', 40, 60);
    book.reserve('s', 30, 60);
    let refused = book.capture(('r', 'u'), 80, OnShortfall::Reject);
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 30, required: 40 }));
    book.is((30, 70), &[]);
    let reply = book.capture(('r', 'u'), 80, OnShortfall::Cap).expect("capped");
    assert_eq!((&reply["usage"]["credits"], &reply["usage"]["uncollected"]), (&json!(70), &json!(10)));
    book.is((0, 30), &[('A', 0, 30)]);
    assert_eq!(book.refund('u', Some(71)), Err(Rejection::RefundTooLarge { refundable: 70 }));
    // The other's time is over at minute 60: its 30 come back by themselves.
    book.minute = 90;
    book.spend('v', 30).expect("enough");
    assert_eq!(book.newest(2), [(EntryKind::Release, 0), (EntryKind::Usage, -30)]);
    let release = &book.whole.entries[book.whole.entries.len() - 2];
    assert_eq!((release.recorded_at, release.actor.as_str()), (at(60), "system"));
}

#[test]
fn of_a_void_what_is_unspent_goes() {
    let mut book = Book::new();
    book.allocate('A', 100, 50, None);
    book.spend('u', 30).expect("enough");
    book.reserve('r', 20, 60);
    assert_eq!(book.void('A'), Err(Rejection::AllocationReserved { reserved: 20 }));
    book.post(Action::Release { reservation_id: id('r') }).expect("held");
    let reply = book.void('A').expect("unspent");
    assert_eq!((&reply["forfeited"], &reply["allocation"]["status"]), (&json!(70), &json!("voided")));
    book.is((0, 0), &[('A', 0, 0)]);
    assert_eq!(book.void('A'), Err(Rejection::NothingToVoid));
    let reply = book.refund('u', Some(10)).expect("refundable");
    assert_eq!(reply["refund"]["lapsed"], 10);
    assert_eq!(book.newest(3), [(EntryKind::Void, -70), (EntryKind::Refund, 10), (EntryKind::Void, -10)]);
}

#[test]
fn pending_credits_come_at_their_time() {
    let mut book = Book::new();
    let order = Allocate {
        allocation_id: id('A'),
        credits: 100,
        priority: 50,
        effective_at: Some(at(30)),
        expires_at: Some(at(60)),
        reason: None,
        metadata: None,
    };
    let reply = book.post(Action::Allocate(order)).expect("room");
    assert_eq!(reply["balance"], json!({"available": 0, "reserved": 0, "pending": 100}));
    assert_eq!(book.whole.entries, []);
    book.minute = 29;
    let refused = book.spend('u', 1);
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 0, required: 1 }));
    book.minute = 45;
    book.spend('u', 40).expect("enough");
    assert_eq!(book.newest(2), [(EntryKind::Allocation, 100), (EntryKind::Usage, -40)]);
    assert_eq!(book.whole.entries[0].recorded_at, at(30));
    book.minute = 90;
    assert!(book.spend('v', 1).is_err());
    assert_eq!(book.newest(1), [(EntryKind::Expiry, -60)]);
    assert_eq!(book.whole.entries[2].recorded_at, at(60));
}

#[test]
fn a_correction_never_touches_what_is_reserved() {
    let mut book = Book::new();
    book.allocate('A', 100, 50, None);
    book.reserve('r', 30, 60);
    let adjust = |letter, change| {
        Action::Adjust(Adjust { adjustment_id: id(letter), change, reason: "counted".to_owned() })
    };
    let refused = book.post(adjust('x', Correction::By(-71)));
    assert_eq!(refused, Err(Rejection::InsufficientCredits { available: 70, required: 71 }));
    let reply = book.post(adjust('x', Correction::SetAvailable(20))).expect("enough");
    assert_eq!(reply["adjustment"]["credits"], -50);
    book.is((20, 30), &[('A', 20, 30)]);
    let reply = book.post(adjust('y', Correction::SetAvailable(25))).expect("room");
    assert_eq!(reply["adjustment"]["allocations"], shares(&[('y', 5)]));
    book.is((25, 30), &[('A', 20, 30), ('y', 5, 0)]);
    assert_eq!(book.newest(2), [(EntryKind::Adjustment, -50), (EntryKind::Adjustment, 5)]);
}

/// What a thousand tokens of chat cost from that minute on.
fn rate(version: i64, minute: i64, credits: &str) -> RateVersion {
    let rate = UnitRate { credits: credits.parse().expect("a decimal"), per: 1_000 };
    RateVersion {
        resource: "chat".to_owned(),
        version,
        effective_at: at(minute),
        card: RateCard::new([("tokens".to_owned(), rate)].into()).expect("a card"),
        actor: "test".to_owned(),
        recorded_at: at(0),
    }
}

fn units(name: &str, quantity: u64) -> Cost {
    Cost::Units(Units::new([(name.to_owned(), quantity)].into()).expect("units"))
}

#[test]
fn units_cost_what_the_rate_in_force_says() {
    let mut book = Book::new();
    book.whole.rates = vec![rate(1, 0, "2.5"), rate(2, 30, "5")];
    book.allocate('A', 100, 50, None);
    let resource = || Some("chat".to_owned());
    for letter in ['r', 's'] {
        let (reservation_id, cost) = (id(letter), units("tokens", 8_000));
        let (resource, metadata) = (resource(), None);
        let order = Reserve { reservation_id, cost, expires_in_s: 3_600, resource, metadata };
        let reply = book.post(Action::Reserve(order)).expect("enough");
        assert_eq!(
            (&reply["reservation"]["credits"], &reply["reservation"]["rate_version"]),
            (&json!(20), &json!(1))
        );
    }
    book.is((60, 40), &[]);
    book.minute = 45;
    let capture = |from, to, cost| {
        let (reservation_id, usage_id, on_shortfall) = (id(from), id(to), OnShortfall::Reject);
        Action::Capture(Capture { reservation_id, usage_id, cost, on_shortfall })
    };
    let told = |reply: &Value| (reply["usage"]["credits"].clone(), reply["usage"]["rate_version"].clone());
    let reply = book.post(capture('r', 'u', Some(units("tokens", 6_000)))).expect("enough");
    assert_eq!(told(&reply), (json!(30), json!(2)));
    book.is((50, 20), &[]);
    let reply = book.post(capture('s', 'v', None)).expect("held");
    assert_eq!((told(&reply), &reply["usage"]["units"]), ((json!(20), json!(1)), &json!({"tokens": 8_000})));
    book.is((50, 0), &[]);
    let spend =
        |letter, cost| Action::Use(Use { usage_id: id(letter), cost, resource: resource(), metadata: None });
    let reply = book.post(spend('w', units("tokens", 1))).expect("enough");
    assert_eq!(told(&reply), (json!(1), json!(2)));
    book.post(spend('x', units("tokens", 0))).expect("nothing is needed");
    assert_eq!(book.newest(2), [(EntryKind::Usage, -1), (EntryKind::Usage, 0)]);
    let refused = book.post(spend('y', units("words", 1)));
    assert_eq!(refused, Err(Unpriced::UnknownUnits(vec!["words".to_owned()]).into()));
    book.is((49, 0), &[('A', 49, 0)]);
}
