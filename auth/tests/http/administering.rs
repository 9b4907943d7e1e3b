//! What admins do with users.

use accrue_auth::domain::Client;
use accrue_chassis::clock::{Clock as _, SystemClock};
use accrue_chassis::tokens::Scopes;
use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::harness::Auth;
use crate::me::signed_up;

/// Registers an admin, and gives their id and a token that lets them act as one.
async fn admin(auth: &Auth, name: &str) -> (String, String) {
    let (user_id, _) = signed_up(auth, name).await;
    let service = auth.service_token("users:admin").await;
    let body = json!({"roles": ["admin"]});
    let answer = auth.ask_as(&service, "PUT", &format!("/v1/users/{user_id}/roles"), Some(body)).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["roles"]), (200, &json!(["admin"])));
    let scopes = Scopes::parse("me users:admin");
    let token = auth.user_token_for(&user_id, &scopes).await;
    (user_id, token)
}

#[tokio::test]
async fn only_admins_may() {
    let auth = Auth::start().await;
    let (user_id, token) = signed_up(&auth, "ada").await;
    let reader = auth.service_token("accounts:read").await;
    let path = format!("/v1/users/{user_id}");
    for (method, path) in [
        ("GET", "/v1/users"),
        ("POST", "/v1/users/batch"),
        ("POST", &format!("{path}/deactivate")),
        ("POST", &format!("{path}/reactivate")),
        ("PUT", &format!("{path}/roles")),
        ("DELETE", &path),
    ] {
        for token in [&token, &reader] {
            auth.ask_as(token, method, path, None).await.problem(403, "insufficient_scope");
        }
    }
}

#[tokio::test]
async fn a_service_whose_client_is_gone_does_nothing_more() {
    let auth = Auth::start().await;
    let (user_id, _) = signed_up(&auth, "ada").await;
    let token = auth.service_token("users:admin").await;
    let batch = async |key: &str| {
        let body = json!({"users": [{"email": "eve@example.com", "roles": ["admin"]}]});
        let request = Request::post("/v1/users/batch")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Body::from(body.to_string()));
        auth.ask(request.expect("a request")).await
    };
    assert_eq!(auth.ask_as(&token, "GET", "/v1/users", None).await.status, 200);
    assert!(auth.store.delete_client("a-service").await.expect("an answer"));
    batch("k-1").await.problem(403, "insufficient_scope");
    let path = format!("/v1/users/{user_id}");
    for (method, path, body) in [
        ("GET", "/v1/users", None),
        ("GET", &path, None),
        ("DELETE", &path, None),
        ("POST", &format!("{path}/deactivate"), None),
        ("POST", &format!("{path}/password-reset"), None),
        ("PUT", &format!("{path}/roles"), Some(json!({"roles": ["admin"]}))),
    ] {
        auth.ask_as(&token, method, path, body).await.problem(403, "insufficient_scope");
    }

    // Nor one whose client has lost the scope since.
    let (client, _) =
        Client::new("reader", Scopes::parse("accounts:read"), SystemClock.now()).expect("a client");
    auth.store.create_client(&client).await.expect("written");
    let scopes = Scopes::parse("users:admin");
    let token = auth.issuer.for_client(&client.client_id, &scopes).await.expect("a token").token;
    auth.ask_as(&token, "GET", "/v1/users", None).await.problem(403, "insufficient_scope");
    assert_eq!(auth.events_written().await, 1);
}

#[tokio::test]
async fn a_deactivated_user_is_out_until_reactivated() {
    let auth = Auth::start().await;
    let (user_id, token) = signed_up(&auth, "ada").await;
    let service = auth.service_token("users:admin").await;
    let path = format!("/v1/users/{user_id}");
    for _ in 0..2 {
        let answer = auth.ask_as(&service, "POST", &format!("{path}/deactivate"), None).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("deactivated")));
    }
    auth.ask_as(&token, "GET", "/v1/users/me", None).await.problem(403, "user_deactivated");
    let change = json!({"display_name": "Ada"});
    auth.ask_as(&token, "PATCH", "/v1/users/me", Some(change)).await.problem(403, "user_deactivated");
    // Nor do they leave and come back as somebody new.
    auth.ask_as(&token, "DELETE", "/v1/users/me", None).await.problem(403, "user_deactivated");
    for _ in 0..2 {
        let answer = auth.ask_as(&service, "POST", &format!("{path}/reactivate"), None).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("active")));
    }
    assert_eq!(auth.ask_as(&token, "GET", "/v1/users/me", None).await.status, 200);
    accrue_testkit::eventually("the events", async || auth.published.count() == 3).await;
    let keys: Vec<_> = auth.published.messages().into_iter().map(|message| message.routing_key).collect();
    assert_eq!(keys, ["user.registered", "user.deactivated", "user.reactivated"]);
    for act in ["deactivate", "reactivate"] {
        let nobody = auth.ask_as(&service, "POST", &format!("/v1/users/nobody/{act}"), None).await;
        nobody.problem(404, "user_not_found");
    }
}

