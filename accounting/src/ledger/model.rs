//! The ledger against a reference that is too simple to be wrong: it keeps every single
//! credit by itself and lets time pass second by second.

use std::collections::BTreeMap;

use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::rig::Whole;
use super::*;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
}

#[derive(Default)]
struct Lot {
    made_at: i64,
    priority: i16,
    begin: i64,
    end: Option<i64>,
    has_begun: bool,
    is_voided: bool,
    credits: i64,
    left: i64,
    held: i64,
}

struct Hold {
    /// One credit after the other, by the lot that it is of.
    credits: Vec<Uuid>,
    end: i64,
    status: ReservationStatus,
}

#[derive(Default)]
struct Model {
    second: i64,
    lots: BTreeMap<Uuid, Lot>,
    holds: BTreeMap<Uuid, Hold>,
    /// What was drawn and did not come back, one credit after the other.
    uses: BTreeMap<Uuid, Vec<Uuid>>,
}

impl Model {
    fn available(&self) -> i64 {
        self.lots.values().map(|lot| lot.left).sum()
    }

    /// Takes one credit, of the lot that burns first.
    fn take_one(&mut self) -> Uuid {
        let open = self.lots.iter_mut().filter(|(_, lot)| lot.left > 0);
        let first =
            open.min_by_key(|(id, lot)| (lot.priority, lot.end.unwrap_or(i64::MAX), lot.made_at, **id));
        let (id, lot) = first.expect("there is one");
        lot.left -= 1;
        *id
    }

    fn take(&mut self, credits: i64) -> Result<Vec<Uuid>, Rejection> {
        let available = self.available();
        if credits > available {
            return Err(Rejection::InsufficientCredits { available, required: credits });
        }
        Ok((0..credits).map(|_| self.take_one()).collect())
    }

    fn lot(&mut self, id: Uuid) -> &mut Lot {
        self.lots.get_mut(&id).expect("there is one")
    }

    /// Puts one credit back. It is lost if its lot has ended.
    fn put_back(&mut self, id: Uuid) {
        let second = self.second;
        let lot = self.lot(id);
        if !lot.is_voided && lot.end.is_none_or(|end| end > second) {
            lot.left += 1;
        }
    }

    fn pass_time(&mut self, until: i64) {
        while self.second < until {
            self.second += 1;
            let now = self.second;
            for lot in self.lots.values_mut().filter(|lot| !lot.has_begun && lot.begin <= now) {
                lot.has_begun = true;
                lot.left = lot.credits;
            }
            let over = |hold: &Hold| hold.status == ReservationStatus::Held && hold.end <= now;
            let over: Vec<Uuid> =
                self.holds.iter().filter(|(_, hold)| over(hold)).map(|(id, _)| *id).collect();
            for id in over {
                self.end_hold(id, ReservationStatus::Expired);
            }
            for lot in self.lots.values_mut().filter(|lot| lot.end.is_some_and(|end| end <= now)) {
                lot.left = 0;
            }
        }
    }

    fn end_hold(&mut self, id: Uuid, status: ReservationStatus) -> Vec<Uuid> {
        let hold = self.holds.get_mut(&id).expect("there is one");
        hold.status = status;
        let credits = hold.credits.clone();
        for lot in &credits {
            self.lot(*lot).held -= 1;
            if status != ReservationStatus::Captured {
                self.put_back(*lot);
            }
        }
        credits
    }

    fn held(&self, id: Uuid) -> Result<i64, Rejection> {
        let hold = self.holds.get(&id).ok_or(Rejection::ReservationNotFound)?;
        if hold.status != ReservationStatus::Held {
            return Err(Rejection::ReservationEnded { status: hold.status });
        }
        Ok(i64::try_from(hold.credits.len()).unwrap())
    }

