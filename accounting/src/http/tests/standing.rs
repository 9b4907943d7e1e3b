//! Accounts against auth's users, as whoever reconciles the two sees them.

use accrue_events::user::{UserSnapshot, UserStatus};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use time::macros::datetime;
use uuid::Uuid;

use super::{Answer, Api};
use crate::ledger::Command;

/// A live user.
pub(super) fn live(user_id: &str, version: i64) -> UserSnapshot {
    UserSnapshot {
        user_id: user_id.to_owned(),
        version,
        status: UserStatus::Active,
        email: None,
        email_verified: false,
        username: None,
        display_name: None,
        registered_at: datetime!(2026-03-01 12:00 UTC),
    }
}

/// Has the event of a live user arrive.
pub(super) async fn hear_of(api: &Api, user_id: &str, version: i64) {
    let user = live(user_id, version);
    api.batcher.post(Command::apply_user(user, Uuid::now_v7())).await.expect("posted").expect("applied");
}

async fn versions(api: &Api, rest: &str) -> Answer {
    let request = Request::get(format!("/v1/account-versions{rest}")).body(Body::empty());
    api.send(request.expect("a request")).await
}

async fn orphan(api: &Api, body: &Value) -> Answer {
    let request = Request::post("/v1/accounts/ada/orphan").header("content-type", "application/json");
    api.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

#[tokio::test]
async fn accounts_are_compared_page_by_page() {
    let api = Api::start().await;
    assert_eq!(versions(&api, "").await.body, json!({"data": [], "next_after": null}));
    hear_of(&api, "bob", 7).await;
    hear_of(&api, "a/b", 8).await;
    api.post("/allocations", "a", json!({"credits": 30})).await;
    api.post("/reservations", "h", json!({"credits": 10, "expires_in": 60})).await;
    api.post("/allocations", "p", json!({"credits": 5, "effective_at": "2026-03-01T13:00:00Z"})).await;
    let all = versions(&api, "").await;
    let ada = json!({"user_id": "ada", "user_version": null, "status": "placeholder", "available": 20,
                     "reserved": 10, "pending": 5, "created_at": "2026-03-01T12:00:00Z"});
    let bob = json!({"user_id": "bob", "user_version": 7, "status": "active", "available": 0,
                     "reserved": 0, "pending": 0, "created_at": "2026-03-01T12:00:00Z"});
    assert_eq!((&all.body["data"][1], &all.body["data"][2]), (&ada, &bob));
    assert_eq!(all.body["next_after"], Value::Null);
    let first = versions(&api, "?limit=2").await;
    assert_eq!(first.body["next_after"], "ada");
    let second = versions(&api, "?after=ada&limit=2").await;
    assert_eq!(second.body, json!({"data": [bob], "next_after": null}));
    assert_eq!(versions(&api, "/ada").await.body, ada);
    assert_eq!(versions(&api, "/a%2Fb").await.body["user_version"], 8);
    versions(&api, "/eve").await.is(404, "account_not_found");
    versions(&api, "?cursor=x").await.is(400, "invalid_query");
    for wrong in ["?limit=0", "?limit=1001", "?after=a%00"] {
        versions(&api, wrong).await.is(400, "invalid_request");
    }
    api.stop().await;
}

#[tokio::test]
async fn an_account_without_a_user_is_marked() {
    let api = Api::start().await;
    orphan(&api, &json!({"user_version": 7})).await.is(404, "account_not_found");
    api.post("/allocations", "a", json!({"credits": 30})).await;
    orphan(&api, &json!({"user_version": null})).await.is(409, "account_changed");
    hear_of(&api, "ada", 7).await;
    orphan(&api, &json!({"user_version": 6})).await.is(409, "account_changed");
    for wrong in [json!({}), json!({"user_version": "7"}), json!({"user_version": 7, "status": "closed"})] {
        orphan(&api, &wrong).await.is(400, "invalid_request");
    }
    let marked = orphan(&api, &json!({"user_version": 7})).await;
    let expected = json!({"user_id": "ada", "user_version": 7, "status": "orphaned", "available": 30,
                          "reserved": 0, "pending": 0, "created_at": "2026-03-01T12:00:00Z"});
    assert_eq!((marked.status.as_u16(), &marked.body), (200, &expected));
    let again = orphan(&api, &json!({"user_version": 7})).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &expected));
    assert_eq!(api.get("").await.body["status"], "orphaned");
    hear_of(&api, "ada", 7).await;
    assert_eq!(api.get("").await.body["status"], "active");
    api.stop().await;
}
