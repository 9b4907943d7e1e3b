//! What is waited for once a system is healed: answers, and empty queues.

use std::time::Duration;

use accrue_testkit::within;

use crate::member::Service;
use crate::operation::{Operation, Outcome};
use crate::run::Run;
use crate::system::System;

/// I5: what had no answer gets one under the same key.
pub(crate) async fn resolve(system: &System, history: &mut [Operation]) {
    for (number, operation) in history.iter_mut().enumerate() {
        if operation.outcome == Outcome::Unknown && operation.key.is_some() {
            let what = format!("I5: {} is answered", operation.name());
            within(Duration::from_mins(1), &what, async || {
                operation.send(&system.target, number).await;
                operation.outcome != Outcome::Unknown
            })
            .await;
            operation.check_refusal();
        }
    }
}

/// I9: nothing waits in the outbox.
pub(crate) async fn published(system: &System) {
    within(Duration::from_secs(90), "I9: the outbox drains", async || {
        system.metric(Service::Auth, 0, "outbox_depth").await == Some(0.0)
    })
    .await;
}

/// I8, I9: nothing waits in the outbox or the queues.
pub(crate) async fn drained(system: &System) {
    published(system).await;
    within(Duration::from_mins(2), "I8: the queues drain", async || {
        system.depth().await.is_some_and(|depth| depth.queue == 0 && depth.retry == 0)
    })
    .await;
}

/// What docs/operations.md tells an operator to do, where the fault calls for it.
pub(crate) async fn do_what_the_operator_must(run: &mut Run<'_>) {
    if run.needs_replay {
        published(&run.system).await;
        run.system.operate_well(&["replay", "--all", "--wait"]).await;
        drained(&run.system).await;
    }
    if run.needs_redrive {
        run.system.operate_well(&["dlq", "redrive", "--yes"]).await;
        drained(&run.system).await;
    }
}
