//! The faults by name, and who does them.

mod broker;
mod clients;
mod kills;
mod links;
mod points;
mod restores;
mod stores;

pub(crate) use crate::inflict::kills::fake_clock;
use crate::run::Run;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    KillAccounting,
    KillAuth,
    KillInSlowMotion,
    KillBesideOneStuck,
    RollingRestart,
    AfterInsertBeforePublish,
    AfterPublishBeforeConfirm,
    AfterConfirmBeforeMark,
    AfterCommitBeforeAck,
    KillRabbitmq,
    KillPostgres,
    KillMongodb,
    StopPastTheLease,
    StopWithRowLocks,
    Partition,
    ResetLinks,
    SlowLinks,
    DripLinks,
    HalfOpen,
    CrashLoop,
    LoseTopology,
    LoseBinding,
    Overflow,
    MemoryAlarm,
    Duplicates,
    Poison,
    HalfWayClients,
    Hammer,
    Clock,
    DiskFull,
    RestoreAccounting,
    RestoreAuth,
}

/// Every fault by the name that `run.sh` takes, in the order in which runs take their turns.
pub(crate) const FAULTS: &[(&str, Fault)] = &[
    ("kill-accounting", Fault::KillAccounting),
    ("kill-auth", Fault::KillAuth),
    ("kill-in-slow-motion", Fault::KillInSlowMotion),
    ("kill-beside-one-stuck", Fault::KillBesideOneStuck),
    ("rolling-restart", Fault::RollingRestart),
    ("after-insert-before-publish", Fault::AfterInsertBeforePublish),
    ("after-publish-before-confirm", Fault::AfterPublishBeforeConfirm),
    ("after-confirm-before-mark", Fault::AfterConfirmBeforeMark),
    ("after-commit-before-ack", Fault::AfterCommitBeforeAck),
    ("kill-rabbitmq", Fault::KillRabbitmq),
    ("kill-postgres", Fault::KillPostgres),
    ("kill-mongodb", Fault::KillMongodb),
    ("stop-past-the-lease", Fault::StopPastTheLease),
    ("stop-with-row-locks", Fault::StopWithRowLocks),
    ("partition", Fault::Partition),
    ("reset-links", Fault::ResetLinks),
    ("slow-links", Fault::SlowLinks),
    ("drip-links", Fault::DripLinks),
    ("half-open", Fault::HalfOpen),
    ("crash-loop", Fault::CrashLoop),
    ("lose-topology", Fault::LoseTopology),
    ("lose-binding", Fault::LoseBinding),
    ("overflow", Fault::Overflow),
    ("memory-alarm", Fault::MemoryAlarm),
    ("duplicates", Fault::Duplicates),
    ("poison", Fault::Poison),
    ("half-way-clients", Fault::HalfWayClients),
    ("hammer", Fault::Hammer),
    ("clock", Fault::Clock),
    ("disk-full", Fault::DiskFull),
    ("restore-accounting", Fault::RestoreAccounting),
    ("restore-auth", Fault::RestoreAuth),
];

/// Those that come besides others, at random.
pub(crate) const COMPANIONS: &[Fault] =
    &[Fault::KillAccounting, Fault::KillAuth, Fault::ResetLinks, Fault::SlowLinks, Fault::HalfWayClients];

/// Those that the all-in-one has the parts for.
const ALL_IN_ONE: &[Fault] = &[
    Fault::KillAccounting,
    Fault::RollingRestart,
    Fault::StopPastTheLease,
    Fault::HalfWayClients,
    Fault::Hammer,
    Fault::Clock,
    Fault::RestoreAccounting,
    Fault::RestoreAuth,
];

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        let mut named = FAULTS.iter().filter(|(_, fault)| *fault == self);
        named.next().expect("every fault has a name").0
    }

    pub(crate) fn is_for_all_in_one(self) -> bool {
        ALL_IN_ONE.contains(&self)
    }

    /// Does it, under the run's load.
    pub(crate) async fn inflict(self, run: &mut Run<'_>) {
        match self {
            Self::KillAccounting => kills::accounting(run).await,
            Self::KillAuth => kills::auth(run).await,
            Self::KillInSlowMotion => kills::in_slow_motion(run).await,
            Self::KillBesideOneStuck => points::beside_one_stuck(run).await,
            Self::RollingRestart => kills::rolling_restart(run).await,
            Self::CrashLoop => kills::crash_loop(run).await,
            Self::StopPastTheLease => kills::stop_past_the_lease(run).await,
            Self::Clock => kills::clock(run).await,
            Self::AfterInsertBeforePublish => points::after_insert(run).await,
            Self::AfterPublishBeforeConfirm => points::after_publish(run).await,
            Self::AfterConfirmBeforeMark => points::after_confirm(run).await,
            Self::AfterCommitBeforeAck => points::after_commit(run).await,
            Self::KillRabbitmq => stores::kill_rabbitmq(run).await,
            Self::KillPostgres => stores::kill_postgres(run).await,
            Self::KillMongodb => stores::kill_mongodb(run).await,
            Self::StopWithRowLocks => stores::stop_with_row_locks(run).await,
            Self::DiskFull => stores::disk_full(run).await,
            Self::Partition => links::partition(run).await,
            Self::ResetLinks => links::reset(run).await,
            Self::SlowLinks => links::slow(run).await,
            Self::DripLinks => links::drip(run).await,
            Self::HalfOpen => links::half_open(run).await,
            Self::LoseTopology => broker::lose_topology(run).await,
            Self::LoseBinding => broker::lose_binding(run).await,
            Self::Overflow => broker::overflow(run).await,
            Self::MemoryAlarm => broker::memory_alarm(run).await,
            Self::Duplicates => broker::duplicates(run).await,
            Self::Poison => broker::poison(run).await,
            Self::HalfWayClients => clients::half_way(run).await,
            Self::Hammer => clients::hammer(run).await,
            Self::RestoreAccounting => restores::accounting(run).await,
            Self::RestoreAuth => restores::auth(run).await,
        }
    }
}

/// How long a fault holds: a part of the fault, not a wait for anything.
async fn last(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}