#[tokio::test]
async fn the_last_admin_stays() {
    let auth = Auth::start().await;
    let (ada, ada_token) = admin(&auth, "ada").await;
    let path = format!("/v1/users/{ada}");
    let none = || Some(json!({"roles": []}));
    auth.ask_as(&ada_token, "PUT", &format!("{path}/roles"), none()).await.problem(409, "last_admin");
    auth.ask_as(&ada_token, "POST", &format!("{path}/deactivate"), None).await.problem(409, "last_admin");
    auth.ask_as(&ada_token, "DELETE", &path, None).await.problem(409, "last_admin");
    auth.ask_as(&ada_token, "DELETE", "/v1/users/me", None).await.problem(409, "last_admin");

    let (ida, ida_token) = admin(&auth, "ida").await;
    assert_eq!(auth.ask_as(&ada_token, "PUT", &format!("{path}/roles"), none()).await.status, 200);
    // Her token outlives the role, and is worth nothing here.
    let ida_path = format!("/v1/users/{ida}");
    auth.ask_as(&ada_token, "DELETE", &ida_path, None).await.problem(403, "insufficient_scope");
    auth.ask_as(&ada_token, "GET", "/v1/users", None).await.problem(403, "insufficient_scope");
    auth.ask_as(&ida_token, "DELETE", &ida_path, None).await.problem(409, "last_admin");
    let unknown = Some(json!({"roles": ["admin", "emperor"]}));
    let problem = auth.ask_as(&ida_token, "PUT", &format!("{path}/roles"), unknown).await;
    assert_eq!(problem.problem(400, "invalid_request")["errors"][0]["pointer"], "/roles/1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_admins_who_step_down_at_once_are_not_both_gone() {
    let auth = Auth::start().await;
    let mut names = 0;
    let mut stay: Option<(String, String)> = None;
    for round in 0..12 {
        let mut both = Vec::from_iter(stay.take());
        while both.len() < 2 {
            names += 1;
            both.push(admin(&auth, &format!("admin{names}")).await);
        }
        let step_down = |(user_id, token): &(String, String)| {
            let (path, token) = (format!("/v1/users/{user_id}"), token.clone());
            let request = match round % 3 {
                0 => ("PUT", format!("{path}/roles"), Some(json!({"roles": []}))),
                1 => ("POST", format!("{path}/deactivate"), None),
                _ => ("DELETE", "/v1/users/me".to_owned(), None),
            };
            let auth = &auth;
            async move { auth.ask_as(&token, request.0, &request.1, request.2).await.status.as_u16() }
        };
        let (ada, ida) = tokio::join!(step_down(&both[0]), step_down(&both[1]));
        assert_eq!(u8::from(ada == 409) + u8::from(ida == 409), 1, "round {round}: {ada} and {ida}");
        stay = Some(both.swap_remove(usize::from(ada != 409)));
        let service = auth.service_token("users:admin").await;
        let admins = auth.ask_as(&service, "GET", "/v1/users?role=admin&status=active", None).await;
        assert_eq!(admins.json()["data"].as_array().map(Vec::len), Some(1), "round {round}");
    }
}

#[tokio::test]
async fn an_erased_user_is_a_tombstone_to_admins() {
    let auth = Auth::start().await;
    let (user_id, _) = signed_up(&auth, "ada").await;
    let service = auth.service_token("users:admin").await;
    let path = format!("/v1/users/{user_id}");
    for _ in 0..2 {
        assert_eq!(auth.ask_as(&service, "DELETE", &path, None).await.status, 204);
    }
    let user = auth.ask_as(&service, "GET", &path, None).await.json();
    assert_eq!((&user["status"], &user["email"]), (&json!("deleted"), &json!(null)));
    for act in ["deactivate", "reactivate"] {
        auth.ask_as(&service, "POST", &format!("{path}/{act}"), None).await.problem(404, "user_not_found");
    }
    let roles = Some(json!({"roles": ["admin"]}));
    auth.ask_as(&service, "PUT", &format!("{path}/roles"), roles).await.problem(404, "user_not_found");
    auth.ask_as(&service, "DELETE", "/v1/users/nobody", None).await.problem(404, "user_not_found");
}

#[tokio::test]
async fn users_are_found_and_listed() {
    let auth = Auth::start().await;
    let mut ids = Vec::new();
    for name in ["ada", "ida", "eda"] {
        ids.insert(0, signed_up(&auth, name).await.0);
    }
    let service = auth.service_token("users:admin").await;
    let list = async |query: &str| {
        let answer = auth.ask_as(&service, "GET", &format!("/v1/users{query}"), None).await;
        assert_eq!(answer.status, 200, "{query}");
        answer.json()
    };
    let found = |page: &serde_json::Value| {
        let data = page["data"].as_array().expect("data").iter();
        data.map(|user| user["user_id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&list("").await).len(), 3);
    let (mut listed, mut query) = (Vec::new(), "?limit=2".to_owned());
    loop {
        let page = list(&query).await;
        listed.extend(found(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=2&cursor={cursor}");
    }
    listed.sort();
    ids.sort();
    assert_eq!(listed, ids);
    assert_eq!(found(&list("?email=ADA@example.com").await).len(), 1);
    assert_eq!(found(&list("?email=ada@example.com&status=deactivated").await).len(), 0);
    assert_eq!(found(&list("?username=ada").await).len(), 0);
    assert_eq!(found(&list("?email=rubbish").await).len(), 0);
    assert_eq!(found(&list("?role=admin").await).len(), 0);
    for query in ["?limit=0", "?limit=201", "?cursor=x", "?status=asleep", "?role=emperor"] {
        let answer = auth.ask_as(&service, "GET", &format!("/v1/users{query}"), None).await;
        answer.problem(400, "invalid_request");
    }
    auth.ask_as(&service, "GET", "/v1/users?shoe_size=43", None).await.problem(400, "invalid_query");
}