    fn decide(&mut self, action: &Action) -> Result<(), Rejection> {
        let now = self.second;
        match action {
            Action::Allocate(order) => self.allocate(order),
            Action::Void { allocation_id, .. } => {
                let lot = self.lots.get_mut(allocation_id).ok_or(Rejection::AllocationNotFound)?;
                if lot.held > 0 {
                    return Err(Rejection::AllocationReserved { reserved: lot.held });
                }
                if lot.has_begun && lot.left == 0 {
                    return Err(Rejection::NothingToVoid);
                }
                (lot.left, lot.has_begun, lot.is_voided) = (0, true, true);
                Ok(())
            }
            Action::Use(order) => {
                let taken = self.take(order.credits)?;
                self.uses.insert(order.usage_id, taken);
                Ok(())
            }
            Action::Refund { usage_id, credits, .. } => self.refund(*usage_id, *credits),
            Action::Reserve(order) => {
                let credits = self.take(order.credits)?;
                for lot in &credits {
                    self.lot(*lot).held += 1;
                }
                let end = now + order.expires_in_s;
                self.holds
                    .insert(order.reservation_id, Hold { credits, end, status: ReservationStatus::Held });
                Ok(())
            }
            Action::Capture(order) => self.capture(order),
            Action::Release { reservation_id } => {
                self.held(*reservation_id)?;
                self.end_hold(*reservation_id, ReservationStatus::Released);
                Ok(())
            }
            Action::Extend { reservation_id, expires_in_s } => {
                self.held(*reservation_id)?;
                let hold = self.holds.get_mut(reservation_id).expect("there is one");
                hold.end = hold.end.max(now + expires_in_s);
                Ok(())
            }
            Action::Adjust(order) => self.adjust(order),
            Action::ApplyUser { .. } | Action::Settle => Ok(()),
        }
    }

    fn allocate(&mut self, order: &Allocate) -> Result<(), Rejection> {
        let second = |at: OffsetDateTime| at.unix_timestamp();
        let end = order.expires_at.map(second);
        let begin = order.effective_at.map_or(0, second);
        if end.is_some_and(|end| end <= self.second) {
            return Err(Rejection::EndHasPassed);
        }
        if end.is_some_and(|end| order.effective_at.is_some() && end <= begin) {
            return Err(Rejection::EndBeforeBeginning);
        }
        let (credits, priority, made_at) = (order.credits, order.priority, self.second);
        let has_begun = begin <= self.second;
        let left = if has_begun { credits } else { 0 };
        let lot = Lot { made_at, priority, begin, end, has_begun, credits, left, ..Lot::default() };
        self.lots.insert(order.allocation_id, lot);
        Ok(())
    }

    fn refund(&mut self, id: Uuid, credits: Option<i64>) -> Result<(), Rejection> {
        let drawn = self.uses.get_mut(&id).ok_or(Rejection::UsageNotFound)?;
        let refundable = i64::try_from(drawn.len()).unwrap();
        let credits = credits.unwrap_or(refundable);
        if credits > refundable || refundable == 0 {
            return Err(Rejection::RefundTooLarge { refundable });
        }
        let back: Vec<Uuid> = (0..credits).filter_map(|_| drawn.pop()).collect();
        for lot in back {
            self.put_back(lot);
        }
        Ok(())
    }

    fn capture(&mut self, order: &Capture) -> Result<(), Rejection> {
        let held = self.held(order.reservation_id)?;
        let wanted = order.credits.unwrap_or(held);
        let mut lacking = (wanted - held).max(0);
        if order.on_shortfall == OnShortfall::Cap {
            lacking = lacking.min(self.available());
        }
        // What is lacking is drawn before the rest comes back: with a rest nothing is lacking.
        let extra = self.take(lacking)?;
        let mut drawn = self.end_hold(order.reservation_id, ReservationStatus::Captured);
        let rest = drawn.split_off(usize::try_from(wanted.min(held)).unwrap());
        for lot in rest {
            self.put_back(lot);
        }
        drawn.extend(extra);
        self.uses.insert(order.usage_id, drawn);
        Ok(())
    }

