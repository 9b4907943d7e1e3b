//! Batches of allocations as their callers see them.

use std::collections::BTreeSet;

use futures_util::poll;
use serde_json::{Value, json};

use super::{Answer, Api};

const PATH: &str = "/v1/allocations/batch";

async fn send(api: &Api, key: &str, allocations: &Value) -> Answer {
    api.post_to(PATH, key, json!({"allocations": allocations})).await
}

fn outcomes(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let results = answer.body["results"].as_array().expect("results").iter();
    results
        .map(|result| {
            let code = result["code"].as_str().unwrap_or_default();
            format!("{} {code}", result["outcome"].as_str().expect("an outcome")).trim().to_owned()
        })
        .collect()
}

async fn available(api: &Api, user_id: &str) -> i64 {
    api.get_of(user_id, "").await.body["balance"]["available"].as_i64().unwrap_or(0)
}

#[tokio::test]
async fn each_allocation_has_a_result_of_its_own() {
    let api = Api::start().await;
    api.post_to("/v1/accounts/full/allocations", "f", json!({"credits": 9_007_199_254_740_991_i64})).await;
    let orders = json!([
        {"user_id": "ada", "credits": 10, "reason": "bonus", "metadata": {"batch": 1}},
        {"user_id": "bob", "credits": 20, "priority": 0, "expires_at": "2026-04-01T00:00:00Z"},
        {"user_id": "full", "credits": 1},
        {"user_id": "ada", "credits": 10, "reason": "bonus", "metadata": {"batch": 1}},
        {"user_id": "eve", "credits": 5, "expires_at": "2026-03-01T12:00:00Z"},
        {"user_id": "eve", "credits": 7, "effective_at": "2026-04-01T00:00:00Z"},
    ]);
    let first = send(&api, "b1", &orders).await;
    let expected =
        ["created", "created", "refused balance_limit", "created", "refused invalid_request", "created"];
    assert_eq!(outcomes(&first), expected);
    assert_eq!((available(&api, "ada").await, available(&api, "bob").await), (20, 20));
    let id = first.body["results"][1]["allocation_id"].as_str().expect("an id");
    let allocation = api.get_of("bob", &format!("/allocations/{id}")).await;
    assert_eq!((&allocation.body["credits"], &allocation.body["priority"]), (&json!(20), &json!(0)));
    assert_eq!(allocation.body["actor"], "client:shop");
    assert_eq!(first.body["results"][1]["user_id"], "bob");

    // The same again makes nothing twice; what was refused is tried again.
    api.post_to("/v1/accounts/full/transfers", "t", json!({"to": "x", "credits": 9, "reason": "room"})).await;
    let again = send(&api, "b1", &orders).await;
    let made = "already_created";
    assert_eq!(outcomes(&again), [made, made, "created", made, "refused invalid_request", made]);
    assert_eq!(again.body["results"][1]["allocation_id"], first.body["results"][1]["allocation_id"]);
    assert_eq!(available(&api, "ada").await, 20);

    // A key of the client's own is another one, whatever it looks like.
    let single = api.post("/allocations", "0 b1", json!({"credits": 10})).await;
    single.is(400, "invalid_idempotency_key");
    api.post("/allocations", "b1", json!({"credits": 1})).await.is_created();
    api.stop().await;
}

#[tokio::test]
async fn a_key_stays_with_the_batch_that_it_came_with() {
    let api = Api::start().await;
    api.post_to("/v1/accounts/full/allocations", "f", json!({"credits": 9_007_199_254_740_991_i64})).await;
    let refused = json!([{"user_id": "full", "credits": 1}]);
    assert_eq!(outcomes(&send(&api, "b", &refused).await), ["refused balance_limit"]);
    // Nothing of it was made, and still another body is another request.
    for other in [
        json!([{"user_id": "ada", "credits": 1}]),
        json!([{"user_id": "full", "credits": 1}, {"user_id": "ada", "credits": 1}]),
        json!([{"user_id": "full", "credits": 1, "priority": 50}]),
    ] {
        send(&api, "b", &other).await.is(422, "idempotency_key_reused");
    }
    api.get("").await.is(404, "account_not_found");
    assert_eq!(outcomes(&send(&api, "b", &refused).await), ["refused balance_limit"]);
    api.stop().await;
}

