//! RabbitMQ over TLS: trusted by the certificates that were given, and by nothing else.

use std::net::TcpListener;
use std::path::Path;

use accrue_events::broker::{BrokerError, Destination, Publication, Settlement, Trust};
use accrue_testkit::OwnRabbit;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::harness::{message, open_trusting, receive, settle};

/// A broker that speaks TLS by a certificate for `localhost` of an authority of its own.
struct Bench {
    _server: OwnRabbit,
    _files: tempfile::TempDir,
    url: String,
    authority: String,
}

/// An authority's certificate, and what it has signed for `localhost`, into `dir`.
fn make_certificates(dir: &Path) -> String {
    let key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, key);
    let own_key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let own = own.signed_by(&own_key, &issuer).expect("a certificate").pem();
    let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).expect("a file");
    write("ca.pem", &certificate);
    write("cert.pem", &own);
    write("key.pem", &own_key.serialize_pem());
    certificate
}

async fn bench() -> Option<Bench> {
    let files = accrue_testkit::data_dir();
    let dir = files.path();
    let authority = make_certificates(dir);
    let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr()).expect("a port").port();
    let dir = dir.display();
    let config = format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {dir}/ca.pem\n\
         ssl_options.certfile = {dir}/cert.pem\nssl_options.keyfile = {dir}/key.pem\n\
         ssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n"
    );
    // A container would not see the files.
    let settings = [("ACCRUE_TEST_DOCKER", "no"), ("ACCRUE_TEST_RABBITMQ_CONFIG", config.as_str())];
    let server = OwnRabbit::start_with(&settings).await?;
    let url = format!("amqps://guest:guest@localhost:{port}");
    Some(Bench { _server: server, _files: files, url, authority })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_is_trusted_by_the_certificates_given() {
    let Some(bench) = bench().await else { return };
    let trust = Trust::in_certificates(&bench.authority).expect("a certificate");
    let broker = open_trusting(&bench.url, trust, "tls");
    let mut publisher = broker.publisher(Destination::Users);
    publisher.connect().await.expect("it is trusted");
    let publications = publisher.publish(&[message(1)]).await.expect("it is there");
    assert_eq!(publications, [Publication::Confirmed]);
    let mut subscription = broker.subscriber().subscribe(10).await.expect("it is trusted");
    let delivery = receive(&mut subscription).await;
    settle(&mut subscription, &[(&delivery, Settlement::Ack)]).await;

    // One whom nobody vouches for, and one whom somebody else does.
    let files = accrue_testkit::data_dir();
    let other = Trust::in_certificates(&make_certificates(files.path())).expect("a certificate");
    for trust in [Trust::default(), other] {
        let stranger = open_trusting(&bench.url, trust, "tls");
        let refused = stranger.publisher(Destination::Users).connect().await;
        assert!(matches!(refused, Err(BrokerError::Unreachable(_))), "{refused:?}");
    }
}

#[test]
fn what_is_no_certificate_vouches_for_nobody() {
    assert!(Trust::in_certificates("").is_err());
    assert!(Trust::in_certificates("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----").is_err());
}
