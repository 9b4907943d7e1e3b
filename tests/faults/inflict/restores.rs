//! Stores that went back in time, and what an operator does then: `docs/operations.md`,
//! "Restoring a backup".

use std::path::Path;

use accrue_testkit::{TestMongo, TestPostgres};
use tempfile::TempDir;

use crate::inflict::hold_for;
use crate::member::Service;
use crate::operation::{Kind, Operation};
use crate::run::Run;
use crate::settling::{drained, resolve};
use crate::system::{Stores, System};

enum Backup {
    Files(TempDir),
    Mongo(TestMongo),
    Postgres(TestPostgres),
}

/// Copies a service's store while none of its processes runs.
async fn back_up(system: &System, service: Service) -> Backup {
    match (&system.stores, service) {
        (Stores::Files(dir), _) => {
            let copy = accrue_testkit::data_dir();
            copy_database(file_of(service), dir.path(), copy.path());
            Backup::Files(copy)
        }
        (Stores::Servers(stores), Service::Auth) => Backup::Mongo(stores.0.back_up().await),
        (Stores::Servers(stores), Service::Accounting) => Backup::Postgres(stores.1.back_up().await),
    }
}

async fn restore(system: &System, service: Service, backup: &Backup) {
    match (&system.stores, backup) {
        (Stores::Files(dir), Backup::Files(copy)) => {
            copy_database(file_of(service), copy.path(), dir.path());
        }
        (Stores::Servers(stores), Backup::Mongo(copy)) => stores.0.restore(copy).await,
        (Stores::Servers(stores), Backup::Postgres(copy)) => stores.1.restore(copy).await,
        _ => panic!("a backup of another kind"),
    }
}

fn file_of(service: Service) -> &'static str {
    match service {
        Service::Auth => "auth.db",
        Service::Accounting => "accounting.db",
    }
}

/// Goes back to a backup after a while of load, and gives what was asked for in that while.
async fn go_back(run: &mut Run<'_>, service: Service) -> Vec<Operation> {
    run.end_load().await;
    resolve(&run.system, &mut run.history).await;
    drained(&run.system).await;
    run.system.kill(service);
    let backup = back_up(&run.system, service).await;
    run.system.heal().await;

    let before = std::mem::take(&mut run.history);
    let manner = run.manner.clone();
    run.manner.shared.clear();
    run.begin_load();
    hold_for(run.dice.millis(1500..4000)).await;
    run.end_load().await;
    resolve(&run.system, &mut run.history).await;
    drained(&run.system).await;
    run.manner = manner;
    let late = std::mem::replace(&mut run.history, before);

    run.system.kill(service);
    restore(&run.system, service, &backup).await;
    run.system.heal().await;
    late
}

/// Nothing about users is lost. What credits were moved since the backup is lost, which the operator
/// knows: those who asked for it may ask again.
pub(super) async fn accounting(run: &mut Run<'_>) {
    let late = go_back(run, Service::Accounting).await;
    run.history.extend(late.into_iter().filter(|operation| operation.kind.service() == Service::Auth));
    run.system.operate_well(&["replay", "--all", "--wait"]).await;
    drained(&run.system).await;
    run.system.operate_well(&["reconcile", "--repair"]).await;
    run.begin_load();
}

/// Users since the backup are gone; accounts of theirs are marked, and keep their credits.
pub(super) async fn auth(run: &mut Run<'_>) {
    let late = go_back(run, Service::Auth).await;
    for operation in late {
        if operation.kind.service() == Service::Accounting {
            run.history.push(operation);
        } else if operation.kind == Kind::Register && operation.is_done() {
            run.lost_users.extend(operation.user_id);
        }
    }
    // It exits with 1 where users changed who are in the backup, which is up to the load.
    let (code, said) = run.system.operate(&["reconcile", "--repair"]).await;
    assert!(matches!(code, Some(0 | 1)), "reconcile --repair: {said}");
    run.begin_load();
}

/// Copies the SQLite database `name` and what belongs to it.
fn copy_database(name: &str, from: &Path, to: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{name}{suffix}");
        if from.join(&file).exists() {
            std::fs::copy(from.join(&file), to.join(&file)).expect("copied");
        } else {
            drop(std::fs::remove_file(to.join(&file)));
        }
    }
}
