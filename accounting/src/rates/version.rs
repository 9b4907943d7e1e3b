//! Versions of a resource's rate: which one is in force, and when a new one is made.

use time::OffsetDateTime;

use super::card::RateCard;

/// One version of a rate. It is never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateVersion {
    /// What it prices.
    pub resource: String,
    /// 1, 2, 3 … within the resource.
    pub version: i64,
    /// From when on it is in force, unless a higher version is by then.
    pub effective_at: OffsetDateTime,
    /// What each kind of unit costs.
    pub card: RateCard,
    /// Who made it.
    pub actor: String,
    /// When.
    pub recorded_at: OffsetDateTime,
}

/// A rate that is to be in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateOrder {
    /// Of what.
    pub resource: String,
    /// From when on; none for at once.
    pub effective_at: Option<OffsetDateTime>,
    /// What each kind of unit is to cost.
    pub card: RateCard,
    /// Who asks.
    pub actor: String,
}

/// What became of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revision {
    /// The newest version says the same already.
    Unchanged(RateVersion),
    /// This version is new.
    Made(RateVersion),
}

/// A rate was to be in force from a time that has passed: what was priced stays priced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate cannot be in force from a time that has passed")]
pub struct EffectiveInPast;

/// The version of one resource that is in force at `at`: the highest of those whose
/// instant has come.
pub fn in_force<'a>(
    versions: impl Iterator<Item = &'a RateVersion>,
    at: OffsetDateTime,
) -> Option<&'a RateVersion> {
    versions.filter(|one| one.effective_at <= at).max_by_key(|one| one.version)
}

/// The versions of one resource that will come into force after `at`, as things stand,
/// soonest first. One that a higher version precedes never will.
#[must_use]
pub fn scheduled<'a>(versions: &'a [RateVersion], at: OffsetDateTime) -> Vec<&'a RateVersion> {
    let comes = |one: &&'a RateVersion| {
        let is_preceded =
            |other: &RateVersion| other.version > one.version && other.effective_at <= one.effective_at;
        one.effective_at > at && !versions.iter().any(is_preceded)
    };
    let mut scheduled: Vec<&RateVersion> = versions.iter().filter(comes).collect();
    scheduled.sort_by_key(|one| one.effective_at);
    scheduled
}

/// What an order makes where `latest` is the resource's highest version. To be called
/// while nobody else can make one, with the time read then.
///
/// # Errors
/// [`EffectiveInPast`].
pub fn revise(
    latest: Option<&RateVersion>,
    order: &RateOrder,
    now: OffsetDateTime,
) -> Result<Revision, EffectiveInPast> {
    let is_asked_for = |latest: &&RateVersion| {
        let is_at_once = order.effective_at.is_none() && latest.effective_at <= now;
        latest.card == order.card && (is_at_once || order.effective_at == Some(latest.effective_at))
    };
    // First of all: an order whose reply was lost is sent again when its time has come.
    if let Some(latest) = latest.filter(is_asked_for) {
        return Ok(Revision::Unchanged(latest.clone()));
    }
    let effective_at = order.effective_at.unwrap_or(now);
    if effective_at < now {
        return Err(EffectiveInPast);
    }
    Ok(Revision::Made(RateVersion {
        resource: order.resource.clone(),
        version: latest.map_or(0, |latest| latest.version) + 1,
        effective_at,
        card: order.card.clone(),
        actor: order.actor.clone(),
        recorded_at: now,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::Duration;

    use super::super::card::UnitRate;
    use super::*;

    fn at(minute: i64) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::minutes(minute)
    }

    fn order(credits: &str, minute: Option<i64>) -> RateOrder {
        let rate = UnitRate { credits: credits.parse().expect("a decimal"), per: 1 };
        let card = RateCard::new(BTreeMap::from([("seconds".to_owned(), rate)])).expect("a card");
        let effective_at = minute.map(at);
        RateOrder { resource: "film".to_owned(), effective_at, card, actor: "test".to_owned() }
    }

    /// The versions that orders make one after the other.
    fn made(orders: &[(i64, RateOrder)]) -> Vec<RateVersion> {
        let mut versions: Vec<RateVersion> = Vec::new();
        for (now, order) in orders {
            if let Ok(Revision::Made(version)) = revise(versions.last(), order, at(*now)) {
                versions.push(version);
            }
        }
        versions
    }

    fn number_at(versions: &[RateVersion], minute: i64) -> Option<i64> {
        in_force(versions.iter(), at(minute)).map(|one| one.version)
    }

    #[test]
    fn the_highest_version_whose_time_has_come_is_in_force() {
        let orders = [(0, order("1", Some(10))), (5, order("2", Some(60))), (20, order("3", Some(90)))];
        let versions = made(&orders);
        let numbers = [(9, None), (10, Some(1)), (59, Some(1)), (60, Some(2)), (90, Some(3))];
        for (minute, number) in numbers {
            assert_eq!(number_at(&versions, minute), number, "minute {minute}");
        }
        let waiting =
            |minute| scheduled(&versions, at(minute)).iter().map(|one| one.version).collect::<Vec<_>>();
        assert_eq!((waiting(20), waiting(60)), (vec![2, 3], vec![3]));
        // What comes later and begins sooner takes the place of all that waits.
        let orders = [orders.as_slice(), &[(30, order("4", None))]].concat();
        let versions = made(&orders);
        assert_eq!((number_at(&versions, 29), number_at(&versions, 100)), (Some(1), Some(4)));
        assert_eq!(scheduled(&versions, at(30)), Vec::<&RateVersion>::new());
    }

    #[test]
    fn the_same_order_makes_no_second_version() {
        let versions = made(&[(0, order("1", None))]);
        let again = |order: &RateOrder, now| revise(versions.last(), order, at(now));
        let unchanged = Ok(Revision::Unchanged(versions[0].clone()));
        assert_eq!(again(&order("1.0", None), 5), unchanged);
        assert_eq!(again(&order("1", Some(0)), 5), unchanged);
        assert_eq!(again(&order("1", Some(4)), 5), Err(EffectiveInPast));
        assert_eq!(again(&order("2", Some(0)), 5), Err(EffectiveInPast));
        assert!(matches!(again(&order("1", Some(6)), 5), Ok(Revision::Made(made)) if made.version == 2));
        // What waits is not in force: at once is something else.
        let waiting = made(&[(0, order("1", Some(9)))]);
        assert!(matches!(revise(waiting.last(), &order("1", None), at(5)), Ok(Revision::Made(_))));
        assert!(matches!(revise(waiting.last(), &order("1", Some(9)), at(10)), Ok(Revision::Unchanged(_))));
    }
}
