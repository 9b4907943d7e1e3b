//! Random histories of commands, against the reference, and against themselves.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::reference::rates;
use super::references::Models;
use super::rig::{Books, Whole};
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
    Transfer(usize, Option<i64>),
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

/// Between whom credits move. Two, so that they meet often.
const USERS: [&str; 2] = ["u", "v"];

/// Of which user, and what.
fn any_command() -> impl Strategy<Value = (usize, Intent)> {
    (prop_oneof![3 => Just(0_usize), 1 => Just(1)], any_intent())
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
        3 => (0..USERS.len(), prop::option::weighted(0.6, 1..60_i64))
            .prop_map(|(a, b)| Intent::Transfer(a, b)),
        1 => Just(Intent::Settle),
    ]
}

/// The newest but `which` of `made`, or one that is nowhere.
fn pick(made: &[Uuid], which: usize) -> Uuid {
    if made.is_empty() { Uuid::nil() } else { made[made.len() - 1 - which % made.len()] }
}

/// The ids that a history has made on one account.
#[derive(Default)]
struct Made {
    allocations: Vec<Uuid>,
    usages: Vec<Uuid>,
    reservations: Vec<Uuid>,
}

/// What a history has made, and the next id: far enough from the last for what a transfer
/// makes to count up.
#[derive(Default)]
struct History {
    count: u128,
    made: [Made; USERS.len()],
}

impl History {
    fn command(&mut self, (user, intent): &(usize, Intent), second: i64) -> Command {
        self.count += 1;
        let action = self.made[*user].action(intent, Uuid::from_u128(self.count << 16), second);
        let user_id = USERS[*user].to_owned();
        Command { user_id, actor: "test".to_owned(), idempotency: None, action }
    }

    /// Takes in what transfers made, so that later commands may name it.
    fn find_arrived(&mut self, books: &Books) {
        for (made, user_id) in self.made.iter_mut().zip(USERS) {
            let known: BTreeSet<Uuid> = made.allocations.iter().copied().collect();
            let all = books.accounts[user_id].allocations.keys();
            made.allocations.extend(all.filter(|id| !known.contains(id)));
        }
    }
}

/// Two accounts, with the rates that the reference knows by heart.
fn rated() -> Books {
    let mut books = Books::of(&USERS);
    books.accounts.values_mut().for_each(|whole| whole.rates = rates());
    books
}

impl Made {
    fn action(&mut self, intent: &Intent, id: Uuid, second: i64) -> Action {
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
            Intent::Transfer(to, credits) => {
                let (to, reason) = (USERS[to].to_owned(), "mistyped".to_owned());
                Action::Transfer(Transfer { transfer_id: id, to, credits, reason })
            }
            Intent::Settle => Action::Settle,
        }
    }
}

fn adjust(adjustment_id: Uuid, change: Correction) -> Action {
    Action::Adjust(Adjust { adjustment_id, change, reason: "counted again".to_owned() })
}

proptest! {
    // Some hundreds of thousands of commands.
    #![proptest_config(crate::testing::cases(5_000))]

    #[test]
    fn every_history_ends_as_in_the_reference(
        batches in prop::collection::vec((prop::collection::vec(any_command(), 1..6), 0..9_i64), 1..30)
    ) {
        let (mut books, mut models) = (rated(), Models::of(&USERS));
        let (mut history, mut second) = (History::default(), 0);
        for (batch, step) in batches {
            second += step;
            models.pass_time(second);
            let commands: Vec<Command> =
                batch.iter().map(|intent| history.command(intent, second)).collect();
            let posted = books.post(&commands, at(second));
            for (command, posted) in commands.iter().zip(posted) {
                prop_assert_eq!(posted.map(drop), models.decide(command), "{:?}", command);
            }
            // What is due only on accounts of which nobody asked is booked too, to be compared.
            books.post(&USERS.map(|user_id| Command::settle(user_id.to_owned())), at(second));
            books.check();
            models.compare(&books);
            history.find_arrived(&books);
        }
    }

    #[test]
    fn it_does_not_matter_when_somebody_looks(
        intents in prop::collection::vec((any_command(), 0..9_i64), 1..60)
    ) {
        let (mut late, mut swept) = (rated(), rated());
        let (mut history, mut second) = (History::default(), 0);
        let settle = USERS.map(|user_id| Command::settle(user_id.to_owned()));
        for (intent, step) in intents {
            for _ in 0..step {
                second += 1;
                swept.post(&settle, at(second));
            }
            let commands = [history.command(&intent, second)];
            let posted = late.post(&commands, at(second));
            prop_assert_eq!(posted, swept.post(&commands, at(second)));
            history.find_arrived(&swept);
        }
        // Reading settles too: the last look is as good as a sweep.
        late.post(&settle, at(second));
        for (late, swept) in late.accounts.values().zip(swept.accounts.values()) {
            prop_assert_eq!(&late.entries, &swept.entries);
            prop_assert_eq!(&late.events, &swept.events);
            prop_assert_eq!(&late.allocations, &swept.allocations);
            prop_assert_eq!(&late.reservations, &swept.reservations);
        }
    }

    #[test]
    fn the_past_is_explained_as_it_was(
        batches in prop::collection::vec((prop::collection::vec(any_command(), 1..4), 0..9_i64), 1..20)
    ) {
        let (mut books, mut history, mut second) = (rated(), History::default(), 0);
        let settle = USERS.map(|user_id| Command::settle(user_id.to_owned()));
        let mut seen: BTreeMap<i64, Books> = BTreeMap::new();
        let mut see = |books: &Books, second: i64| {
            let mut then = books.clone();
            then.post(&settle, at(second));
            seen.insert(second, then);
        };
        for (batch, step) in batches {
            // Also at the instants in between, at which only what falls due happens.
            (second..=second + step).for_each(|between| see(&books, between));
            second += step;
            let commands: Vec<Command> =
                batch.iter().map(|intent| history.command(intent, second)).collect();
            books.post(&commands, at(second));
            history.find_arrived(&books);
            see(&books, second);
        }
        books.post(&settle, at(second));
        for (second, then) in &seen {
            for (now, then) in books.accounts.values().zip(then.accounts.values()) {
                explains(now, then, at(*second))?;
            }
        }
    }
}

/// That `now` explains the account as it was `then`, at `at`.
fn explains(now: &Whole, then: &Whole, at: OffsetDateTime) -> Result<(), TestCaseError> {
    let explained = now.explain(at);
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
        prop_assert_eq!(one.status, was.status(at));
        prop_assert_eq!((used, one.parts.unbooked), (then.used_of(was.id), 0));
        prop_assert!(refunded <= used);
    }
    let sum = |part: fn(&Parts) -> i128| explained.iter().map(|one| part(&one.parts)).sum::<i128>();
    let Account { available, reserved, pending, .. } = then.account;
    let sums = [sum(|one| one.remaining), sum(|one| one.reserved), sum(|one| one.pending)];
    prop_assert_eq!(sums, [available, reserved, pending].map(i128::from));
    let refunded: i64 = then.usages.values().map(|usage| usage.refunded).sum();
    prop_assert_eq!(sum(|one| one.refunded), i128::from(refunded));
    Ok(())
}
