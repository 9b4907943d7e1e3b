//! Random histories of commands, against the reference, and against themselves.

use std::collections::BTreeMap;

use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::reference::Model;
use super::rig::Whole;
use super::*;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
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

    #[test]
    fn the_past_is_explained_as_it_was(
        batches in prop::collection::vec((prop::collection::vec(any_intent(), 1..4), 0..9_i64), 1..20)
    ) {
        let (mut whole, mut made, mut second) = (Whole::new(), Made::default(), 0);
        let mut seen: BTreeMap<i64, Whole> = BTreeMap::new();
        for (batch, step) in batches {
            // Also at the instants in between, at which only what falls due happens.
            for between in second..=second + step {
                let mut then = whole.clone();
                then.post(&[Command::settle("u".to_owned())], Policies::DEFAULT, at(between));
                seen.insert(between, then);
            }
            second += step;
            let commands: Vec<Command> =
                batch.iter().map(|intent| command(made.action(intent, second))).collect();
            whole.post(&commands, Policies::DEFAULT, at(second));
            seen.insert(second, whole.clone());
        }
        whole.post(&[Command::settle("u".to_owned())], Policies::DEFAULT, at(second));
        for (second, then) in &seen {
            let explained = whole.explain(at(*second));
            prop_assert!(explained.iter().all(|one| one.parts.add_up()), "{explained:?}");
            // What is known since, such as a void, has changed nothing about it.
            prop_assert_eq!(explained.len(), then.allocations.len());
            for one in &explained {
                let was = &then.allocations[&one.allocation.id];
                let pending = if was.is_pending { was.credits } else { 0 };
                let numbers = [was.remaining, was.reserved, pending].map(i128::from);
                let Parts { remaining, reserved, pending, used, refunded, .. } = one.parts;
                prop_assert_eq!([remaining, reserved, pending], numbers);
                prop_assert_eq!(&one.allocation, was);
                prop_assert_eq!(one.status, was.status(at(*second)));
                prop_assert_eq!((used, one.parts.unbooked), (then.used_of(was.id), 0));
                prop_assert!(refunded <= used);
            }
            let sum = |part: fn(&Parts) -> i128| explained.iter().map(|one| part(&one.parts)).sum::<i128>();
            let Account { available, reserved, pending, .. } = then.account;
            let sums = [sum(|one| one.remaining), sum(|one| one.reserved), sum(|one| one.pending)];
            prop_assert_eq!(sums, [available, reserved, pending].map(i128::from));
            let refunded: i64 = then.usages.values().map(|usage| usage.refunded).sum();
            prop_assert_eq!(sum(|one| one.refunded), i128::from(refunded));
        }
    }
}
