//! A reference that is too simple to be wrong: it keeps every single credit by itself
//! and lets time pass second by second.

use std::collections::BTreeMap;

use time::OffsetDateTime;
use uuid::Uuid;

use super::rig::Whole;
use super::*;
use crate::rates::{RateCard, RateVersion, UnitRate, Unpriced};

#[derive(Default)]
pub(super) struct Lot {
    pub(super) made_at: i64,
    pub(super) priority: i16,
    pub(super) begin: i64,
    pub(super) end: Option<i64>,
    pub(super) has_begun: bool,
    pub(super) is_voided: bool,
    pub(super) credits: i64,
    pub(super) left: i64,
    pub(super) held: i64,
}

struct Hold {
    resource: Option<String>,
    /// One credit after the other, by the lot that it is of.
    credits: Vec<Uuid>,
    end: i64,
    status: ReservationStatus,
}

#[derive(Default)]
pub(super) struct Model {
    pub(super) second: i64,
    pub(super) lots: BTreeMap<Uuid, Lot>,
    holds: BTreeMap<Uuid, Hold>,
    /// What was drawn and did not come back, one credit after the other.
    uses: BTreeMap<Uuid, Vec<Uuid>>,
}

/// From this second on units of "chat" cost something else.
const SECOND_VERSION_S: i64 = 40;

/// The rates that [`Model::price`] knows by heart.
pub(super) fn rates() -> Vec<RateVersion> {
    let version = |resource: &str, version, second, [a, b]: [(&str, u64); 2]| {
        let rate =
            |(credits, per): (&str, u64)| UnitRate { credits: credits.parse().expect("a decimal"), per };
        let units = [("a".to_owned(), rate(a)), ("b".to_owned(), rate(b))];
        RateVersion {
            resource: resource.to_owned(),
            version,
            effective_at: OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(second),
            card: RateCard::new(units.into()).expect("a card"),
            actor: "test".to_owned(),
            recorded_at: OffsetDateTime::UNIX_EPOCH,
        }
    };
    vec![
        version("chat", 1, 0, [("1.5", 1), ("1", 7)]),
        version("chat", 2, SECOND_VERSION_S, [("0.25", 1), ("2", 3)]),
        version("free", 1, 0, [("0", 1), ("0.000", 9)]),
    ]
}

impl Model {
    fn price(&self, cost: &Cost, resource: Option<&str>) -> Result<i64, Rejection> {
        let units = match cost {
            Cost::Credits(credits) => return Ok(*credits),
            Cost::Units(units) => units,
        };
        let of = |name| units.iter().find(|(unit, _)| *unit == name).map_or(0, |(_, count)| count);
        let (a, b) = (of("a"), of("b"));
        let credits = match resource.ok_or(Unpriced::NoResource)? {
            "chat" if self.second < SECOND_VERSION_S => (21 * a + 2 * b).div_ceil(14),
            "chat" => (3 * a + 8 * b).div_ceil(12),
            "free" => 0,
            _ => return Err(Unpriced::NoRate.into()),
        };
        Ok(i64::try_from(credits).expect("few"))
    }

    pub(super) fn available(&self) -> i64 {
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

    pub(super) fn take(&mut self, credits: i64) -> Result<Vec<Uuid>, Rejection> {
        let available = self.available();
        if credits > available {
            return Err(Rejection::InsufficientCredits { available, required: credits });
        }
        Ok((0..credits).map(|_| self.take_one()).collect())
    }

    pub(super) fn lot(&mut self, id: Uuid) -> &mut Lot {
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

    pub(super) fn pass_time(&mut self, until: i64) {
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

    pub(super) fn decide(&mut self, action: &Action) -> Result<(), Rejection> {
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
                let taken = self.take(self.price(&order.cost, order.resource.as_deref())?)?;
                self.uses.insert(order.usage_id, taken);
                Ok(())
            }
            Action::Refund { usage_id, credits, .. } => self.refund(*usage_id, *credits),
            Action::Reserve(order) => {
                let credits = self.take(self.price(&order.cost, order.resource.as_deref())?)?;
                for lot in &credits {
                    self.lot(*lot).held += 1;
                }
                let end = now + order.expires_in_s;
                let (resource, status) = (order.resource.clone(), ReservationStatus::Held);
                self.holds.insert(order.reservation_id, Hold { resource, credits, end, status });
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
            Action::Transfer(_) => unreachable!("a transfer changes two accounts: see references"),
            Action::ApplyUser { .. } | Action::Orphan { .. } | Action::Settle => Ok(()),
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
        let resource = self.holds[&order.reservation_id].resource.as_deref();
        let wanted = order.cost.as_ref().map_or(Ok(held), |cost| self.price(cost, resource))?;
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
    pub(super) fn compare(&self, whole: &Whole) {
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
            if let Some(Pricing { units, rate_version }) = &usage.pricing {
                let priced = |rate: &&RateVersion| {
                    Some(&rate.resource) == usage.resource.as_ref() && rate.version == *rate_version
                };
                let rate = whole.rates.iter().find(priced).expect("the rate that priced it");
                let price = rate.card.price(units).expect("priced before");
                assert_eq!(usage.credits + usage.uncollected, price.credits, "{usage:?}");
            }
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
