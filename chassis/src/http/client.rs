//! Where a request comes from: the peer of its connection, or whom trusted proxies name.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The other end of the connection, as the server puts it into each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// How many proxies stand before the service, each of which adds its own peer to
/// `X-Forwarded-For`. A layer puts it into each request; without it there is none,
/// and the header, which anybody can send, counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrustedProxies(pub u8);

/// Whoever a request is counted against. It is a whole network where one person has
/// that many addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// The client at this address. Of IPv6 the first 64 bits count, for a client has
    /// at least all the rest; an IPv4 address in IPv6 form is that IPv4 address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        })
    }

    /// As the subject of a limit.
    #[must_use]
    pub fn subject(&self) -> String {
        self.0.to_string()
    }
}

/// A request that came over no connection, as tests make them, is counted as
/// coming from 0.0.0.0, with all others of its kind.
impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer =
            parts.extensions.get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |PeerAddress(peer)| *peer);
        let proxies = parts.extensions.get().map_or(0, |TrustedProxies(count)| *count);
        Ok(Self::of(forwarded_for(&parts.headers, proxies).unwrap_or(peer)))
    }
}

/// The address that the outermost of `proxies` trusted ones saw: so far from the
/// right that whatever the client itself wrote lies further left. None if the
/// request did not come through that many: then its own peer is the client.
fn forwarded_for(headers: &HeaderMap, proxies: u8) -> Option<IpAddr> {
    let back = usize::from(proxies.checked_sub(1)?);
    // Several headers are one list.
    let lists = headers.get_all(FORWARDED_FOR).iter().rev().filter_map(|list| list.to_str().ok());
    let entry = lists.flat_map(|list| list.rsplit(',')).nth(back)?.trim();
    let with_port = || entry.parse().map(|address: SocketAddr| address.ip());
    entry.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn client(proxies: u8, forwarded: &[&str]) -> String {
        let mut request = Request::builder()
            .extension(PeerAddress([10, 0, 0, 1].into()))
            .extension(TrustedProxies(proxies));
        for list in forwarded {
            request = request.header(FORWARDED_FOR, *list);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        let Ok(client) = ClientAddress::from_request_parts(&mut parts, &()).await;
        client.subject()
    }

    #[tokio::test]
    async fn a_header_counts_only_as_far_as_trusted_proxies_wrote_it() {
        assert_eq!(client(0, &["1.1.1.1"]).await, "10.0.0.1");
        assert_eq!(client(1, &["6.6.6.6, 1.1.1.1"]).await, "1.1.1.1");
        assert_eq!(client(2, &["6.6.6.6, 1.1.1.1, 10.0.0.2"]).await, "1.1.1.1");
        assert_eq!(client(2, &["6.6.6.6, 1.1.1.1", "10.0.0.2"]).await, "1.1.1.1");
        assert_eq!(client(1, &["1.1.1.1:4711"]).await, "1.1.1.1");
        assert_eq!(client(1, &["[2001:db8::1]:4711"]).await, "2001:db8::");
    }

    #[tokio::test]
    async fn who_came_past_the_proxies_is_their_own_peer() {
        for forwarded in [&[][..], &["1.1.1.1"], &["nobody, 1.1.1.1"]] {
            assert_eq!(client(2, forwarded).await, "10.0.0.1", "{forwarded:?}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let of = |text: &str| ClientAddress::of(text.parse().expect("an address")).subject();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::1"));
        assert_ne!(of("2001:db8:1:3::1"), of("2001:db8:1:2::1"));
        assert_eq!(of("::ffff:1.2.3.4"), "1.2.3.4");
    }
}
