//! The handshake, with a hold on its socket that shuts it when it is given up on.

use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::{AMQPUriTcpExt as _, AsyncTcpStream, TLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use super::super::Trust;

/// How long TCP and TLS may take.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// A second handle to a socket; it is shut when this is dropped while it holds on.
///
/// lapin goes on with a handshake whose future was dropped, in a thread of its own,
/// until the socket ends. With a broker that is paused for a day, trying again and
/// again would gather thousands of such threads.
#[derive(Default)]
struct Hold(Arc<Mutex<Option<TcpStream>>>);

impl Hold {
    fn take(&self, socket: &impl AsFd) -> std::io::Result<()> {
        let handle = socket.as_fd().try_clone_to_owned()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.into());
        Ok(())
    }

    fn let_go(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(socket) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A socket that has ended already needs no ending.
            drop(socket.shutdown(Shutdown::Both));
        }
    }
}

/// Connects, as [`Connection::connect_uri`] does; dropped half-way, it leaves no
/// thread behind.
pub(super) async fn connect(uri: AMQPUri, trust: &Trust, purpose: &str) -> lapin::Result<Connection> {
    let name = format!("accrue {purpose}");
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let certificates = trust.certificates.clone();
    let hold = Hold::default();
    let shared = Hold(Arc::clone(&hold.0));
    let runtime = lapin::runtime::default_runtime()?;
    // In place, or the compiler could not tell which runtime's sockets these are.
    let connecting = Connection::connector(
        uri,
        runtime,
        async move |uri: AMQPUri, runtime| {
            let tls = TLSConfig { cert_chain: certificates.as_deref(), ..TLSConfig::default() };
            let opening = uri.connect_with_config_async(tls, &runtime);
            let stream = tokio::time::timeout(OPEN_LIMIT, opening)
                .await
                .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))??;
            match &stream {
                AsyncTcpStream::Plain(tcp) => shared.take(tcp.get_ref())?,
                AsyncTcpStream::Rustls(tls) => shared.take(tls.get_ref().0.get_ref())?,
                _ => {}
            }
            Ok(stream)
        },
        properties,
    );
    let connection = connecting.await?;
    hold.let_go();
    Ok(connection)
}
