//! Mail over STARTTLS: encrypted to a server that is trusted, and not sent otherwise.

use std::process::Command;
use std::sync::Arc;

use accrue_auth::mail::{SendError, SmtpTransport, Transport as _};
use lettre::Message;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use uuid::Uuid;

use crate::smtp::MailServer;

const ADA: &str = "ada@example.com";
const URL: &str = "ACCRUE_TEST_STARTTLS_URL";

/// A server with a certificate made a moment ago for `localhost`, and that certificate.
fn server() -> (MailServer, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("a certificate and its key");
    (MailServer::with_tls(Arc::new(config)), made.cert.pem())
}

async fn send(url: &str) -> Result<(), SendError> {
    let message = Message::builder()
        .from("Accrue <no-reply@example.com>".parse().expect("a sender"))
        .to(ADA.parse().expect("a recipient"))
        .body("Hello".to_owned());
    let transport = SmtpTransport::new(&url.to_owned().into()).expect("a transport");
    transport.send(Uuid::now_v7(), message.expect("a message")).await
}

/// Which certificates are trusted is told to a process by its environment.
#[test]
fn mail_goes_encrypted_to_a_server_that_is_trusted() {
    let (server, certificate) = server();
    let files = accrue_testkit::data_dir();
    let trusted = files.path().join("trusted.pem");
    std::fs::write(&trusted, certificate).expect("a file");
    let done = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "starttls::one_mail_is_sent_from_another_process", "--ignored"])
        .env("SSL_CERT_FILE", trusted)
        .env(URL, format!("smtp://localhost:{}?tls=required", server.port()))
        .output()
        .expect("the other process");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let mails = server.mails();
    assert_eq!((mails.len(), mails[0].to.as_str(), mails[0].is_encrypted), (1, ADA, true));
}

#[tokio::test]
#[ignore = "the child process of a test: cargo test -p accrue-auth --test http starttls::mail_goes_encrypted"]
async fn one_mail_is_sent_from_another_process() {
    let url = std::env::var(URL).expect("the server, from the test that runs this one");
    assert_eq!(send(&url).await, Ok(()));
}

#[tokio::test]
async fn nothing_goes_to_a_server_that_is_not_trusted_or_does_not_encrypt() {
    let (stranger, _) = server();
    for tls in ["required", "opportunistic"] {
        let sent = send(&format!("smtp://localhost:{}?tls={tls}", stranger.port())).await;
        assert!(matches!(sent, Err(SendError::Unavailable(_))), "{tls}: {sent:?}");
    }
    let plain = MailServer::start();
    let sent = send(&format!("{}?tls=required", plain.url())).await;
    assert!(matches!(sent, Err(SendError::Unavailable(_))), "{sent:?}");
    assert!(stranger.mails().is_empty() && plain.mails().is_empty());
    // What is said to be sent in the clear is.
    assert_eq!(send(&format!("{}?tls=none", plain.url())).await, Ok(()));
    assert!(!plain.mails()[0].is_encrypted);
}
