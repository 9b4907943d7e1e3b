//! What was delivered and not settled, and how to tell the broker what was.

use std::collections::BTreeMap;

use super::super::{MAX_ATTEMPTS, Settlement};

/// Deliveries by tag, with what it takes to publish them once more.
#[derive(Debug)]
pub(super) struct Unsettled<K>(BTreeMap<u64, (u32, K)>);

/// What to tell the broker, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan<K> {
    /// Reject each of these.
    pub(super) reject: Vec<u64>,
    /// Acknowledge everything up to this tag, which is itself to be acknowledged.
    /// Below it there is nothing that is not settled, and what is rejected there
    /// was rejected before.
    pub(super) ack_through: Option<u64>,
    /// Acknowledge each of these: below them something is unsettled.
    pub(super) ack: Vec<u64>,
    /// Publish each of these to the retry queue with so many attempts, then
    /// acknowledge it.
    pub(super) retry: Vec<Retry<K>>,
}

/// A delivery that is to be tried again.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Retry<K> {
    pub(super) tag: u64,
    pub(super) attempts: u32,
    pub(super) kept: K,
}

impl<K> Default for Unsettled<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K> Unsettled<K> {
    /// Notes a delivery that failed `attempts` times before.
    pub(super) fn deliver(&mut self, tag: u64, attempts: u32, kept: K) {
        self.0.insert(tag, (attempts, kept));
    }

    /// Takes out what is settled. A tag that is not outstanding is passed over: to
    /// settle one twice would cost the channel.
    pub(super) fn settle(&mut self, settlements: Vec<(u64, Settlement)>) -> Plan<K> {
        let (mut acks, mut reject, mut retry) = (Vec::new(), Vec::new(), Vec::new());
        for (tag, settlement) in settlements {
            let Some((failed_before, kept)) = self.0.remove(&tag) else { continue };
            let attempts = failed_before.saturating_add(1);
            match settlement {
                Settlement::Ack => acks.push(tag),
                Settlement::Retry if attempts < MAX_ATTEMPTS => retry.push(Retry { tag, attempts, kept }),
                Settlement::Retry | Settlement::Reject => reject.push(tag),
            }
        }
        acks.sort_unstable();
        let unsettled = self.0.first_key_value().map(|(tag, _)| *tag);
        let first_open = retry.iter().map(|retry| retry.tag).chain(unsettled).min().unwrap_or(u64::MAX);
        let ack = acks.split_off(acks.partition_point(|tag| *tag < first_open));
        Plan { reject, ack_through: acks.last().copied(), ack, retry }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use Settlement::{Ack, Reject, Retry as Again};

    fn delivered(tags: std::ops::RangeInclusive<u64>) -> Unsettled<()> {
        let mut unsettled = Unsettled::default();
        tags.for_each(|tag| unsettled.deliver(tag, 0, ()));
        unsettled
    }

    #[test]
    fn a_gap_is_not_acknowledged_over() {
        let mut unsettled = delivered(1..=5);
        let plan = unsettled.settle(vec![(5, Ack), (2, Ack), (1, Ack), (4, Reject)]);
        assert_eq!(plan, Plan { reject: vec![4], ack_through: Some(2), ack: vec![5], retry: vec![] });
        let plan = unsettled.settle(vec![(3, Ack), (3, Ack), (9, Ack)]);
        assert_eq!(plan, Plan { reject: vec![], ack_through: Some(3), ack: vec![], retry: vec![] });
    }

    #[test]
    fn a_retry_is_open_until_it_is_published() {
        let plan = delivered(1..=3).settle(vec![(1, Ack), (2, Again), (3, Ack)]);
        assert_eq!((plan.ack_through, plan.ack), (Some(1), vec![3]));
        assert_eq!(plan.retry, [Retry { tag: 2, attempts: 1, kept: () }]);
    }

    #[test]
    fn the_last_attempt_ends_in_a_rejection() {
        let mut unsettled = Unsettled::default();
        unsettled.deliver(1, MAX_ATTEMPTS - 1, ());
        assert_eq!(unsettled.settle(vec![(1, Again)]).reject, [1]);
    }

    fn settlement() -> impl Strategy<Value = Settlement> {
        prop_oneof![4 => Just(Ack), 1 => Just(Reject), 1 => Just(Again)]
    }

    proptest! {
        /// Played against a broker's list of unacknowledged tags, any settlements in
        /// any grouping leave exactly what was not settled.
        #[test]
        fn the_broker_forgets_exactly_what_was_settled(
            calls in prop::collection::vec(prop::collection::vec((1_u64..60, settlement()), 0..20), 0..20),
        ) {
            let mut unsettled = delivered(1..=50);
            let mut broker: BTreeSet<u64> = (1..=50).collect();
            let (mut acked, mut rejected) = (BTreeSet::new(), BTreeSet::new());
            let mut decided: BTreeMap<u64, Settlement> = BTreeMap::new();
            for call in calls {
                for (tag, settlement) in call.iter().filter(|(tag, _)| *tag <= 50) {
                    decided.entry(*tag).or_insert(*settlement);
                }
                let plan = unsettled.settle(call);
                for tag in plan.reject {
                    prop_assert!(broker.remove(&tag), "a tag that the broker does not know costs the channel");
                    rejected.insert(tag);
                }
                if let Some(through) = plan.ack_through {
                    prop_assert!(broker.contains(&through), "a tag that the broker does not know");
                    let rest = broker.split_off(&(through + 1));
                    acked.extend(std::mem::replace(&mut broker, rest));
                }
                for tag in plan.ack.into_iter().chain(plan.retry.iter().map(|retry| retry.tag)) {
                    prop_assert!(broker.remove(&tag));
                    acked.insert(tag);
                }
            }
            let of = |wanted: fn(&Settlement) -> bool| -> BTreeSet<u64> {
                decided.iter().filter(|(_, settlement)| wanted(settlement)).map(|(tag, _)| *tag).collect()
            };
            prop_assert_eq!(acked, of(|settlement| *settlement != Reject));
            prop_assert_eq!(rejected, of(|settlement| *settlement == Reject));
            prop_assert_eq!(broker.len(), 50 - decided.len());
        }
    }
}
