//! Addresses of servers, and free ones for processes.

use std::net::{SocketAddr, TcpListener};

/// The address in a URL such as `scheme://user@127.0.0.1:1234/path`.
pub(crate) fn address_of(url: &str) -> SocketAddr {
    let address = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.and_then(|address| address.rsplit('@').next());
    address.and_then(|address| address.parse().ok()).expect("an address of ours")
}

/// An address that nobody listens on now. A process that is started again keeps it.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound")
}
