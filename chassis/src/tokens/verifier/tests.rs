//! Tokens that are good, and every kind that is not.

use std::sync::Mutex;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::pkcs8::{EncodePrivateKey as _, EncodePublicKey as _};
use serde_json::{Value, json};
use time::Duration;
use time::macros::datetime;

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::tokens::{KeySet, VerifyingKey};

const ISSUER: &str = "https://auth.example.com";
const AUDIENCE: &str = "accrue";

/// Keys that can be withdrawn.
struct Published(Mutex<KeySet>);

#[async_trait]
impl Keys for Published {
    async fn find(&self, key_id: &str) -> Result<Option<VerifyingKey>, KeysUnavailable> {
        Ok(self.0.lock().expect("no test panicked").get(key_id).cloned())
    }
}

/// An issuer with one key, and a verifier of its tokens.
struct Fixture {
    secret: p256::SecretKey,
    keys: Arc<Published>,
    clock: Arc<ManualClock>,
    verifier: Verifier,
}

impl Fixture {
    fn new() -> Self {
        let secret = p256::SecretKey::from_slice(&[7; 32]).expect("a key");
        let mut jwk = Jwk::from_encoding_key(&encoding_key(&secret), Algorithm::ES256).expect("a JWK");
        jwk.common.key_id = Some("k1".to_owned());
        let keys = Arc::new(Published(Mutex::new(KeySet::from_jwks(&JwkSet { keys: vec![jwk] }))));
        let clock = ManualClock::new(datetime!(2026-01-02 03:04:05 UTC));
        let shared: Arc<dyn Keys> = Arc::<Published>::clone(&keys);
        let time: SharedClock = Arc::<ManualClock>::clone(&clock);
        let verifier = Verifier::new(shared, ISSUER.to_owned(), AUDIENCE.to_owned(), time);
        Self { secret, keys, clock, verifier }
    }

    fn claims(&self) -> Value {
        let now = self.clock.now().unix_timestamp();
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "exp": now + 900, "nbf": now, "iat": now,
            "jti": "t1", "scope": "a b", "client_id": "accrue", "sid": "s1",
        })
    }

    /// A token as it should be, but for what `change` does to header and claims.
    fn token(&self, change: impl FnOnce(&mut Header, &mut Value)) -> String {
        let (mut header, mut claims) = (header(), self.claims());
        change(&mut header, &mut claims);
        encode(&header, &claims, &encoding_key(&self.secret)).expect("a token")
    }

    async fn refuse(&self, token: &str, why: &str) {
        let answer = self.verifier.verify(token).await;
        assert!(matches!(answer, Err(TokenError::Invalid(_))), "{why}: {answer:?}");
    }
}

fn encoding_key(secret: &p256::SecretKey) -> EncodingKey {
    EncodingKey::from_ec_der(secret.to_pkcs8_der().expect("PKCS #8").as_bytes())
}

fn header() -> Header {
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some(TOKEN_TYPE.to_owned());
    header.kid = Some("k1".to_owned());
    header
}

/// A token of three parts that nobody signed properly.
fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(header), part(claims), URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test]
async fn a_good_token_names_its_caller_again_and_again() {
    let fixture = Fixture::new();
    let token = fixture.token(|_, _| {});
    for _ in 0..2 {
        let caller = fixture.verifier.verify(&token).await.expect("a good token");
        assert_eq!((caller.user_id(), caller.client_id.as_str()), (Some("u1"), "accrue"));
        assert_eq!((caller.scopes.to_string(), caller.actor()), ("a b".to_owned(), "user:u1".to_owned()));
    }
    let long_form = fixture.token(|header, _| header.typ = Some("application/AT+JWT".to_owned()));
    assert!(fixture.verifier.verify(&long_form).await.is_ok());
}

