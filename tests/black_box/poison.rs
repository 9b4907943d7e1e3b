//! Messages that no consumer can use: to the dead letters, holding nothing up.

use accrue_events::broker::{Destination, Message, Publication};
use accrue_testkit::eventually;
use uuid::Uuid;

use crate::system::{Shape, System};

fn message(body: &[u8]) -> Message {
    Message {
        id: Uuid::now_v7(),
        routing_key: "user.registered".to_owned(),
        content_type: "application/cloudevents+json".to_owned(),
        body: body.to_vec(),
        traceparent: None,
    }
}

/// An event as another producer might write it, but for what `change` does to it.
fn odd_event(user_id: &str, change: impl FnOnce(&mut serde_json::Value)) -> Message {
    let mut event = serde_json::json!({
        "specversion": "1.0",
        "id": Uuid::now_v7(),
        "source": "elsewhere",
        "type": "accrue.user.registered.v1",
        "subject": user_id,
        "time": "2026-01-01T00:00:00Z",
        "data": {
            "user_id": user_id, "version": 1, "status": "active", "email": "eve@example.com",
            "registered_at": "2026-01-01T00:00:00Z",
        },
    });
    change(&mut event);
    message(event.to_string().as_bytes())
}

pub(crate) async fn goes_to_the_dead_letters_and_holds_nothing_up(shape: Shape) {
    let system = System::start(shape).await;
    let poison = [
        message(b"no json"),
        message(b""),
        message(&[0xff, 0x00, 0xfe]),
        message(b"{}"),
        odd_event("u1", |event| event["data"]["version"] = "one".into()),
        odd_event("u2", |event| event["subject"] = "somebody-else".into()),
        odd_event(&"u".repeat(51), |_| {}),
        odd_event("u3", |event| event["data"]["email"] = "a\0b".into()),
        odd_event("u4", |event| event["data"]["registered_at"] = "yesterday".into()),
        odd_event("u5", |event| event["specversion"] = "0.3".into()),
    ];
    let harmless = [
        // Not for us: acked and counted.
        odd_event("u6", |event| event["type"] = "accrue.user.sneezed.v1".into()),
        // As good as auth's own, with a member that we do not know.
        odd_event("u7", |event| event["data"]["shoe_size"] = 43.into()),
    ];
    let mut publisher = system.broker().publisher(Destination::Users);
    publisher.connect().await.expect("connected");
    let before = system.register("before").await;
    let all = [&poison[..], &harmless[..]].concat();
    let outcomes = publisher.publish(&all).await.expect("published");
    assert!(outcomes.iter().all(|one| *one == Publication::Confirmed));
    let after = system.register("after").await;

    for user_id in [&before, &after, "u7"] {
        system.active_account(user_id).await;
    }
    let dead_letters = system.broker().dead_letters();
    let listed = eventually("every poison message is a dead letter", async || {
        let listed = dead_letters.list(100).await.expect("the dead letters can be read");
        (listed.len() == poison.len()).then_some(listed)
    })
    .await;
    for message in &poison {
        let letter = listed.iter().find(|letter| letter.id == message.id.to_string());
        assert_eq!(letter.expect("it is listed").body, message.body);
    }
    assert_eq!(system.accounts(50).await.len(), 3, "poison made an account");
    system.finish(u64::try_from(poison.len()).expect("few")).await;
}