#[tokio::test]
async fn nothing_is_made_unless_every_field_is_right() {
    let api = Api::start().await;
    let good = json!({"user_id": "ada", "credits": 1});
    let wrong = json!([
        good,
        {"user_id": "", "credits": 0, "priority": 101},
        {"user_id": "x".repeat(51), "credits": 1, "reason": "r".repeat(501)},
        {"user_id": "ada", "credits": 1, "effective_at": "2026-05-01T00:00:00Z",
         "expires_at": "2026-05-01T00:00:00Z"},
        {"user_id": "ada", "credits": 1, "expires_at": "9999-12-31T23:59:59-12:00"},
        {"user_id": "..", "credits": 1},
    ]);
    let answer = send(&api, "b", &wrong).await;
    answer.is(400, "invalid_request");
    let told: BTreeSet<&str> = answer.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|error| error["pointer"].as_str().expect("a pointer"))
        .collect();
    let expected = [
        "/allocations/1/credits",
        "/allocations/1/priority",
        "/allocations/1/user_id",
        "/allocations/2/reason",
        "/allocations/2/user_id",
        "/allocations/3/expires_at",
        "/allocations/4/expires_at",
        "/allocations/5/user_id",
    ];
    assert_eq!(told, BTreeSet::from(expected));
    send(&api, "b", &json!([{"user_id": "ada", "credits": 1, "colour": "red"}]))
        .await
        .is(400, "invalid_request");
    send(&api, "b", &json!([])).await.is(400, "invalid_request");
    let too_many: Value = (0..1_001).map(|_| good.clone()).collect();
    send(&api, "b", &too_many).await.is(400, "invalid_request");
    let much_wrong: Value = (0..1_000).map(|_| json!({"user_id": "ada", "credits": 0})).collect();
    let answer = send(&api, "b", &much_wrong).await;
    assert_eq!(answer.body["errors"].as_array().map(Vec::len), Some(100));
    let large = json!([{"user_id": "ada", "credits": 1, "metadata": {"text": "x".repeat(1024 * 1024)}}]);
    send(&api, "b", &large).await.is(413, "body_too_large");
    api.get("").await.is(404, "account_not_found");
    // None of them took the key.
    assert_eq!(outcomes(&send(&api, "b", &json!([good])).await), ["created"]);
    api.stop().await;
}

#[tokio::test]
async fn a_batch_cut_off_half_way_goes_on_where_it_was() {
    let api = Api::start().await;
    let orders: Value = (0..1_000)
        .map(|i| json!({"user_id": format!("u{}", i % 10), "credits": 1, "reason": "r".repeat(500)}))
        .collect();
    let sum = async || {
        let mut sum = 0;
        for user in 0..10 {
            sum += available(&api, &format!("u{user}")).await;
        }
        sum
    };
    {
        let mut sending = Box::pin(send(&api, "b", &orders));
        while sum().await < 100 {
            assert!(poll!(&mut sending).is_pending(), "it was not cut off");
        }
    }
    let before = sum().await;
    assert!((100..1_000).contains(&before), "{before}");
    let resumed = send(&api, "b", &orders).await;
    let made = outcomes(&resumed);
    let created = i64::try_from(made.iter().filter(|one| *one == "created").count()).expect("small");
    assert!(made.iter().all(|one| one == "created" || one == "already_created"));
    assert!((1..=1_000 - before).contains(&created), "{created} after {before}");
    assert_eq!(sum().await, 1_000);
    let ids = |answer: &Answer| {
        let results = answer.body["results"].as_array().expect("results").iter();
        results.map(|result| result["allocation_id"].to_string()).collect::<Vec<_>>()
    };
    let again = send(&api, "b", &orders).await;
    assert!(outcomes(&again).iter().all(|one| one == "already_created"));
    assert_eq!(ids(&again), ids(&resumed));
    assert_eq!(ids(&again).into_iter().collect::<BTreeSet<_>>().len(), 1_000);
    assert_eq!(sum().await, 1_000);

    // Once the replies are no longer kept, what was made is still known.
    api.clock.advance(time::Duration::days(31));
    let late = send(&api, "b", &orders).await;
    assert!(outcomes(&late).iter().all(|one| one == "already_created"));
    assert_eq!(ids(&late), ids(&resumed));
    api.stop().await;
}