    fn adjust(&mut self, order: &Adjust) -> Result<(), Rejection> {
        let credits = match order.change {
            Correction::By(credits) => credits,
            Correction::SetAvailable(credits) => credits - self.available(),
        };
        if credits <= 0 {
            return self.take(-credits).map(drop);
        }
        let lot = Lot {
            made_at: self.second,
            priority: DEFAULT_PRIORITY,
            has_begun: true,
            credits,
            left: credits,
            ..Lot::default()
        };
        self.lots.insert(order.adjustment_id, lot);
        Ok(())
    }

    /// That the ledger holds the same.
    fn compare(&self, whole: &Whole) {
        let sum = |part: fn(&Lot) -> i64| self.lots.values().map(part).sum::<i64>();
        let pending = sum(|lot| if lot.has_begun { 0 } else { lot.credits });
        let account = &whole.account;
        assert_eq!(
            (account.available, account.reserved, account.pending),
            (self.available(), sum(|lot| lot.held), pending)
        );
        for (id, lot) in &self.lots {
            let kept = &whole.allocations[id];
            assert_eq!((kept.remaining, kept.reserved), (lot.left, lot.held), "{kept:?}");
        }
        for (id, drawn) in &self.uses {
            let usage = &whole.usages[id];
            assert_eq!(usage.refundable(), i64::try_from(drawn.len()).unwrap(), "{usage:?}");
            let each = |share: &Share| vec![share.allocation_id; usize::try_from(share.credits).unwrap()];
            let all: Vec<Uuid> = usage.draws.iter().flat_map(each).collect();
            assert_eq!(drawn.as_slice(), &all[..drawn.len()], "{usage:?}");
        }
        for (id, hold) in &self.holds {
            assert_eq!(whole.reservations[id].status, hold.status);
        }
    }
}

/// A command that points to what was made before by a number.
#[derive(Debug, Clone)]
enum Intent {
    Allocate { credits: i64, priority: i16, begin: Option<i64>, end: Option<i64> },
    Void(usize),
    Use(i64),
    Refund(usize, Option<i64>),
    Reserve(i64, i64),
    Capture(usize, Option<i64>, bool),
    Release(usize),
    Extend(usize, i64),
    Adjust(i64),
    SetAvailable(i64),
    Settle,
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let (some, which) = (1..40_i64, 0..8_usize);
    let later = || prop::option::weighted(0.4, -3..40_i64);
    prop_oneof![
        6 => (some.clone(), prop_oneof![Just(50_i16), 49..52_i16], later(), later())
            .prop_map(|(credits, priority, begin, end)| Intent::Allocate { credits, priority, begin, end }),
        1 => which.clone().prop_map(Intent::Void),
        6 => some.clone().prop_map(Intent::Use),
        3 => (which.clone(), prop::option::of(some.clone())).prop_map(|(a, b)| Intent::Refund(a, b)),
        4 => (some.clone(), 1..30_i64).prop_map(|(a, b)| Intent::Reserve(a, b)),
        3 => (which.clone(), prop::option::of(1..60_i64), any::<bool>())
            .prop_map(|(a, b, c)| Intent::Capture(a, b, c)),
        1 => which.clone().prop_map(Intent::Release),
        1 => (which, 1..30_i64).prop_map(|(a, b)| Intent::Extend(a, b)),
        1 => (-20..20_i64).prop_filter("0 is refused", |n| *n != 0).prop_map(Intent::Adjust),
        1 => (0..60_i64).prop_map(Intent::SetAvailable),
        1 => Just(Intent::Settle),
    ]
}

/// The newest but `which` of `made`, or one that is nowhere.
fn pick(made: &[Uuid], which: usize) -> Uuid {
    if made.is_empty() { Uuid::nil() } else { made[made.len() - 1 - which % made.len()] }
}

/// The ids that a history has made so far, and the next one.
#[derive(Default)]
struct Made {
    count: u128,
    allocations: Vec<Uuid>,
    usages: Vec<Uuid>,
    reservations: Vec<Uuid>,
}

impl Made {
    fn id(&mut self) -> Uuid {
        self.count += 1;
        Uuid::from_u128(self.count)
    }

