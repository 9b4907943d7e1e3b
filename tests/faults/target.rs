//! Where clients send requests, and as whom.

use std::time::Duration;

use reqwest::Client;
use url::Url;

use crate::member::Service;

/// Longer than any request may take: the deadline of both services is 10 s.
pub(crate) const REQUEST_LIMIT: Duration = Duration::from_secs(14);

/// Where the services are, and the right to ask them anything.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) auth: Vec<Url>,
    pub(crate) accounting: Vec<Url>,
    pub(crate) client: Client,
    pub(crate) token: String,
}

impl Target {
    /// An address of process `number` of a service; the numbers go round.
    pub(crate) fn url(&self, service: Service, number: usize, path: &str) -> String {
        let bases = match service {
            Service::Auth => &self.auth,
            Service::Accounting => &self.accounting,
        };
        format!("{}{path}", bases[number % bases.len()].as_str().trim_end_matches('/'))
    }
}

/// What a user's password is, by their name.
pub(crate) fn password_of(name: &str) -> String {
    format!("correct horse {name}")
}

/// Clients are many: each request comes from an address of its own, as through a proxy.
pub(crate) fn address_for(path: &str, key: Option<&str>) -> String {
    let mut number: u32 = 17;
    for byte in path.bytes().chain(key.unwrap_or_default().bytes()) {
        number = number.wrapping_mul(31).wrapping_add(byte.into());
    }
    let [_, high, middle, low] = number.to_be_bytes();
    format!("10.{high}.{middle}.{low}")
}
