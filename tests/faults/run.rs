//! One run: a system under load, faults as a seed has them, and what must hold afterwards.

use accrue_testkit::eventually;

use crate::dice::{Dice, Whose};
use crate::inflict::Fault;
use crate::invariants;
use crate::load::{Load, Manner};
use crate::operation::Operation;
use crate::servers::Servers;
use crate::system::System;

/// In seconds.
const HOUR: i64 = 3_600;

/// What a run is about.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    /// One after the other, under load.
    pub(crate) faults: Vec<Fault>,
    pub(crate) all_in_one: bool,
}

/// A system, those who use it, and what has become of what they asked for.
pub(crate) struct Run<'a> {
    /// Absent where all is in one process.
    servers: Option<&'a Servers>,
    pub(crate) system: System,
    load: Option<Load>,
    /// How often the load began: each time with other users and keys.
    loads: u64,
    pub(crate) manner: Manner,
    pub(crate) dice: Dice,
    plan: Plan,
    pub(crate) history: Vec<Operation>,
    /// Users whom a restored backup of auth does not know any more.
    pub(crate) lost_users: Vec<String>,
    /// Events may be gone from the broker: the operator replays them.
    pub(crate) needs_replay: bool,
    /// Innocent messages may be dead letters: the operator sends them back.
    pub(crate) needs_redrive: bool,
}

impl<'a> Run<'a> {
    /// Does what is planned, checks what must hold, and says how much was asked for.
    pub(crate) async fn go(plan: &Plan, servers: Option<&'a Servers>) -> String {
        let mut run = Self::start(plan, servers).await;
        run.begin_load();
        for &fault in &plan.faults {
            // Requests are under way in every part when the fault comes.
            let before = run.dice.millis(400..1500);
            tokio::time::sleep(before).await;
            fault.inflict(&mut run).await;
            run.system.heal().await;
        }
        run.end_load().await;
        let peak = invariants::check(&mut run).await;
        let done = run.history.iter().filter(|operation| operation.is_done()).count();
        format!("{} operations, {done} of them done; a process had {peak} MiB at most", run.history.len())
    }

    async fn start(plan: &Plan, servers: Option<&'a Servers>) -> Self {
        let system = match servers.filter(|_| !plan.all_in_one) {
            Some(servers) => System::on(servers).await,
            None => System::all_in_one().await,
        };
        let mut dice = Dice::of(plan.seed, plan.number, Whose::Run);
        let manner = Manner {
            name: format!("s{}r{}", plan.seed, plan.number),
            clients: dice.place(3) + 2,
            hangs_up_percent: dice.among(0..10),
            doubles_percent: dice.among(5..25),
            shares_percent: dice.among(10..40),
            // In one process there is no other clock than the one that may be an hour ahead.
            soonest_end: if plan.all_in_one { 2 * HOUR } else { 500 },
            shared: Vec::new(),
        };
        let plan = plan.clone();
        let (load, history, lost_users) = (None, Vec::new(), Vec::new());
        let (needs_replay, needs_redrive) = (false, false);
        let mut run = Self {
            servers,
            system,
            load,
            loads: 0,
            manner,
            dice,
            plan,
            history,
            lost_users,
            needs_replay,
            needs_redrive,
        };
        run.share_accounts().await;
        run
    }

    /// Users whose accounts all clients spend from, until nothing is left.
    async fn share_accounts(&mut self) {
        for number in 0..2 {
            let register = self.registered(&format!("shared{number}")).await;
            let user_id = register.user_id.clone().expect("it was acknowledged");
            let mut allocate =
                Operation::allocate(&user_id, 900, format!("{}-all-{number}", self.manner.name));
            allocate.send(&self.system.target, 0).await;
            assert!(allocate.is_done(), "{} before any fault", allocate.name());
            self.history.extend([register, allocate]);
            self.manner.shared.push(user_id);
        }
    }

    pub(crate) fn servers(&self) -> &'a Servers {
        self.servers.expect("a fault of servers")
    }

    pub(crate) fn load(&self) -> &Load {
        self.load.as_ref().expect("the load is on")
    }

    pub(crate) fn begin_load(&mut self) {
        let (seed, number) = (self.plan.seed, self.plan.number);
        self.loads += 1;
        let loads = self.loads;
        let dice = |client| Dice::of(seed, number, Whose::Client { loads, client });
        let name = format!("{}l{loads}", self.manner.name);
        let manner = Manner { name, ..self.manner.clone() };
        self.load = Some(Load::start(&self.system.target, &manner, dice));
    }

    /// Ends what clients do, and takes what they did into the history.
    pub(crate) async fn end_load(&mut self) {
        if let Some(load) = self.load.take() {
            self.history.extend(load.stop().await);
        }
    }

    /// Registers a user, who is acknowledged in the end.
    pub(crate) async fn registered(&self, name: &str) -> Operation {
        let name = format!("{}-{name}", self.manner.name);
        let mut operation = Operation::register(&name, &name);
        eventually("the user is registered", async || {
            operation.send(&self.system.target, 0).await;
            operation.is_done()
        })
        .await;
        operation
    }
}
