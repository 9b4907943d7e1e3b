//! Addresses over HTTP: verified, changed, and told to nobody where they have to be verified.

use accrue_auth::limits::{Rate, Rates};
use serde_json::json;

use crate::harness::Auth;
use crate::mail::{ADA, post, register, sending_to, sign_in};
use crate::smtp::MailServer;

#[tokio::test]
async fn where_addresses_have_to_be_verified_nobody_learns_which_are_taken() {
    let server = MailServer::start();
    let mut config = sending_to(server.url());
    config.mail.require_verified_email = true;
    let auth = Auth::with(config).await;
    let body = json!({"email": ADA, "password": "correct horse battery"});
    let first = auth.register_with_key("k-1", &body).await;
    let token = server.mail_to(ADA, 1).await.token();
    // Whoever signs up is told no more by signing in than who is told of by mail.
    let right = sign_in(&auth, "correct horse battery").await;
    let told = right.problem(401, "invalid_credentials");
    assert!(told["detail"].as_str().expect("a detail").contains("resend-verification"), "{told}");
    assert_eq!(right.bytes, sign_in(&auth, "wrong horse battery").await.bytes);
    // A username would be taken afterwards only if the address had been free.
    for email in [ADA, "new@example.com"] {
        let body = json!({"email": email, "password": "correct horse battery", "username": "ada"});
        let told = auth.register(&body).await.problem(400, "invalid_request");
        assert_eq!(told["errors"][0]["pointer"], "/username");
    }

    let repeated = {
        // The same request again registers nobody, and writes no mail.
        let body = json!({"email": "ida@example.com", "password": "correct horse battery"});
        auth.register_with_key("k-2", &body).await;
        auth.register_with_key("k-2", &body).await
    };
    let again =
        auth.register_with_key("k-3", &json!({"email": ADA, "password": "staple battery horse"})).await;
    for answer in [&repeated, &again] {
        assert_eq!((answer.status.as_u16(), &answer.bytes), (202, &first.bytes));
        assert_eq!(answer.header("location"), None);
        assert_eq!(answer.header("idempotency-replayed"), None);
    }
    assert_eq!(server.mail_to(ADA, 2).await.header("Subject"), "You have an account already");
    assert_eq!(server.mail_to("ida@example.com", 1).await.header("To"), "ida@example.com");
    assert_eq!(auth.events_written().await, 2);

    assert_eq!(post(&auth, "/v1/users/verify-email", json!({"token": token})).await.status, 200);
    assert_eq!(sign_in(&auth, "correct horse battery").await.status, 200);
}

#[tokio::test]
async fn another_address_is_asked_to_be_verified_and_the_old_tokens_are_void() {
    let server = MailServer::start();
    let mut config = sending_to(server.url());
    config.limits = Rates { mail_by_address: Rate { count: 2, window_s: 3_600 }, ..config.limits };
    let auth = Auth::with(config).await;
    let user = register(&auth).await;
    let old = server.mail_to(ADA, 1).await.token();
    let session = auth.user_token(user["user_id"].as_str().expect("an id")).await;
    let patch = async |email: &str| {
        let body = json!({"email": email, "current_password": "correct horse battery"});
        auth.ask_as(&session, "PATCH", "/v1/users/me", Some(body)).await
    };
    assert_eq!(patch("countess@example.com").await.status, 200);
    let new = server.mail_to("countess@example.com", 1).await.token();
    let verify = async |token: String| post(&auth, "/v1/users/verify-email", json!({"token": token})).await;
    verify(old).await.problem(400, "invalid_ticket");
    assert_eq!(verify(new).await.json()["email_verified"], json!(true));
    // Nobody floods others with mail by changing on and on.
    assert_eq!(patch("victim@example.com").await.status, 200);
    patch("another@example.com").await.problem(429, "too_many_requests");
    assert_eq!(server.mail_to("victim@example.com", 1).await.header("To"), "victim@example.com");
}

