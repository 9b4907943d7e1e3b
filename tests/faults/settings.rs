//! The settings that processes and operators have.

use accrue_testkit::{TestMongo, TestPostgres, TestRabbit};
use reqwest::Client;
use url::Url;

use crate::credentials::ISSUER;
use crate::member::Links;
use crate::target::{REQUEST_LIMIT, Target};

/// 32 bytes that nobody need guess.
const KEY_ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(crate) fn target(auth: Vec<Url>, accounting: Vec<Url>) -> Target {
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = Client::builder().timeout(REQUEST_LIMIT).build().expect("a client");
    Target { auth, accounting, client, token: String::new() }
}

pub(crate) fn set(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

pub(crate) fn common() -> Vec<(String, String)> {
    [
        ("AUTH_KEY_ENCRYPTION_KEYS", KEY_ENCRYPTION_KEY),
        ("AUTH_ISSUER", ISSUER),
        ("AUTH_HASH_MEMORY_KIB", "8"),
        ("AUTH_TRUSTED_PROXIES", "1"),
        ("ACCOUNTING_TOKEN_ISSUER", ISSUER),
    ]
    .map(|(name, value)| set(name, value))
    .to_vec()
}

pub(crate) fn settings(
    stores: &(TestMongo, TestPostgres, TestRabbit),
    links: &Links,
) -> Vec<(String, String)> {
    let mut settings = common();
    settings.push(set("BROKER_URL", &links.to_broker.instead_of(stores.2.url())));
    settings.push(set("BROKER_PREFIX", stores.2.prefix()));
    settings
}
