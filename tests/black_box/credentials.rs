//! Clients and their tokens, got as an operator and a service get them.

use std::process::Command;

use reqwest::Client;
use url::Url;

use crate::reply::send;

/// What auth calls itself in tests: its address changes when it is started again.
pub(crate) const ISSUER: &str = "https://auth.test";

/// Every scope there is.
pub(crate) const ALL_SCOPES: &[&str] =
    &["accounts:read", "credits:write", "events:admin", "rates:write", "usage:write", "users:admin"];

/// A client of auth.
#[derive(Debug, Clone)]
pub(crate) struct ClientCredentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// `accrue admin create-client`, in the database that `environment` names.
pub(crate) fn make_client(environment: &[(String, String)], scopes: &[&str]) -> ClientCredentials {
    let output = Command::new(env!("CARGO_BIN_EXE_accrue"))
        .args(["admin", "create-client", "--name", "shop"])
        .args(scopes.iter().flat_map(|scope| ["--scope", scope]))
        .env_clear()
        .envs(environment.iter().cloned())
        .output()
        .expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8(output.stdout).expect("text");
    let value = |name: &str| told.lines().find_map(|line| line.strip_prefix(name)).expect("shown").to_owned();
    ClientCredentials { id: value("client_id: "), secret: value("client_secret: ") }
}

/// An access token for a client.
pub(crate) async fn token_of(client: &ClientCredentials, auth: &Url) -> String {
    let request = Client::new()
        .post(auth.join("/oauth2/token").expect("a path"))
        .basic_auth(&client.id, Some(&client.secret))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let reply = send(request).await.expect("an answer");
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body["access_token"].as_str().expect("a token").to_owned()
}