#[tokio::test]
async fn where_addresses_have_to_be_verified_a_change_does_not_tell_which_are_taken() {
    let server = MailServer::start();
    let mut config = sending_to(server.url());
    config.mail.require_verified_email = true;
    let auth = Auth::with(config).await;
    let verify = async |token: String| post(&auth, "/v1/users/verify-email", json!({"token": token})).await;
    let mut users = Vec::new();
    for email in [ADA, "ida@example.com"] {
        let answer = auth.register(&json!({"email": email, "password": "correct horse battery"})).await;
        assert_eq!(answer.status, 202);
        users.push(verify(server.mail_to(email, 1).await.token()).await.json());
    }
    let user_id = users[0]["user_id"].as_str().expect("an id");
    let session = auth.user_token(user_id).await;
    let patch = async |email: &str, password: &str| {
        let body = json!({"email": email, "current_password": password, "display_name": "Ada"});
        auth.ask_as(&session, "PATCH", "/v1/users/me", Some(body)).await
    };
    patch("ida@example.com", "wrong horse battery").await.problem(403, "wrong_password");
    let without = json!({"email": "ida@example.com"});
    auth.ask_as(&session, "PATCH", "/v1/users/me", Some(without)).await.problem(400, "invalid_request");

    let mut answers = Vec::new();
    for email in ["ida@example.com", "countess@example.com"] {
        let answer = patch(email, "correct horse battery").await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!((&answer.json()["email"], &answer.json()["display_name"]), (&json!(ADA), &json!("Ada")));
        answers.push(answer.json());
    }
    assert_eq!(answers[0], answers[1]);
    let told = server.mail_to("ida@example.com", 2).await;
    assert_eq!(told.header("Subject"), "You have an account already");
    let first = server.mail_to("countess@example.com", 1).await.token();
    // Asked for once more: the newest mail counts. An address cannot be written into it.
    assert_eq!(patch("countess@example.com", "correct horse battery").await.status, 202);
    let second = server.mail_to("countess@example.com", 2).await.token();
    verify(first.clone()).await.problem(400, "invalid_ticket");
    let bent = format!("{}.{}", second.split_once('.').expect("two parts").0, "MCBldmFAZXhhbXBsZS5jb20");
    verify(bent).await.problem(400, "invalid_ticket");
    assert_eq!(sign_in(&auth, "correct horse battery").await.status, 200, "the address is still the old one");

    let changed = verify(second.clone()).await.json();
    assert_eq!((&changed["user_id"], &changed["email"]), (&json!(user_id), &json!("countess@example.com")));
    assert_eq!(changed["email_verified"], true);
    verify(second).await.problem(400, "invalid_ticket");
    sign_in(&auth, "correct horse battery").await.problem(401, "invalid_credentials");
    let epoch = auth.store.user(user_id).await.expect("an answer").expect("the user").session_epoch;
    assert_eq!(epoch, 1, "every session has ended");
}

#[tokio::test]
async fn a_change_that_waits_ends_with_the_sessions_and_gives_no_address_that_somebody_took() {
    let server = MailServer::start();
    let mut config = sending_to(server.url());
    config.mail.require_verified_email = true;
    let auth = Auth::with(config).await;
    let verify = async |token: String| post(&auth, "/v1/users/verify-email", json!({"token": token})).await;
    assert_eq!(auth.register(&json!({"email": ADA, "password": "correct horse battery"})).await.status, 202);
    let user = verify(server.mail_to(ADA, 1).await.token()).await.json();
    let session = auth.user_token(user["user_id"].as_str().expect("an id")).await;
    let patch = async |email: &str, password: &str| {
        let body = json!({"email": email, "current_password": password});
        assert_eq!(auth.ask_as(&session, "PATCH", "/v1/users/me", Some(body)).await.status, 202);
        server.mail_to(email, 1).await.token()
    };
    // Whoever knew the password asked; whoever it belongs to chooses another.
    let token = patch("eve@example.com", "correct horse battery").await;
    let body = json!({"current_password": "correct horse battery", "new_password": "staple battery horse"});
    assert_eq!(auth.ask_as(&session, "PUT", "/v1/users/me/password", Some(body)).await.status, 204);
    verify(token).await.problem(400, "invalid_ticket");
    // Of two who ask for one address the first who shows that it is theirs gets it.
    let token = patch("countess@example.com", "staple battery horse").await;
    let body = json!({"email": "countess@example.com", "password": "correct horse battery"});
    assert_eq!(auth.register(&body).await.status, 202);
    verify(token).await.problem(400, "invalid_ticket");
    assert_eq!(sign_in(&auth, "staple battery horse").await.status, 200);
}
