//! Mail over a real SMTP dialogue: verification, resets, and a mail server that is away.

use std::time::Instant;

use accrue_auth::AuthConfig;
use accrue_auth::domain::MailKind;
use accrue_auth::limits::{Rate, Rates};
use accrue_auth::mail::Delivery;
use accrue_events::user::{Decoded, UserEvent, UserEventKind};
use serde_json::{Value, json};

use crate::harness::{Answer, Auth, config};
use crate::smtp::{self, MailServer};
use crate::timing::assert_alike;

const ADA: &str = "ada@example.com";

fn sending_to(url: String) -> AuthConfig {
    let mut config = config();
    config.mail.delivery = Some(Delivery::Smtp(url.into()));
    config.mail.public_url = Some("https://app.example.com".to_owned());
    config
}

async fn post(auth: &Auth, path: &str, body: Value) -> Answer {
    auth.ask(
        axum::http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .expect("a request"),
    )
    .await
}

async fn sign_in(auth: &Auth, password: &str) -> Answer {
    post(auth, "/v1/login", json!({"email": ADA, "password": password})).await
}

async fn register(auth: &Auth) -> Value {
    let answer = auth.register(&json!({"email": ADA, "password": "correct horse battery"})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn an_address_is_verified_once_by_the_newest_mail() {
    let server = MailServer::start();
    let auth = Auth::with(sending_to(server.url())).await;
    register(&auth).await;
    let first = server.mail_to(ADA, 1).await;
    assert_eq!(first.header("Subject"), "Show that this address is yours");
    assert!(first.message.contains("https://app.example.com/verify-email#token"));

    assert_eq!(
        post(&auth, "/v1/users/resend-verification", json!({"email": " ADA@example.com"})).await.status,
        202
    );
    let second = server.mail_to(ADA, 2).await;
    assert_ne!(first.header("Message-ID"), second.header("Message-ID"));
    // Superseded.
    let verify = async |token: String| post(&auth, "/v1/users/verify-email", json!({"token": token})).await;
    verify(first.token()).await.problem(400, "invalid_ticket");
    // Neither is a ticket for a reset, nor is what is no token.
    verify("x".repeat(43)).await.problem(400, "invalid_ticket");
    post(
        &auth,
        "/v1/password-resets/confirm",
        json!({"token": second.token(), "new_password": "staple battery"}),
    )
    .await
    .problem(400, "invalid_ticket");

    let verified = verify(second.token()).await;
    assert_eq!((verified.status.as_u16(), &verified.json()["email_verified"]), (200, &json!(true)));
    verify(second.token()).await.problem(400, "invalid_ticket");
    accrue_testkit::eventually("both events are out", async || auth.published.count() == 2).await;
    let Ok(Decoded::User(event)) = UserEvent::decode(&auth.published.messages()[1].body) else {
        panic!("no user event");
    };
    assert_eq!((event.kind, event.user.email_verified), (UserEventKind::Updated, true));
    // Nothing is left to verify: the answer is the same, and no mail comes. The reset
    // that is asked for next would come after it.
    assert_eq!(post(&auth, "/v1/users/resend-verification", json!({"email": ADA})).await.status, 202);
    assert_eq!(post(&auth, "/v1/password-resets", json!({"email": ADA})).await.status, 202);
    assert_eq!(server.mail_to(ADA, 3).await.header("Subject"), "Choose a new password");
}

/// The server of these tests does not take addresses that are not ASCII.
#[tokio::test]
async fn whoever_cannot_get_mail_holds_up_no_other() {
    let server = MailServer::start();
    let auth = Auth::with(sending_to(server.url())).await;
    let addresses = ["j\u{fc}rgen@example.com", ADA, "ida@example.com", "eda@example.com"];
    for email in addresses {
        let answer = auth.register(&json!({"email": email, "password": "correct horse battery"})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    for email in &addresses[1..] {
        assert_eq!(server.mail_to(email, 1).await.header("Subject"), "Show that this address is yours");
    }
}

#[tokio::test]
async fn of_twenty_uses_of_a_token_one_counts() {
    let server = MailServer::start();
    let auth = Auth::with(sending_to(server.url())).await;
    register(&auth).await;
    let token = server.mail_to(ADA, 1).await.token();
    let uses = (0..20).map(|_| post(&auth, "/v1/users/verify-email", json!({"token": token})));
    let answers = futures_util::future::join_all(uses).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.problem(400, "invalid_ticket");
    }
    assert_eq!(auth.events_written().await, 2);
}

#[tokio::test]
async fn a_reset_changes_the_password_and_ends_every_session() {
    let server = MailServer::start();
    let auth = Auth::with(sending_to(server.url())).await;
    register(&auth).await;
    let signed_in = sign_in(&auth, "correct horse battery").await.json();
    assert_eq!(post(&auth, "/v1/password-resets", json!({"email": ADA})).await.status, 202);
    assert_eq!(post(&auth, "/v1/password-resets", json!({"email": "nobody@example.com"})).await.status, 202);
    let token = server.mail_to(ADA, 2).await.token();

    let confirm = async |password: &str| {
        let body = json!({"token": token, "new_password": password});
        post(&auth, "/v1/password-resets/confirm", body).await
    };
    // A password that is refused leaves the token good.
    confirm("password").await.problem(400, "invalid_request");
    assert_eq!(confirm("staple battery horse").await.status, 204);
    confirm("another one entirely").await.problem(400, "invalid_ticket");
    sign_in(&auth, "correct horse battery").await.problem(401, "invalid_credentials");
    assert_eq!(sign_in(&auth, "staple battery horse").await.status, 200);
    let refresh = format!(
        "grant_type=refresh_token&refresh_token={}",
        signed_in["refresh_token"].as_str().expect("a token")
    );
    let refreshed = auth
        .ask(
            axum::http::Request::post("/oauth2/token")
                .header("content-type", "application/x-www-form-urlencoded")
                .body(refresh.into())
                .expect("a request"),
        )
        .await;
    assert_eq!((refreshed.status.as_u16(), &refreshed.json()["error"]), (400, &json!("invalid_grant")));
    assert!(server.mails().iter().all(|mail| mail.to == ADA));
}

#[tokio::test]
async fn a_mail_server_that_is_away_loses_no_mail_and_delays_no_event() {
    let address = MailServer::free_address();
    let auth = Auth::with(sending_to(smtp::url(address))).await;
    register(&auth).await;
    accrue_testkit::eventually("the event is out", async || auth.published.count() == 1).await;
    assert_eq!(post(&auth, "/v1/password-resets", json!({"email": ADA})).await.status, 202);
    let server = MailServer::at(address);
    let first = server.mail_to(ADA, 2).await;
    assert_eq!(first.header("To"), ADA);
}

/// The kinds of mail that wait, sent or not being a matter of its own.
async fn waiting(auth: &Auth) -> Vec<MailKind> {
    let waiting = auth.store.mail_not_under("", "", 100).await.expect("an answer");
    waiting.into_iter().map(|(_, mail)| mail.kind).collect()
}

#[tokio::test]
async fn a_mail_that_was_promised_is_written_already() {
    let mut config = sending_to(smtp::url(MailServer::free_address()));
    config.mail.require_verified_email = true;
    let auth = Auth::with(config).await;
    let body = json!({"email": ADA, "password": "correct horse battery"});
    assert_eq!(auth.register(&body).await.status, 202);
    assert_eq!(waiting(&auth).await, [MailKind::Verify]);
    let read = async || auth.store.mail_not_under("", "", 100).await.expect("an answer")[0].1.id;
    let first = read().await;
    assert_eq!(post(&auth, "/v1/users/resend-verification", json!({"email": ADA})).await.status, 202);
    assert_ne!(read().await, first, "another mail waits in its place");
    assert_eq!(post(&auth, "/v1/password-resets", json!({"email": ADA})).await.status, 202);
    assert_eq!(waiting(&auth).await, [MailKind::Reset, MailKind::Verify]);
    assert_eq!(auth.register(&body).await.status, 202);
    assert_eq!(waiting(&auth).await, [MailKind::Reset, MailKind::Taken, MailKind::Verify]);
    assert_eq!(post(&auth, "/v1/password-resets", json!({"email": "ida@example.com"})).await.status, 202);
    assert_eq!(waiting(&auth).await.len(), 3);
}

#[tokio::test]
async fn the_time_does_not_tell_whose_mail_was_asked_for() {
    let mut config = sending_to(smtp::url(MailServer::free_address()));
    config.mail.require_verified_email = true;
    let auth = Auth::with(config).await;
    let sign_up = json!({"email": ADA, "password": "correct horse battery"});
    assert_eq!(auth.register(&sign_up).await.status, 202);
    // One and the same is asked for, of somebody and of nobody in turn. Without a write for
    // nobody they differ by several times.
    for path in ["/v1/password-resets", "/v1/users/resend-verification", "/v1/users"] {
        let mut asked = 0;
        assert_alike(path, &[true, false], async |is_somebody: &bool| {
            asked += 1;
            let nobody = format!("nobody-{asked}@example.com");
            let mut body = json!({"email": if *is_somebody { ADA } else { &nobody }});
            if path == "/v1/users" {
                body["password"] = json!("correct horse battery");
            }
            let start = Instant::now();
            assert_eq!(post(&auth, path, body).await.status, 202);
            start.elapsed()
        })
        .await;
    }
}

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
async fn mail_to_one_address_is_limited_whosever_it_is() {
    let server = MailServer::start();
    let mut config = sending_to(server.url());
    config.limits = Rates { mail_by_address: Rate { count: 2, window_s: 3_600 }, ..config.limits };
    let auth = Auth::with(config).await;
    register(&auth).await;
    for email in [ADA, "nobody@example.com"] {
        for path in ["/v1/password-resets", "/v1/users/resend-verification"] {
            assert_eq!(post(&auth, path, json!({"email": email})).await.status, 202);
        }
        post(&auth, "/v1/password-resets", json!({"email": email})).await.problem(429, "too_many_requests");
    }
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
async fn an_admin_sends_a_reset() {
    let server = MailServer::start();
    let auth = Auth::with(sending_to(server.url())).await;
    let user = register(&auth).await;
    server.mail_to(ADA, 1).await;
    let admin = auth.service_token("users:admin").await;
    let path = format!("/v1/users/{}/password-reset", user["user_id"].as_str().expect("an id"));
    assert_eq!(auth.ask_as(&admin, "POST", &path, None).await.status, 202);
    assert_eq!(server.mail_to(ADA, 2).await.header("Subject"), "Choose a new password");
    let other = auth.service_token("accounts:read").await;
    auth.ask_as(&other, "POST", &path, None).await.problem(403, "insufficient_scope");
    auth.ask_as(&admin, "POST", "/v1/users/nobody/password-reset", None).await.problem(404, "user_not_found");
}

#[tokio::test]
async fn without_a_mail_server_mail_goes_into_a_directory() {
    let directory = accrue_testkit::data_dir();
    let mut config = config();
    config.mail.delivery = Some(Delivery::Directory(directory.path().join("mail")));
    let auth = Auth::with(config).await;
    register(&auth).await;
    let file = accrue_testkit::eventually("the mail is written", async || {
        let mut files = std::fs::read_dir(directory.path().join("mail")).ok()?.flatten();
        files.find(|file| file.path().extension().is_some_and(|extension| extension == "eml"))
    })
    .await;
    let text = std::fs::read_to_string(file.path()).expect("a message");
    assert!(
        text.contains("To: ada@example.com") && text.contains("From: Accrue <accrue@localhost>"),
        "{text}"
    );
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