#[tokio::test]
async fn tokens_without_a_signature_of_ours_are_refused() {
    let fixture = Fixture::new();
    let claims = fixture.claims();
    for none in ["none", "None", "NONE", ""] {
        let header = json!({"alg": none, "typ": TOKEN_TYPE, "kid": "k1"});
        fixture.refuse(&forged(&header, &claims, b""), none).await;
        fixture.refuse(&forged(&header, &claims, &[0; 64]), none).await;
    }
    let public = fixture.secret.public_key();
    let der = public.to_public_key_der().expect("DER").into_vec();
    let pem = public.to_public_key_pem(p256::pkcs8::LineEnding::LF).expect("PEM").into_bytes();
    for public in [der, pem] {
        let header = Header { alg: Algorithm::HS256, ..header() };
        let token = encode(&header, &claims, &EncodingKey::from_secret(&public)).expect("a token");
        fixture.refuse(&token, "HS256 with the public key").await;
    }
    let stranger = p256::SecretKey::from_slice(&[8; 32]).expect("a key");
    let token = encode(&header(), &claims, &encoding_key(&stranger)).expect("a token");
    fixture.refuse(&token, "another's key").await;
    let jwk = Jwk::from_encoding_key(&encoding_key(&stranger), Algorithm::ES256).expect("a JWK");
    let brought = Header { jwk: Some(jwk), ..header() };
    let token = encode(&brought, &claims, &encoding_key(&stranger)).expect("a token");
    fixture.refuse(&token, "a key that the token brings along").await;
    fixture.refuse(&fixture.token(|header, _| header.kid = Some("k2".to_owned())), "an unknown key id").await;
    fixture.refuse(&fixture.token(|header, _| header.kid = None), "no key id").await;
}

#[tokio::test]
async fn tokens_for_something_else_are_refused() {
    let fixture = Fixture::new();
    for (claim, value) in [
        ("aud", json!("another")),
        ("aud", json!(["another"])),
        ("iss", json!("https://evil.example.com")),
        ("iss", json!("https://auth.example.com/")),
        ("sub", Value::Null),
        ("exp", Value::Null),
        ("nbf", Value::Null),
        ("aud", Value::Null),
        ("exp", json!("tomorrow")),
    ] {
        let token = fixture.token(|_, claims| match &value {
            Value::Null => drop(claims.as_object_mut().expect("claims").remove(claim)),
            value => claims[claim] = value.clone(),
        });
        fixture.refuse(&token, claim).await;
    }
    for typ in [None, Some("JWT"), Some("at"), Some("id+jwt")] {
        fixture.refuse(&fixture.token(|header, _| header.typ = typ.map(str::to_owned)), "its type").await;
    }
}

#[tokio::test]
async fn tokens_are_good_in_their_time_only() {
    let fixture = Fixture::new();
    let now = fixture.clock.now().unix_timestamp();
    let early = fixture.token(|_, claims| claims["nbf"] = json!(now + 60));
    fixture.refuse(&early, "not yet valid").await;
    let skewed = fixture.token(|_, claims| claims["nbf"] = json!(now + 3));
    assert!(fixture.verifier.verify(&skewed).await.is_ok(), "clocks differ by moments");
    let token = fixture.token(|_, _| {});
    assert!(fixture.verifier.verify(&token).await.is_ok());
    fixture.clock.advance(Duration::seconds(900));
    assert_eq!(fixture.verifier.verify(&token).await, Err(TokenError::Expired), "remembered, and expired");
    assert_eq!(Fixture::new().verifier.verify(&token).await.map(|_| ()), Ok(()), "by another clock");
}

#[tokio::test]
async fn damaged_and_endless_tokens_are_refused() {
    let fixture = Fixture::new();
    let token = fixture.token(|_, _| {});
    for length in [0, 1, token.len() / 2, token.len() - 1] {
        fixture.refuse(&token[..length], "truncated").await;
    }
    fixture.refuse(&format!("{token}A"), "longer").await;
    fixture.refuse(&format!("{token}.{token}"), "five parts").await;
    fixture.refuse("..", "nothing").await;
    let long = fixture.token(|_, claims| claims["scope"] = json!("a ".repeat(8_000)));
    assert!(long.len() > 16_000);
    fixture.refuse(&long, "16 KiB").await;
    fixture.refuse(&"a".repeat(16_384), "16 KiB of nothing").await;
}

#[tokio::test]
async fn a_withdrawn_key_takes_remembered_tokens_along() {
    let fixture = Fixture::new();
    let token = fixture.token(|_, _| {});
    assert!(fixture.verifier.verify(&token).await.is_ok());
    *fixture.keys.0.lock().expect("no test panicked") = KeySet::default();
    fixture.refuse(&token, "its key was withdrawn").await;
}
