//! Many users in one request.

use accrue_auth::domain::LoginName;
use axum::http::Request;
use serde_json::{Value, json};

use crate::harness::{Answer, Auth};

async fn send(auth: &Auth, key: Option<&str>, users: &Value) -> Answer {
    let token = auth.service_token("users:admin").await;
    let mut request = Request::post("/v1/users/batch")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    auth.ask(request.body(json!({"users": users}).to_string().into()).expect("a request")).await
}

fn outcomes(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let results = body["results"].as_array().expect("results").iter();
    results
        .map(|result| {
            let code = result["code"].as_str().unwrap_or_default();
            format!("{} {code}", result["outcome"].as_str().expect("an outcome")).trim().to_owned()
        })
        .collect()
}

#[tokio::test]
async fn each_user_has_a_result_of_their_own() {
    let auth = Auth::start().await;
    let users = json!([
        {"email": "ada@example.com", "password": "correct horse", "roles": ["supervisor"]},
        {"email": "ada@example.com"},
        {"email": "ida@example.com", "username": "ida", "email_verified": true},
        {"email": "eda@example.com", "username": "IDA"},
        {"password": "short", "roles": ["emperor"]},
    ]);
    let answer = send(&auth, Some("import-1"), &users).await;
    let mut told = outcomes(&answer);
    // The first two are under way at once: either may be the one.
    told[..2].sort();
    told[2..4].sort();
    let expected =
        ["created", "refused email_taken", "created", "refused username_taken", "refused invalid_request"];
    assert_eq!(told, expected);
    assert_eq!(
        auth.store.list(&accrue_auth::store::UserFilter::default(), None, 10).await.expect("users").len(),
        2
    );
}

#[tokio::test]
async fn a_batch_sent_again_goes_on_where_it_was() {
    let auth = Auth::start().await;
    let users = |count: usize| -> Value {
        (0..count).map(|index| json!({"email": format!("user{index}@example.com")})).collect()
    };
    let first = send(&auth, Some("import-1"), &users(3)).await;
    assert_eq!(outcomes(&first), ["created"; 3]);
    let again = send(&auth, Some("import-1"), &users(5)).await;
    let expected = ["already_created", "already_created", "already_created", "created", "created"];
    assert_eq!(outcomes(&again), expected);
    assert_eq!(again.json()["results"][0]["user_id"], first.json()["results"][0]["user_id"]);
    let other = send(&auth, Some("import-1"), &json!([{"email": "other@example.com"}])).await;
    assert_eq!(outcomes(&other), ["refused idempotency_key_reused"]);
    let new_key = send(&auth, Some("import-2"), &users(1)).await;
    assert_eq!(outcomes(&new_key), ["refused email_taken"]);
}

#[tokio::test]
async fn a_thousand_fit_and_no_more() {
    let auth = Auth::start().await;
    let users = |count: usize| -> Value {
        let name = "n".repeat(90);
        (0..count)
            .map(|index| json!({"email": format!("user{index}@example.com"), "display_name": name}))
            .collect()
    };
    send(&auth, Some("k"), &users(1_001)).await.problem(400, "invalid_request");
    send(&auth, Some("k"), &json!([])).await.problem(400, "invalid_request");
    send(&auth, None, &users(1)).await.problem(400, "idempotency_key_required");
    let answer = send(&auth, Some("k"), &users(1_000)).await;
    assert!(outcomes(&answer).iter().all(|outcome| outcome == "created"));
    let last = LoginName::parse("user999@example.com").expect("a name");
    assert!(auth.store.login(&last).await.expect("an answer").is_some());
}

#[tokio::test]
async fn a_batch_cut_off_by_the_deadline_ends_when_it_is_sent_often_enough() {
    let request_deadline = std::time::Duration::from_millis(250);
    let auth = Auth::with(accrue_auth::AuthConfig { request_deadline, ..crate::harness::config() }).await;
    let users: Value = (0..40)
        .map(|index| json!({"email": format!("user{index}@example.com"), "password": "correct horse"}))
        .collect();
    let mut cut_off = 0;
    let answer = loop {
        let answer = send(&auth, Some("import-1"), &users).await;
        if answer.status == 200 {
            break answer;
        }
        let code = answer.json()["code"].as_str().expect("a code").to_owned();
        assert!(["deadline_exceeded", "overloaded"].contains(&code.as_str()), "{code}");
        cut_off += 1;
        assert!(cut_off < 200, "it makes no progress");
    };
    assert!(outcomes(&answer).iter().all(|outcome| outcome.ends_with("created")), "{answer:?}");
    let listed = auth.store.list(&accrue_auth::store::UserFilter::default(), None, 100).await;
    assert_eq!(listed.expect("users").len(), 40);
}
