//! A broker that loses what was declared, has no room, or is given what nobody can read.

use std::time::Duration;

use accrue_events::broker::{Destination, Message, Publication};
use accrue_testkit::{Heard, TestRabbit, within};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::inflict::hold_for;
use crate::member::Service;
use crate::reply::send;
use crate::run::Run;
use crate::settling::drained;
use crate::system::{Stores, System};

/// How often each event comes once more.
const COPIES: usize = 10;

fn rabbit(system: &System) -> &TestRabbit {
    let Stores::Servers(stores) = &system.stores else { panic!("a fault of two services") };
    &stores.2
}

/// Every exchange and queue is deleted, with what is in it.
pub(super) async fn lose_topology(run: &mut Run<'_>) {
    rabbit(&run.system).lose_topology().await;
    run.needs_replay = true;
    hold_for(run.dice.millis(500..3000)).await;
}

/// What is published reaches no queue, which the broker says; or it reaches somebody else's alone, which
/// nobody is told: the binding comes back, and what was published meanwhile is for a replay.
pub(super) async fn lose_binding(run: &mut Run<'_>) {
    let mut someone_else = None;
    if run.dice.percent(50) {
        someone_else = Some(rabbit(&run.system).listen("users", "user.#").await);
    }
    rabbit(&run.system).lose_binding().await;
    hold_for(run.dice.millis(500..3000)).await;
    if someone_else.is_some() {
        within(Duration::from_secs(20), "the binding comes back by itself", async || {
            let registered = run.registered(&format!("bound{}", Uuid::new_v4())).await;
            let user_id = registered.user_id.clone().expect("it was acknowledged");
            run.history.push(registered);
            hold_for(Duration::from_millis(500)).await;
            run.system.account(&user_id).await["status"] == "active"
        })
        .await;
        run.needs_replay = true;
    }
}

/// The queue is full while nobody consumes.
pub(super) async fn overflow(run: &mut Run<'_>) {
    let servers = run.servers();
    let queue = format!("^{}[.]accounting[.]users$", rabbit(&run.system).prefix());
    let policy = ["set_policy", "full", &queue, r#"{"max-length":3}"#, "--apply-to", "queues"];
    servers.rabbitmq.control(&policy).await;
    run.system.kill(Service::Accounting);
    for number in 0..8 {
        let registered = run.registered(&format!("over{number}")).await;
        run.history.push(registered);
    }
    within(Duration::from_mins(1), "some are refused", async || {
        run.system.total(Service::Auth, "outbox_unconfirmed_total").await > 0.0
    })
    .await;
    run.system.restart(Service::Accounting);
    hold_for(run.dice.millis(500..3000)).await;
    servers.rabbitmq.control(&["clear_policy", "full"]).await;
}

/// The broker reads nothing from those who publish.
pub(super) async fn memory_alarm(run: &mut Run<'_>) {
    let servers = run.servers();
    servers.rabbitmq.control(&["set_vm_memory_high_watermark", "0.000001"]).await;
    for number in 0..4 {
        let registered = run.registered(&format!("alarm{number}")).await;
        run.history.push(registered);
    }
    hold_for(run.dice.millis(3000..8000)).await;
    servers.rabbitmq.control(&["set_vm_memory_high_watermark", "0.4"]).await;
}

async fn publish(system: &System, messages: &[Message]) {
    let mut publisher = system.broker().expect("there is one").publisher(Destination::Users);
    publisher.connect().await.expect("the broker is there");
    let publications = publisher.publish(messages).await.expect("the broker is there");
    assert_eq!(publications, vec![Publication::Confirmed; messages.len()]);
}

/// Every event comes ten times more, in any order, those that are stale by then among them.
pub(super) async fn duplicates(run: &mut Run<'_>) {
    let listener = rabbit(&run.system).listen("users", "user.#").await;
    hold_for(run.dice.millis(3000..6000)).await;
    let registered = run.registered("heard").await;
    run.history.push(registered);
    let mut heard: Vec<Heard> = Vec::new();
    within(Duration::from_secs(20), "events were heard", async || {
        heard.extend(listener.take().await);
        !heard.is_empty()
    })
    .await;
    let copy = |heard: &Heard| Message {
        id: heard.message_id.as_deref().and_then(|id| Uuid::parse_str(id).ok()).expect("ours have ids"),
        routing_key: heard.routing_key.clone(),
        content_type: "application/cloudevents+json".to_owned(),
        body: heard.body.clone(),
        traceparent: None,
    };
    let mut messages: Vec<Message> = (0..COPIES).flat_map(|_| heard.iter().map(copy)).collect();
    run.dice.shuffle(&mut messages);
    publish(&run.system, &messages).await;
}

/// Everything that is no event, or none that any store could keep.
fn poisons() -> Vec<Vec<u8>> {
    let event = json!({
        "specversion": "1.0", "id": Uuid::now_v7(), "source": "accrue/auth", "subject": "poisoned",
        "type": "accrue.user.registered.v1", "time": "2026-01-02T03:04:05Z",
        "datacontenttype": "application/json",
        "data": {
            "user_id": "poisoned", "version": 1, "status": "active", "email": "poisoned@example.com",
            "email_verified": false, "display_name": "P", "registered_at": "2026-01-02T03:04:05Z",
        },
    });
    let changed = |pointer: &str, value: Value| {
        let mut event = event.clone();
        *event.pointer_mut(pointer).expect("a part of an event") = value;
        event.to_string().into_bytes()
    };
    vec![
        Vec::new(),
        b"not JSON".to_vec(),
        b"{}".to_vec(),
        b"\xff\xfe\x00".to_vec(),
        changed("/specversion", "0.3".into()),
        changed("/subject", "somebody else".into()),
        changed("/data", Value::Null),
        changed("/data/user_id", 7.into()),
        changed("/data/version", (-1).into()),
        changed("/data/status", "deleted".into()),
        changed("/data/display_name", "N\0L".into()),
        changed("/data/display_name", "x".repeat(300 * 1024).into()),
        changed("/time", "yesterday".into()),
    ]
}

/// What nobody can read comes among the events, ends as dead letters, and is dropped by an operator. What
/// is only not for us is passed over.
pub(super) async fn poison(run: &mut Run<'_>) {
    let message = |body: Vec<u8>| Message {
        id: Uuid::now_v7(),
        routing_key: "user.registered".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        body,
        traceparent: None,
    };
    let poison: Vec<Message> = poisons().into_iter().map(message).collect();
    let foreign = json!({"specversion": "1.0", "type": "accrue.user.promoted.v1"});
    let mut messages = poison.clone();
    messages.push(message(foreign.to_string().into_bytes()));
    run.dice.shuffle(&mut messages);
    publish(&run.system, &messages).await;
    within(Duration::from_mins(1), "all of it is given up on", async || {
        run.system.depth().await.is_some_and(|depth| depth.dead_letters == poison.len() as u64)
    })
    .await;
    let paused = run.load().pause().await;
    drained(&run.system).await;
    for message in &poison {
        let path = format!("/v1/admin/dead-letters/{}", message.id);
        let reply = send(run.system.request(Method::DELETE, Service::Accounting, 0, &path)).await;
        assert_eq!(reply.expect("an answer").status, 204, "I8: {} is no dead letter", message.id);
    }
    drop(paused);
}
