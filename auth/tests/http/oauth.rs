//! OAuth's endpoints: services, refreshing, revoking, and what libraries discover.

use accrue_auth::domain::Client;
use accrue_chassis::clock::{Clock as _, ManualClock, SystemClock};
use accrue_chassis::tokens::Scopes;
use axum::body::Body;
use axum::http::Request;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::harness::{Answer, Auth};
use crate::signing_in::{ada, sign_in, text};

async fn post(auth: &Auth, path: &str, form: &str, basic: Option<(&str, &str)>) -> Answer {
    let mut request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
    if let Some((id, secret)) = basic {
        request =
            request.header("authorization", format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))));
    }
    auth.ask(request.body(Body::from(form.to_owned())).expect("a request")).await
}

async fn refresh(auth: &Auth, token: &str) -> Answer {
    post(auth, "/oauth2/token", &format!("grant_type=refresh_token&refresh_token={token}"), None).await
}

/// Insists on an error of OAuth's.
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"].clone()),
        (status, json!(error)),
        "{answer:?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
}

/// A client that may allocate and spend, and its secret.
async fn shop(auth: &Auth) -> (Client, String) {
    let scopes = Scopes::parse("credits:write usage:write");
    let (client, secret) = Client::new("shop", scopes, SystemClock.now()).expect("a client");
    auth.store.create_client(&client).await.expect("written");
    (client, secret.expose_secret().to_owned())
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

#[tokio::test]
async fn a_service_gets_what_it_may_have() {
    let auth = Auth::start().await;
    let (client, secret) = shop(&auth).await;
    let id = client.client_id.as_str();
    let grant = "grant_type=client_credentials";
    let answer = post(&auth, "/oauth2/token", grant, Some((id, &secret))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(
        (&body["scope"], &body["token_type"]),
        (&json!("credits:write usage:write"), &json!("Bearer"))
    );
    assert!(body.get("refresh_token").is_none(), "{body}");
    let claims = claims(&text(&body, "access_token"));
    assert_eq!(
        (&claims["sub"], &claims["client_id"], &claims["aud"]),
        (&json!(id), &json!(id), &json!("accrue"))
    );
    assert_eq!((&claims["iss"], claims.get("sid")), (&json!("http://127.0.0.1:0"), None));

    let form = format!("{grant}&client_id={id}&client_secret={secret}&scope=usage:write");
    assert_eq!(post(&auth, "/oauth2/token", &form, None).await.json()["scope"], "usage:write");
    for scope in ["users:admin", "usage:write+users:admin", "%20"] {
        let form = format!("{grant}&scope={scope}");
        refused(&post(&auth, "/oauth2/token", &form, Some((id, &secret))).await, 400, "invalid_scope");
    }
}

#[tokio::test]
async fn clients_that_are_not_who_they_say_are_refused() {
    let auth = Auth::start().await;
    let (client, secret) = shop(&auth).await;
    let id = client.client_id.as_str();
    let grant = "grant_type=client_credentials";
    for basic in [(id, "wrong"), (id, ""), ("nobody", secret.as_str()), ("", "")] {
        refused(&post(&auth, "/oauth2/token", grant, Some(basic)).await, 401, "invalid_client");
    }
    for fields in [String::new(), format!("&client_id={id}"), format!("&client_id={id}&client_secret=x")] {
        let answer = post(&auth, "/oauth2/token", &format!("{grant}{fields}"), None).await;
        refused(&answer, 401, "invalid_client");
    }
    for (form, error) in [
        (String::new(), "invalid_request"),
        (format!("{grant}&{grant}"), "invalid_request"),
        ("grant_type=password".to_owned(), "unsupported_grant_type"),
        (format!("{grant}&client_secret={secret}"), "invalid_request"),
        (format!("{grant}&scope=a%00"), "invalid_request"),
        ("a".repeat(17_000), "invalid_request"),
    ] {
        let basic = Some((id, secret.as_str()));
        refused(&post(&auth, "/oauth2/token", &form, basic).await, 400, error);
    }
    let json = Request::post("/oauth2/token").header("content-type", "application/json");
    refused(&auth.ask(json.body(Body::from("{}")).expect("a request")).await, 400, "invalid_request");
}

#[tokio::test]
async fn two_secrets_are_good_while_a_service_moves() {
    let auth = Auth::start().await;
    let (client, first) = shop(&auth).await;
    let (secrets, second) = client.with_new_secret();
    assert!(auth.store.replace_secrets(&client.client_id, &client.secrets, &secrets).await.expect("written"));
    for secret in [first.as_str(), second.expose_secret()] {
        let basic = Some((client.client_id.as_str(), secret));
        assert_eq!(post(&auth, "/oauth2/token", "grant_type=client_credentials", basic).await.status, 200);
    }
    assert!(auth.store.delete_client(&client.client_id).await.expect("deleted"));
    let basic = Some((client.client_id.as_str(), first.as_str()));
    refused(
        &post(&auth, "/oauth2/token", "grant_type=client_credentials", basic).await,
        401,
        "invalid_client",
    );
}

#[tokio::test]
async fn a_session_goes_on_token_by_token() {
    let auth = Auth::start().await;
    let signed_in = ada(&auth).await;
    let mut token = text(&signed_in, "refresh_token");
    for _ in 0..3 {
        let answer = refresh(&auth, &token).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert_ne!(text(&body, "refresh_token"), token);
        let (before, after) =
            (claims(&text(&signed_in, "access_token")), claims(&text(&body, "access_token")));
        assert_eq!((&before["sid"], &before["sub"]), (&after["sid"], &after["sub"]));
        // Shortly after, the one before it does no harm, and no good.
        refused(&refresh(&auth, &token).await, 400, "invalid_grant");
        token = text(&body, "refresh_token");
    }
    for bad in ["", "x", &"A".repeat(64)] {
        let error = if bad.is_empty() { "invalid_request" } else { "invalid_grant" };
        refused(&refresh(&auth, bad).await, 400, error);
    }
    for scope in ["users:admin", "me+users:admin", "%20"] {
        let form = format!("grant_type=refresh_token&refresh_token={token}&scope={scope}");
        refused(&post(&auth, "/oauth2/token", &form, None).await, 400, "invalid_scope");
    }
    let (client, secret) = shop(&auth).await;
    let form = format!("grant_type=refresh_token&refresh_token={token}");
    let basic = Some((client.client_id.as_str(), secret.as_str()));
    refused(&post(&auth, "/oauth2/token", &form, basic).await, 400, "invalid_grant");
    assert_eq!(refresh(&auth, &token).await.status, 200, "none of these has used it up");
}

#[tokio::test]
async fn of_parallel_refreshes_one_wins_and_the_session_stays() {
    let auth = Auth::start().await;
    let token = text(&ada(&auth).await, "refresh_token");
    let answers = join_all((0..10).map(|_| refresh(&auth, &token))).await;
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 9));
    for answer in &lost {
        refused(answer, 400, "invalid_grant");
    }
    assert_eq!(refresh(&auth, &text(&won[0].json(), "refresh_token")).await.status, 200);
}

