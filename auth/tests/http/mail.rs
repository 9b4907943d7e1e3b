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

pub(crate) const ADA: &str = "ada@example.com";

pub(crate) fn sending_to(url: String) -> AuthConfig {
    let mut config = config();
    config.mail.delivery = Some(Delivery::Smtp(url.into()));
    config.mail.public_url = Some("https://app.example.com".to_owned());
    config
}

pub(crate) async fn post(auth: &Auth, path: &str, body: Value) -> Answer {
    auth.ask(
        axum::http::Request::post(path)
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .expect("a request"),
    )
    .await
}

pub(crate) async fn sign_in(auth: &Auth, password: &str) -> Answer {
    post(auth, "/v1/login", json!({"email": ADA, "password": password})).await
}

pub(crate) async fn register(auth: &Auth) -> Value {
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
