//! The end of processes: by kill -9 under load, and by a signal.

use std::collections::BTreeMap;
use std::time::Duration;

use accrue_testkit::within;
use futures_util::future::{join, join_all};

use crate::system::{Shape, System};

const USERS: usize = 40;

/// What clients were told before the process died, by user name.
type Told = BTreeMap<String, String>;

/// Registers users and allocates to each until an answer fails to come.
async fn work(system: &System, worker: usize, round: usize) -> Told {
    let mut told = Told::new();
    for i in 0..USERS {
        let name = format!("w{worker}-r{round}-{i}");
        match system.try_register(&name, Some(&name)).await {
            Ok(reply) if reply.status == 201 => {
                let user_id = reply.body["user_id"].as_str().expect("a user id").to_owned();
                told.insert(name, user_id);
            }
            Ok(reply) => assert_eq!(reply.status, 503, "{}", reply.body),
            Err(_) => break,
        }
    }
    told
}

pub(crate) async fn kill_9_loses_nothing_acknowledged(shape: Shape) {
    let mut system = System::start(shape).await;
    let mut told = Told::new();
    for round in 0..3 {
        // Killed somewhere in the middle: after the first dozen of registrations.
        let registered =
            async || system.metric(&system.auth, "user_registrations_total").await.unwrap_or(0.0);
        let kill = async {
            within(Duration::from_mins(1), "some users are registered", async || registered().await >= 12.0)
                .await;
            system.processes.iter().for_each(|process| process.signal("KILL"));
        };
        let work = join_all((0..4).map(|worker| work(&system, worker, round)));
        let (answers, ()) = join(work, kill).await;
        told.extend(answers.into_iter().flatten());
        system.kill_and_restart().await;
        // What was acknowledged is asked for again, and credits are given, twice.
        for (name, user_id) in &told {
            let again = system.try_register(name, Some(name)).await.expect("an answer");
            assert_eq!((again.status, &again.body["user_id"]), (201, &user_id.as_str().into()), "{name}");
            let key = format!("once-{name}");
            assert_eq!(system.allocate(user_id, 7, &key).await.expect("an answer").status, 201);
        }
    }
    assert!(told.len() >= 12, "only {} registrations were acknowledged", told.len());
    for user_id in told.values() {
        let account = system.active_account(user_id).await;
        assert_eq!(account["balance"]["available"], 7, "{account}");
        let entries = system.all(&format!("/v1/accounts/{user_id}/entries"), 10).await;
        assert_eq!(entries.len(), 1, "{entries:?}");
    }
    // Nobody is there twice, and there is no account without a user.
    let accounts = system.all("/v1/accounts", 200).await;
    let mut emails: Vec<_> = accounts.iter().map(|account| account["email"].as_str()).collect();
    emails.sort_unstable();
    assert!(emails.windows(2).all(|pair| pair[0] != pair[1]), "an address has two accounts");
    for account in &accounts {
        let path = format!("/v1/users/{}", account["user_id"].as_str().expect("an id"));
        assert_eq!(system.get(&system.auth, &path).await.expect("an answer").status, 200, "{account}");
    }
    system.finish(0).await;
}

pub(crate) async fn a_signal_ends_it_gracefully(shape: Shape) {
    let mut system = System::start(shape).await;
    for round in 0..2 {
        let signal = async {
            let registered = async || system.metric(&system.auth, "user_registrations_total").await;
            within(Duration::from_mins(1), "a user is registered", async || {
                registered().await.is_some_and(|count| count >= 4.0)
            })
            .await;
            system.processes.iter().for_each(|process| process.signal("INT"));
        };
        let (told, ()) = join(work(&system, 0, round), signal).await;
        for process in &mut system.processes {
            assert_eq!(process.exit().await.code(), Some(0), "{}", process.logs());
        }
        system.check_logs();
        system.kill_and_restart().await;
        for user_id in told.values() {
            system.active_account(user_id).await;
        }
    }
    system.finish(0).await;
}
