//! From a URL to a broker: the one place that knows which adapter a scheme means.

use std::sync::Arc;

use accrue_chassis::clock::SharedClock;
use async_trait::async_trait;

use super::embedded::EmbeddedBroker;
use super::rabbitmq::RabbitBroker;
use super::{BrokerError, DeadLetters, Destination, Publisher, Subscriber, Topology};

/// A broker, of whichever make. Clones share what can be shared.
#[derive(Clone)]
pub struct Broker(Arc<dyn Adapter>);

/// What a make of broker offers.
#[async_trait]
pub(super) trait Adapter: Send + Sync + 'static {
    fn publisher(&self, to: Destination) -> Box<dyn Publisher>;
    fn subscriber(&self) -> Arc<dyn Subscriber>;
    fn dead_letters(&self) -> Arc<dyn DeadLetters>;
    async fn depth(&self) -> Result<Depth, BrokerError>;

    /// By default nothing can be missing.
    async fn tend(&self) -> Result<Tended, BrokerError> {
        Ok(Tended { depth: self.depth().await?, refused: None })
    }
}

/// How many messages wait in each queue; on RabbitMQ those that are being
/// delivered are not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// In the main queue.
    pub queue: u64,
    /// For their next attempt.
    pub retry: u64,
    /// Given up on.
    pub dead_letters: u64,
}

/// What came of looking after the queues.
#[derive(Debug)]
pub struct Tended {
    /// What waits.
    pub depth: Depth,
    /// Why what is missing cannot be declared again: the permission is gone, or something of that
    /// name is made otherwise.
    pub refused: Option<BrokerError>,
}

/// The broker's URL is not usable. Says what is expected and repeats nothing of
/// the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// No adapter goes by that scheme.
    #[error(
        "a broker's URL is amqp://USER:PASSWORD@HOST:PORT/VHOST, amqps://… or sqlite:PATH/broker.db; \
         this one begins otherwise"
    )]
    UnknownScheme,
    /// What follows `amqp:` cannot be read.
    #[error(
        "a RabbitMQ URL is amqp://USER:PASSWORD@HOST:PORT/VHOST, with special characters \
         percent-encoded (the vhost / is %2F): {0}"
    )]
    Amqp(&'static str),
    /// What follows `sqlite:` cannot be read or is no file.
    #[error("an embedded broker's URL is sqlite:PATH/broker.db: {0}")]
    Sqlite(&'static str),
}

/// Who vouches for a broker at `amqps://`, besides those whom the system trusts.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    pub(super) certificates: Option<Arc<str>>,
}

/// What was to vouch for the broker holds no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")]
pub struct NoCertificate;

impl Trust {
    /// Those of these certificates too, in PEM form.
    ///
    /// # Errors
    /// [`NoCertificate`].
    pub fn in_certificates(pem: &str) -> Result<Self, NoCertificate> {
        let is_pem = pem.contains("-----BEGIN CERTIFICATE-----") && pem.contains("-----END CERTIFICATE-----");
        if is_pem { Ok(Self { certificates: Some(pem.into()) }) } else { Err(NoCertificate) }
    }
}

/// Picks the adapter for `url`. Nothing is connected or opened before it is used,
/// so a broker that is down, or a file that cannot be written, is met by whoever
/// uses it; [`Publisher::connect`] asks.
///
/// # Errors
/// [`OpenError`] when the URL cannot be one of a broker.
pub fn open(url: &str, trust: Trust, topology: Topology, clock: SharedClock) -> Result<Broker, OpenError> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let adapter: Arc<dyn Adapter> = match scheme.as_deref() {
        Some("amqp" | "amqps") => Arc::new(RabbitBroker::new(url, trust, topology)?),
        Some("sqlite") => Arc::new(EmbeddedBroker::new(url, &topology, clock)?),
        _ => return Err(OpenError::UnknownScheme),
    };
    Ok(Broker(adapter))
}

impl Broker {
    /// A publisher to `to`, with a connection of its own.
    #[must_use]
    pub fn publisher(&self, to: Destination) -> Box<dyn Publisher> {
        self.0.publisher(to)
    }

    /// A subscriber; each subscription has a connection of its own.
    #[must_use]
    pub fn subscriber(&self) -> Arc<dyn Subscriber> {
        self.0.subscriber()
    }

    /// The dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> Arc<dyn DeadLetters> {
        self.0.dead_letters()
    }

    /// How many messages wait. On RabbitMQ this takes a connection a call: every
    /// few seconds, not every request.
    ///
    /// # Errors
    /// [`BrokerError`] when the broker cannot be asked.
    pub async fn depth(&self) -> Result<Depth, BrokerError> {
        self.0.depth().await
    }

    /// Declares again what somebody has deleted, which is noticed nowhere else while all
    /// connections hold and another queue takes what is published, and counts what waits. As
    /// costly as [`Broker::depth`].
    ///
    /// # Errors
    /// [`BrokerError`] when the broker is away.
    pub async fn tend(&self) -> Result<Tended, BrokerError> {
        self.0.tend().await
    }
}

#[cfg(test)]
mod tests {
    use accrue_chassis::clock::SystemClock;

    use super::*;

    fn refused(url: &str) -> String {
        match open(url, Trust::default(), Topology::default(), Arc::new(SystemClock)) {
            Ok(_) => panic!("{url} was taken"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn the_scheme_picks_the_adapter() {
        for url in [
            "amqp://guest:guest@127.0.0.1:5672",
            "AMQPS://u:p%40ss@rabbit.example:5671/%2F",
            "amqp://[::1]:5672/v",
            "sqlite:broker.db",
            "sqlite:///var/lib/accrue/broker.db",
        ] {
            let opened = open(url, Trust::default(), Topology::default(), Arc::new(SystemClock));
            assert!(opened.is_ok(), "{url}");
        }
    }

    #[test]
    fn a_bad_url_is_told_without_its_password() {
        for url in [
            "kafka://u:hunter2@h",
            "hunter2",
            "",
            "amqp:hunter2",
            "amqp://u:hunter2@h:port/",
            "amqp://u:hunter2@",
            "amqp://u:hunter2@h/%ff",
            "amqp://u:hunter2@h/?heartbeat=hunter2",
            "sqlite::memory:",
            "sqlite:",
            "sqlite:broker.db?mode=hunter2",
        ] {
            let told = refused(url);
            assert!(told.contains("URL is") && !told.contains("hunter2"), "{url}: {told}");
        }
    }
}
