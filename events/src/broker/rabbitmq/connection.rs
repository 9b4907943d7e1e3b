//! Connections: how one is made, what its calls may take, what its errors mean.

use std::time::Duration;

use lapin::Connection;
use lapin::uri::AMQPUri;

use super::super::{BrokerError, OpenError, Topology, Trust};
use super::{socket, topology};

/// How long one call to the broker may take.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(5);
/// How long it may take to connect, handshake included: lapin knows no limit, and a
/// broker that is paused still accepts TCP connections.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// How long a connection that is no longer needed may take to end in order.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Seconds between heartbeats: a peer that was stopped is found after about two.
const HEARTBEAT_S: u16 = 10;

/// Where the broker is and what is declared on it.
pub(super) struct Endpoint {
    uri: AMQPUri,
    trust: Trust,
    pub(super) topology: Topology,
}

impl Endpoint {
    pub(super) fn parse(url: &str, trust: Trust, topology: Topology) -> Result<Self, OpenError> {
        let parsed = url::Url::parse(url).map_err(|_| OpenError::Amqp("it is not a URL"))?;
        // The reasons that lapin gives may repeat the whole URL.
        let mut uri: AMQPUri =
            parsed.as_str().parse().map_err(|_| OpenError::Amqp("a part of it cannot be read"))?;
        match parsed.host() {
            None | Some(url::Host::Domain("")) => return Err(OpenError::Amqp("it names no host")),
            // lapin takes an IPv6 address for no host at all and connects to localhost.
            Some(url::Host::Ipv6(address)) => uri.authority.host = address.to_string(),
            Some(_) => {}
        }
        if uri.vhost.len() > 255 {
            return Err(OpenError::Amqp("a vhost's name has at most 255 bytes"));
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_S);
        Ok(Self { uri, trust, topology })
    }

    /// Connects. `purpose` is what an operator sees in RabbitMQ's list of connections.
    pub(super) async fn connect(&self, purpose: &str) -> Result<Connection, BrokerError> {
        within("a connection", CONNECT_LIMIT, socket::connect(self.uri.clone(), &self.trust, purpose)).await
    }

    /// Connects and declares the topology.
    pub(super) async fn connect_and_declare(&self, purpose: &str) -> Result<Connection, BrokerError> {
        let connection = self.connect(purpose).await?;
        topology::declare(&connection, &self.topology).await?;
        Ok(connection)
    }

    /// Connects and declares the exchange of accounts.
    pub(super) async fn connect_for_accounts(&self, purpose: &str) -> Result<Connection, BrokerError> {
        let connection = self.connect(purpose).await?;
        topology::declare_accounts(&connection, &self.topology).await?;
        Ok(connection)
    }
}

/// Waits for a call, but not for ever: what was asked of a connection that is gone
/// may never be answered.
pub(super) async fn within<T>(
    what: &'static str,
    limit: Duration,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(|error| failed(what, error)),
        Err(_) => Err(BrokerError::Timeout { what, limit }),
    }
}

/// [`within`] the limit of a single call.
pub(super) async fn call<T>(
    what: &'static str,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    within(what, CALL_LIMIT, call).await
}

/// An error of a channel is the broker's answer to what was asked; any other is an
/// error of the connection.
pub(super) fn failed(what: &'static str, error: lapin::Error) -> BrokerError {
    if error.is_amqp_soft_error() {
        BrokerError::Refused { what, source: Some(Box::new(error)) }
    } else {
        BrokerError::Unreachable(Box::new(error))
    }
}

/// Ends a connection in order, so that what was written on it last has arrived. One
/// that does not end in time is left to its heartbeat.
pub(super) async fn close(connection: Connection) {
    let closing = connection.close(200, "done".into());
    if let Err(error) = within("the end of a connection", CLOSE_LIMIT, closing).await {
        tracing::debug!(%error, "a connection did not end in order");
    }
}
