//! `Prefer: wait=N` as those who wait see it.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use futures_util::future::{join, join_all, join3};
use serde_json::json;

use super::standing::hear_of;
use super::{Answer, Api};

async fn wait(api: &Api, user_id: &str, preference: &str) -> Answer {
    let request = Request::get(format!("/v1/accounts/{user_id}")).header("prefer", preference);
    api.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn the_answer_comes_with_the_event() {
    let api = Api::start().await;
    let begun = Instant::now();
    api.post("/allocations", "a", json!({"credits": 5})).await.is_created();
    let happening = async {
        // What is booked on a placeholder ends no wait.
        api.post("/allocations", "b", json!({"credits": 5})).await.is_created();
        hear_of(&api, "ada", 1).await;
    };
    let (answer, unknown, ()) =
        join3(wait(&api, "ada", "wait=8"), wait(&api, "eve", "respond-async, wait=2"), happening).await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("active")));
    assert_eq!(answer.header("preference-applied"), Some("wait=8"));
    // Known already: at once.
    assert_eq!(wait(&api, "ada", "wait=8").await.body, answer.body);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    unknown.is(404, "account_not_found");
    assert_eq!(unknown.header("preference-applied"), Some("wait=2"));
    assert!(begun.elapsed() >= Duration::from_secs(2));
    api.stop().await;
}

#[tokio::test]
async fn the_commit_of_the_event_is_told() {
    let api = Api::start().await;
    let waiter = api.batcher.arrivals().wait_for("ada");
    let told = waiter.told();
    hear_of(&api, "ada", 1).await;
    tokio::time::timeout(Duration::from_secs(5), told).await.expect("told");
    api.stop().await;
}

#[tokio::test]
async fn what_is_no_wait_is_answered_at_once() {
    let api = Api::start().await;
    let begun = Instant::now();
    for preference in ["wait=soon", "wait", "handling=strict", ""] {
        let answer = wait(&api, "ada", preference).await;
        answer.is(404, "account_not_found");
        assert_eq!(answer.header("preference-applied"), None, "{preference}");
    }
    assert_eq!(wait(&api, "ada", "wait=0").await.header("preference-applied"), Some("wait=0"));
    wait(&api, &"x".repeat(51), "wait=8").await.is(400, "invalid_request");
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    api.stop().await;
}

#[tokio::test]
async fn few_wait_at_once_and_none_beyond_the_end_of_the_process() {
    let api = Api::start().await;
    let begun = Instant::now();
    // Of 64 requests at once a quarter may wait.
    let waiting = join_all((0..16).map(|_| wait(&api, "ada", "wait=1000")));
    let (answers, ()) = join(waiting, async {
        let one_more = wait(&api, "ada", "wait=1000").await;
        one_more.is(404, "account_not_found");
        assert_eq!(one_more.header("preference-applied"), None);
        api.lifecycle.stop();
    })
    .await;
    for answer in answers {
        answer.is(404, "account_not_found");
        assert_eq!(answer.header("preference-applied"), Some("wait=8"));
    }
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    api.stop().await;
}
