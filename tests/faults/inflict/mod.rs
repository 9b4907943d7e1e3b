//! The faults by name, and who does them.

mod broker;
mod clients;
mod kills;
mod links;
mod outages;
mod points;
mod restores;

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

/// Which systems have the parts that a fault breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worlds {
    /// Processes of each service, on servers.
    Services,
    /// The all-in-one as well.
    Both,
}

/// Every fault by the name that `run.sh` takes, which reads them from these lines.
pub(crate) const FAULTS: &[(&str, Fault, Worlds)] = &[
    ("kill-accounting", Fault::KillAccounting, Worlds::Both),
    ("kill-auth", Fault::KillAuth, Worlds::Services),
    ("kill-in-slow-motion", Fault::KillInSlowMotion, Worlds::Services),
    ("kill-beside-one-stuck", Fault::KillBesideOneStuck, Worlds::Services),
    ("rolling-restart", Fault::RollingRestart, Worlds::Both),
    ("after-insert-before-publish", Fault::AfterInsertBeforePublish, Worlds::Services),
    ("after-publish-before-confirm", Fault::AfterPublishBeforeConfirm, Worlds::Services),
    ("after-confirm-before-mark", Fault::AfterConfirmBeforeMark, Worlds::Services),
    ("after-commit-before-ack", Fault::AfterCommitBeforeAck, Worlds::Services),
    ("kill-rabbitmq", Fault::KillRabbitmq, Worlds::Services),
    ("kill-postgres", Fault::KillPostgres, Worlds::Services),
    ("kill-mongodb", Fault::KillMongodb, Worlds::Services),
    ("stop-past-the-lease", Fault::StopPastTheLease, Worlds::Both),
    ("stop-with-row-locks", Fault::StopWithRowLocks, Worlds::Services),
    ("partition", Fault::Partition, Worlds::Services),
    ("reset-links", Fault::ResetLinks, Worlds::Services),
    ("slow-links", Fault::SlowLinks, Worlds::Services),
    ("drip-links", Fault::DripLinks, Worlds::Services),
    ("half-open", Fault::HalfOpen, Worlds::Services),
    ("crash-loop", Fault::CrashLoop, Worlds::Services),
    ("lose-topology", Fault::LoseTopology, Worlds::Services),
    ("lose-binding", Fault::LoseBinding, Worlds::Services),
    ("overflow", Fault::Overflow, Worlds::Services),
    ("memory-alarm", Fault::MemoryAlarm, Worlds::Services),
    ("duplicates", Fault::Duplicates, Worlds::Services),
    ("poison", Fault::Poison, Worlds::Services),
    ("half-way-clients", Fault::HalfWayClients, Worlds::Both),
    ("hammer", Fault::Hammer, Worlds::Both),
    ("clock", Fault::Clock, Worlds::Both),
    ("disk-full", Fault::DiskFull, Worlds::Services),
    ("restore-accounting", Fault::RestoreAccounting, Worlds::Both),
    ("restore-auth", Fault::RestoreAuth, Worlds::Both),
];

/// Those that come besides others, at random.
pub(crate) const COMPANIONS: &[Fault] =
    &[Fault::KillAccounting, Fault::KillAuth, Fault::ResetLinks, Fault::SlowLinks, Fault::HalfWayClients];

impl Fault {
    pub(crate) fn name(self) -> &'static str {
        self.line().0
    }

    pub(crate) fn is_for_all_in_one(self) -> bool {
        self.line().2 == Worlds::Both
    }

    fn line(self) -> &'static (&'static str, Fault, Worlds) {
        FAULTS.iter().find(|(_, fault, _)| *fault == self).expect("every fault has a line")
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
            Self::KillRabbitmq => outages::kill_rabbitmq(run).await,
            Self::KillPostgres => outages::kill_postgres(run).await,
            Self::KillMongodb => outages::kill_mongodb(run).await,
            Self::StopWithRowLocks => outages::stop_with_row_locks(run).await,
            Self::DiskFull => outages::disk_full(run).await,
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
async fn hold_for(time: std::time::Duration) {
    tokio::time::sleep(time).await;
}