    fn action(&mut self, intent: &Intent, second: i64) -> Action {
        let id = self.id();
        let (resource, metadata, reason) = (None, None, None);
        match *intent {
            Intent::Allocate { credits, priority, begin, end } => {
                self.allocations.push(id);
                let [effective_at, expires_at] = [begin, end].map(|step| step.map(|step| at(second + step)));
                let allocation_id = id;
                Action::Allocate(Allocate {
                    allocation_id,
                    credits,
                    priority,
                    effective_at,
                    expires_at,
                    reason,
                    metadata,
                })
            }
            Intent::Void(which) => Action::Void { allocation_id: pick(&self.allocations, which), reason },
            Intent::Use(credits) => {
                self.usages.push(id);
                Action::Use(Use { usage_id: id, credits, resource, metadata })
            }
            Intent::Refund(which, credits) => {
                Action::Refund { usage_id: pick(&self.usages, which), credits, reason }
            }
            Intent::Reserve(credits, expires_in_s) => {
                self.reservations.push(id);
                Action::Reserve(Reserve { reservation_id: id, credits, expires_in_s, resource, metadata })
            }
            Intent::Capture(which, credits, is_capped) => {
                self.usages.push(id);
                let on_shortfall = if is_capped { OnShortfall::Cap } else { OnShortfall::Reject };
                let reservation_id = pick(&self.reservations, which);
                Action::Capture(Capture { reservation_id, usage_id: id, credits, on_shortfall })
            }
            Intent::Release(which) => Action::Release { reservation_id: pick(&self.reservations, which) },
            Intent::Extend(which, expires_in_s) => {
                Action::Extend { reservation_id: pick(&self.reservations, which), expires_in_s }
            }
            Intent::Adjust(credits) => adjust(id, Correction::By(credits)),
            Intent::SetAvailable(credits) => adjust(id, Correction::SetAvailable(credits)),
            Intent::Settle => Action::Settle,
        }
    }
}

fn adjust(adjustment_id: Uuid, change: Correction) -> Action {
    Action::Adjust(Adjust { adjustment_id, change, reason: "counted again".to_owned() })
}

fn command(action: Action) -> Command {
    Command { user_id: "u".to_owned(), actor: "test".to_owned(), idempotency: None, action }
}

proptest! {
    // Some hundreds of thousands of commands; more with PROPTEST_CASES.
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(5_000),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_ends_as_in_the_reference(
        batches in prop::collection::vec((prop::collection::vec(any_intent(), 1..6), 0..9_i64), 1..30)
    ) {
        let (mut whole, mut model, mut made) = (Whole::new(), Model::default(), Made::default());
        for (batch, step) in batches {
            model.pass_time(model.second + step);
            let second = model.second;
            let commands: Vec<Command> =
                batch.iter().map(|intent| command(made.action(intent, second))).collect();
            let posted = whole.post(&commands, Policies::DEFAULT, at(second));
            for (command, posted) in commands.iter().zip(posted) {
                prop_assert_eq!(posted.map(drop), model.decide(&command.action), "{:?}", command.action);
            }
            whole.check();
            model.compare(&whole);
        }
    }

    #[test]
    fn it_does_not_matter_when_somebody_looks(
        history in prop::collection::vec((any_intent(), 0..9_i64), 1..60)
    ) {
        let (mut late, mut swept, mut made) = (Whole::new(), Whole::new(), Made::default());
        let mut second = 0;
        for (intent, step) in history {
            for _ in 0..step {
                second += 1;
                swept.post(&[Command::settle("u".to_owned())], Policies::DEFAULT, at(second));
            }
            let commands = [command(made.action(&intent, second))];
            let posted = late.post(&commands, Policies::DEFAULT, at(second));
            prop_assert_eq!(posted, swept.post(&commands, Policies::DEFAULT, at(second)));
        }
        // Reading settles too: the last look is as good as a sweep.
        late.post(&[Command::settle("u".to_owned())], Policies::DEFAULT, at(second));
        prop_assert_eq!(&late.entries, &swept.entries);
        prop_assert_eq!(&late.allocations, &swept.allocations);
        prop_assert_eq!(&late.reservations, &swept.reservations);
    }
}
