//! Transfers as their callers see them.

use serde_json::{Value, json};

use super::{Answer, Api};

/// What `user_id` has, and where the account stands.
async fn account(api: &Api, user_id: &str) -> Value {
    let answer = api.get_of(user_id, "").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[tokio::test]
async fn credits_of_a_mistyped_id_get_where_they_were_meant_to_go() {
    let api = Api::start().await;
    api.post("/allocations", "a", json!({"credits": 30, "priority": 10})).await;
    api.post("/allocations", "p", json!({"credits": 5, "effective_at": "2026-03-01T13:00:00Z"})).await;
    api.post("/reservations", "h", json!({"credits": 4, "expires_in": 60})).await;
    let part = json!({"to": "bob", "credits": 6, "reason": "mistyped"});
    let first = api.post("/transfers", "t1", part.clone()).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(
        (&first.body["transfer"]["from"], &first.body["transfer"]["to"]),
        (&json!("ada"), &json!("bob"))
    );
    let again = api.post("/transfers", "t1", part).await;
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&first.body, Some("true")));

    let all = api.post("/transfers", "t2", json!({"to": "bob", "all": true, "reason": "mistyped"})).await;
    assert_eq!((&all.body["transfer"]["credits"], &all.body["transfer"]["pending"]), (&json!(20), &json!(5)));
    assert_eq!(all.body["balance"], json!({"available": 0, "reserved": 4, "pending": 0}));
    assert_eq!(all.body["target"]["balance"], json!({"available": 26, "reserved": 0, "pending": 5}));
    assert_eq!(account(&api, "bob").await["balance"], all.body["target"]["balance"]);
    let out =
        api.get(all.header("location").expect("an address").trim_start_matches("/v1/accounts/ada")).await;
    assert_eq!((&out.body["kind"], &out.body["counterparty"]), (&json!("transfer_out"), &json!("bob")));
    assert_eq!((&out.body["reason"], &out.body["credits"]), (&json!("mistyped"), &json!(-20)));
    let into = api.get_of("bob", "/entries?kind=transfer_in").await;
    assert_eq!(into.body["data"][0]["reference"], out.body["reference"]);
    assert_eq!(into.body["data"][0]["counterparty"], "ada");
    let arrived = all.body["transfer"]["allocations"][0]["arrived_as"].as_str().expect("an id");
    let allocation = api.get_of("bob", &format!("/allocations/{arrived}")).await;
    assert_eq!((&allocation.body["priority"], &allocation.body["credits"]), (&json!(10), &json!(20)));
    let origin = &allocation.body["metadata"]["transferred_from"];
    assert_eq!((&origin["user_id"], &origin["transfer_id"]), (&json!("ada"), &all.body["transfer"]["id"]));
    let pending = all.body["transfer"]["allocations"][1]["arrived_as"].as_str().expect("an id");
    assert_eq!(api.get_of("bob", &format!("/allocations/{pending}")).await.body["status"], "pending");
    api.stop().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_transfer_is_told() {
    let api = Api::start().await;
    let send = async |body: Value| api.post("/transfers", "t", body).await;
    let to_bob = |rest: Value| {
        let mut body = json!({"to": "bob", "reason": "mistyped"});
        body.as_object_mut().expect("an object").extend(rest.as_object().expect("an object").clone());
        body
    };
    send(to_bob(json!({"credits": 1}))).await.is(402, "insufficient_credits");
    let nothing = send(to_bob(json!({"all": true}))).await;
    nothing.is(409, "nothing_to_transfer");
    assert_eq!(nothing.body["reserved"], 0);
    api.get_of("bob", "").await.is(404, "account_not_found");
    api.get("").await.is(404, "account_not_found");
    let pointer = |answer: &Answer| {
        answer.is(400, "invalid_request");
        answer.body["errors"][0]["pointer"].as_str().expect("a pointer").to_owned()
    };
    for (body, expected) in [
        (to_bob(json!({})), "/credits"),
        (to_bob(json!({"credits": 1, "all": true})), "/credits"),
        (to_bob(json!({"credits": 0})), "/credits"),
        (to_bob(json!({"all": false})), "/all"),
        (to_bob(json!({"all": true, "reason": " "})), "/reason"),
        (to_bob(json!({"all": true, "to": "ada"})), "/to"),
        (to_bob(json!({"all": true, "to": ""})), "/to"),
        (to_bob(json!({"all": true, "to": "x".repeat(51)})), "/to"),
    ] {
        assert_eq!(pointer(&send(body.clone()).await), expected, "{body}");
    }
    api.post("/allocations", "a", json!({"credits": 5})).await;
    let full = format!("/v1/accounts/{}/allocations", "full");
    api.post_to(&full, "f", json!({"credits": 9_007_199_254_740_990_i64})).await;
    let refused = send(json!({"to": "full", "credits": 2, "reason": "x"})).await;
    refused.is(409, "balance_limit");
    assert!(refused.body["detail"].as_str().expect("text").contains("`to`"), "{}", refused.body);
    send(json!({"to": "full", "credits": 1, "reason": "x"})).await.is_created();
    let other = send(json!({"to": "bob", "credits": 1, "reason": "x"})).await;
    other.is(422, "idempotency_key_reused");
    api.stop().await;
}