#[tokio::test]
async fn a_used_token_does_no_harm_for_ten_seconds_however_many_came_after_it() {
    let clock = ManualClock::new(SystemClock.now());
    let auth = Auth::at(clock.clone()).await;
    let mut tokens = vec![text(&ada(&auth).await, "refresh_token")];
    for _ in 0..3 {
        let answer = refresh(&auth, tokens.last().expect("a token")).await;
        tokens.push(text(&answer.json(), "refresh_token"));
        clock.advance(time::Duration::seconds(2));
    }
    // The first was exchanged six seconds ago.
    for used in &tokens[..3] {
        refused(&refresh(&auth, used).await, 400, "invalid_grant");
    }
    let good = text(&refresh(&auth, &tokens[3]).await.json(), "refresh_token");
    clock.advance(time::Duration::seconds(5));
    refused(&refresh(&auth, &tokens[1]).await, 400, "invalid_grant");
    let good = text(&refresh(&auth, &good).await.json(), "refresh_token");
    // By now that is eleven seconds: the token is in two hands.
    refused(&refresh(&auth, &tokens[0]).await, 400, "invalid_grant");
    refused(&refresh(&auth, &good).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_revoked_token_ends_its_session_and_no_other() {
    let auth = Auth::start().await;
    let first = text(&ada(&auth).await, "refresh_token");
    let body = json!({"email": "ada@example.com", "password": "correct horse"});
    let other = text(&sign_in(&auth, &body).await.json(), "refresh_token");
    for token in [first.as_str(), first.as_str(), "nonsense", &"A".repeat(64)] {
        let answer = post(&auth, "/oauth2/revoke", &format!("token={token}&token_type_hint=x"), None).await;
        assert_eq!((answer.status.as_u16(), answer.bytes.len()), (200, 0), "{answer:?}");
    }
    refused(&refresh(&auth, &first).await, 400, "invalid_grant");
    refused(&post(&auth, "/oauth2/revoke", "", None).await, 400, "invalid_request");
    refused(&post(&auth, "/oauth2/revoke", "token=x&client_id=y", None).await, 401, "invalid_client");
    assert_eq!(refresh(&auth, &other).await.status, 200);
}

#[tokio::test]
async fn libraries_find_everything() {
    let auth = Auth::start().await;
    let metadata = auth.get("/.well-known/oauth-authorization-server").await;
    let body = metadata.json();
    assert_eq!((metadata.status.as_u16(), &body["issuer"]), (200, &json!("http://127.0.0.1:0")));
    assert_eq!(body["token_endpoint"], "http://127.0.0.1:0/oauth2/token");
    assert_eq!(body["response_types_supported"], json!(["none"]));
    let scopes = body["scopes_supported"].as_array().expect("a list");
    assert!(scopes.contains(&json!("me")) && scopes.contains(&json!("users:admin")), "{scopes:?}");
    let answer = auth.get("/.well-known/jwks.json").await;
    assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
    let keys = answer.json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
    let key = &keys["keys"][0];
    assert_eq!((&key["alg"], &key["use"], &key["crv"]), (&json!("ES256"), &json!("sig"), &json!("P-256")));
    assert!(key.get("d").is_none(), "{key}");
    let token = text(&ada(&auth).await, "access_token");
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next().expect("a header")).expect("base64");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!(
        (&header["kid"], &header["typ"], &header["alg"]),
        (&key["kid"], &json!("at+jwt"), &json!("ES256"))
    );

    let document = auth.get("/openapi.json").await.json();
    assert!(document["paths"]["/oauth2/token"]["post"].is_object());
    assert_eq!(auth.get("/docs/").await.status, 200);
}
