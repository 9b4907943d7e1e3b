//! Random histories of commands, against the reference, and against themselves.

use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::reference::{Model, rates};
use super::rig::Whole;
use super::*;
use crate::rates::Units;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::seconds(second)
}

/// A command that points to what was made before by a number.
#[derive(Debug, Clone)]
enum Intent {
    Allocate { credits: i64, priority: i16, begin: Option<i64>, end: Option<i64> },
    Void(usize),
    Use(Worth),
    Refund(usize, Option<i64>),
    Reserve(Worth, i64),
    Capture(usize, Option<Worth>, bool),
    Release(usize),
    Extend(usize, i64),
    Adjust(i64),
    SetAvailable(i64),
    Settle,
}

/// Credits, or units, and of which of the resources.
#[derive(Debug, Clone)]
enum Worth {
    Credits(i64, usize),
    Units(u64, u64, usize),
}

/// Two that have a rate, of which one is free; one that has none; and no resource.
const RESOURCES: [Option<&str>; 4] = [Some("chat"), Some("free"), Some("other"), None];

impl Worth {
    fn cost(&self) -> Cost {
        match self {
            Self::Credits(credits, _) => Cost::Credits(*credits),
            Self::Units(a, b, _) => {
                let units = [("a".to_owned(), *a), ("b".to_owned(), *b)];
                Cost::Units(Units::new(units.into()).expect("units"))
            }
        }
    }

    fn resource(&self) -> Option<String> {
        let (Self::Credits(_, which) | Self::Units(_, _, which)) = self;
        RESOURCES[*which].map(ToOwned::to_owned)
    }
}

fn any_worth(most: i64) -> impl Strategy<Value = Worth> {
    let resource = || prop_oneof![6 => Just(0_usize), 1 => 1..4_usize];
    prop_oneof![
        3 => (1..most, resource()).prop_map(|(credits, resource)| Worth::Credits(credits, resource)),
        2 => (0..20_u64, 0..40_u64, resource()).prop_map(|(a, b, resource)| Worth::Units(a, b, resource)),
    ]
}

fn any_intent() -> impl Strategy<Value = Intent> {
    let (some, which) = (1..40_i64, 0..8_usize);
    let later = || prop::option::weighted(0.4, -3..40_i64);
    prop_oneof![
        6 => (some.clone(), prop_oneof![Just(50_i16), 49..52_i16], later(), later())
            .prop_map(|(credits, priority, begin, end)| Intent::Allocate { credits, priority, begin, end }),
        1 => which.clone().prop_map(Intent::Void),
        6 => any_worth(40).prop_map(Intent::Use),
        3 => (which.clone(), prop::option::of(some.clone())).prop_map(|(a, b)| Intent::Refund(a, b)),
        4 => (any_worth(40), 1..30_i64).prop_map(|(a, b)| Intent::Reserve(a, b)),
        3 => (which.clone(), prop::option::of(any_worth(60)), any::<bool>())
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
        let (metadata, reason) = (None, None);
        match intent.clone() {
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
            Intent::Use(worth) => {
                self.usages.push(id);
                let (cost, resource) = (worth.cost(), worth.resource());
                Action::Use(Use { usage_id: id, cost, resource, metadata })
            }
            Intent::Refund(which, credits) => {
                Action::Refund { usage_id: pick(&self.usages, which), credits, reason }
            }
            Intent::Reserve(worth, expires_in_s) => {
                self.reservations.push(id);
                let (cost, resource) = (worth.cost(), worth.resource());
                Action::Reserve(Reserve { reservation_id: id, cost, expires_in_s, resource, metadata })
            }
            Intent::Capture(which, worth, is_capped) => {
                self.usages.push(id);
                let on_shortfall = if is_capped { OnShortfall::Cap } else { OnShortfall::Reject };
                let reservation_id = pick(&self.reservations, which);
                let cost = worth.map(|worth| worth.cost());
                Action::Capture(Capture { reservation_id, usage_id: id, cost, on_shortfall })
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

/// An account with the rates that the reference has, too.
fn rated() -> Whole {
    let mut whole = Whole::new();
    whole.rates = rates();
    whole
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
        let (mut whole, mut model, mut made) = (rated(), Model::default(), Made::default());
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
        let (mut late, mut swept, mut made) = (rated(), rated(), Made::default());
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
        prop_assert_eq!(&late.events, &swept.events);
        prop_assert_eq!(&late.allocations, &swept.allocations);
        prop_assert_eq!(&late.reservations, &swept.reservations);
    }
}
