//! Bad input: told what is wrong, as problem+json, and nothing was written.

use reqwest::Method;
use serde_json::json;

use crate::system::{Reply, Shape, System, send};

/// A request that must be refused: method, path, body, status and code.
type Case = (&'static str, String, String, u16, &'static str);

fn users() -> Vec<Case> {
    let post = |body: &str, status, code| ("POST", "/v1/users".to_owned(), body.to_owned(), status, code);
    let big = format!(r#"{{"email":"a@example.com","password":"{}"}}"#, "x".repeat(17_000));
    let user = |email: &str, password: &str| json!({"email": email, "password": password}).to_string();
    vec![
        post("{", 400, "malformed_json"),
        post("", 400, "malformed_json"),
        post("\u{feff}{}", 400, "malformed_json"),
        post(&"[".repeat(5_000), 400, "malformed_json"),
        post("[]", 400, "invalid_request"),
        post("{}", 400, "invalid_request"),
        post(r#"{"email":7,"password":"long enough"}"#, 400, "invalid_request"),
        post(r#"{"email":"a@example.com","password":"long enough","admin":true}"#, 400, "invalid_request"),
        post(&user("no address", "long enough"), 400, "invalid_request"),
        post(&user("a@example.com", "short"), 400, "invalid_request"),
        post(&user("a@example.com", &"x".repeat(129)), 400, "invalid_request"),
        post(&user("a\0@example.com", "long enough"), 400, "invalid_request"),
        post(&user("a@example.com", "long\0enough"), 400, "invalid_request"),
        post(&big, 413, "body_too_large"),
        ("PUT", "/v1/users".to_owned(), String::new(), 405, "method_not_allowed"),
        ("GET", "/v1/nowhere".to_owned(), String::new(), 404, "unknown_path"),
        ("GET", "/v1/users/%00".to_owned(), String::new(), 404, "user_not_found"),
        ("GET", format!("/v1/users/{}", "x".repeat(5_000)), String::new(), 404, "user_not_found"),
        ("GET", "/v1/users/%ff".to_owned(), String::new(), 400, "invalid_path"),
    ]
}

fn credits() -> Vec<Case> {
    let path = |user_id: &str| format!("/v1/accounts/{user_id}/allocations");
    let post = |body: &str, status, code| ("POST", path("victim"), body.to_owned(), status, code);
    let of = |credits: &str| format!(r#"{{"credits":{credits}}}"#);
    let big = json!({"credits": 1, "reason": "x".repeat(17_000)}).to_string();
    vec![
        post("{", 400, "malformed_json"),
        post("null", 400, "invalid_request"),
        post("{}", 400, "invalid_request"),
        post(&of("\"5\""), 400, "invalid_request"),
        post(&of("1.5"), 400, "invalid_request"),
        post(&of("1e2"), 400, "invalid_request"),
        post(&of("true"), 400, "invalid_request"),
        post(&of("0"), 400, "invalid_request"),
        post(&of("-1"), 400, "invalid_request"),
        post(&of("9007199254740992"), 400, "invalid_request"),
        post(&of("9223372036854775807"), 400, "invalid_request"),
        post(&of("9223372036854775808"), 400, "invalid_request"),
        post(&of("99999999999999999999999999"), 400, "invalid_request"),
        post(r#"{"credits":1,"credit":2}"#, 400, "invalid_request"),
        post(r#"{"credits":1,"reason":7}"#, 400, "invalid_request"),
        post(r#"{"credits":1,"reason":"a\u0000b"}"#, 400, "invalid_request"),
        post(r#"{"credits":1,"reason":"\ud800"}"#, 400, "malformed_json"),
        post(r#"{"credits":1,"metadata":"text"}"#, 400, "invalid_request"),
        post(r#"{"credits":1,"metadata":{"a":{"b\u0000":1}}}"#, 400, "invalid_request"),
        post(&json!({"credits": 1, "reason": "x".repeat(501)}).to_string(), 400, "invalid_request"),
        post(&big, 413, "body_too_large"),
        (
            "POST",
            "/v1/accounts/victim/usage".to_owned(),
            r#"{"units":{"a":1}}"#.to_owned(),
            400,
            "invalid_request",
        ),
        (
            "PUT",
            "/v1/rates/chat".to_owned(),
            r#"{"units":{"a":{"credits":2.5}}}"#.to_owned(),
            400,
            "invalid_request",
        ),
        ("PUT", "/v1/rates/a%00b".to_owned(), r#"{"units":{}}"#.to_owned(), 400, "invalid_request"),
        (
            "PUT",
            format!("/v1/rates/{}", "x".repeat(101)),
            r#"{"units":{}}"#.to_owned(),
            400,
            "invalid_request",
        ),
        ("GET", "/v1/rates/chat".to_owned(), String::new(), 404, "rate_not_found"),
        ("POST", path(&"x".repeat(51)), of("1"), 400, "invalid_request"),
        ("POST", path("a%00b"), of("1"), 400, "invalid_request"),
        ("POST", path("a%0ab"), of("1"), 400, "invalid_request"),
        ("POST", path("%ff"), of("1"), 400, "invalid_path"),
        ("DELETE", path("victim"), String::new(), 405, "method_not_allowed"),
        ("POST", "/v1/accounts".to_owned(), of("1"), 405, "method_not_allowed"),
        ("GET", "/v2/accounts".to_owned(), String::new(), 404, "unknown_path"),
        ("GET", format!("/v1/accounts/{}", "x".repeat(51)), String::new(), 400, "invalid_request"),
        ("GET", "/v1/accounts?email=%00".to_owned(), String::new(), 400, "invalid_request"),
    ]
}

pub(crate) async fn is_told_what_is_wrong_and_changes_nothing(shape: Shape) {
    let system = System::start(shape).await;
    for (base, cases) in [(&system.auth, users()), (&system.accounting, credits())] {
        for (index, (method, path, body, status, code)) in cases.into_iter().enumerate() {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let request = system
                .service_request(method, base, &path)
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", format!("bad-{index}"));
            let shown = body.chars().take(100).collect::<String>();
            let reply = send(request.body(body)).await.expect("an answer");
            check_problem(&reply, status, code, &format!("{path} {shown}"));
        }
    }
    headers_are_checked(&system).await;

    // Nothing was written, and a good request is served as ever.
    assert_eq!(system.accounts(10).await.len(), 0);
    let published = system.metric(&system.auth, "outbox_published_total").await.unwrap_or(0.0);
    assert!((published - system.first_users()).abs() < 0.5, "{published} events were published");
    let user_id = system.register("a").await;
    assert_eq!(system.allocate(&user_id, 9_007_199_254_740_991, "k").await.expect("an answer").status, 201);
    let full = system.allocate(&user_id, 1, "k2").await.expect("an answer");
    check_problem(&full, 409, "balance_limit", "one credit too many");
    let account = system.active_account(&user_id).await;
    assert_eq!(account["balance"]["available"], 9_007_199_254_740_991_i64);
    system.finish(0).await;
}

async fn headers_are_checked(system: &System) {
    let post = || system.service_request(Method::POST, &system.accounting, "/v1/accounts/victim/allocations");
    let body = r#"{"credits":1}"#;
    let json = "application/json";
    let no_key = send(post().header("Content-Type", json).body(body)).await.expect("an answer");
    check_problem(&no_key, 400, "idempotency_key_required", "no key");
    for key in ["", " ", "a b", "ä", &"x".repeat(256)] {
        let request = post().header("Content-Type", json).header("Idempotency-Key", key.as_bytes());
        let reply = send(request.body(body)).await.expect("an answer");
        check_problem(&reply, 400, "invalid_idempotency_key", key);
    }
    let text = post().header("Content-Type", "text/plain").header("Idempotency-Key", "k");
    let reply = send(text.body(body)).await.expect("an answer");
    check_problem(&reply, 415, "unsupported_media_type", "text/plain");
    let none = send(post().header("Idempotency-Key", "k").body(body)).await.expect("an answer");
    check_problem(&none, 415, "unsupported_media_type", "no content type");
}

fn check_problem(reply: &Reply, status: u16, code: &str, what: &str) {
    let told = String::from_utf8_lossy(&reply.bytes);
    assert_eq!(reply.status, status, "{what}: {told}");
    assert_eq!(reply.headers["content-type"], "application/problem+json", "{what}: {told}");
    assert_eq!(reply.headers["request-id"].len(), 32, "{what}");
    assert_eq!(
        (&reply.body["code"], &reply.body["status"]),
        (&code.into(), &status.into()),
        "{what}: {told}"
    );
    assert!(reply.body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{what}: {told}");
}
