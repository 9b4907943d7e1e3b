//! A link between two processes that can be held, cut and slowed, byte by byte in either direction.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who connected.
    Client,
    /// Who was connected to.
    Server,
}

/// What a link does with what comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Whose words do not get across, until they are let go; nothing is lost.
    pub(crate) holds: Option<Side>,
    /// New connections are taken and never answered, as by a host that is gone half-way.
    pub(crate) is_half_open: bool,
    /// One byte at a time.
    pub(crate) drips: bool,
    /// Every piece is late by so much.
    pub(crate) late_by: Duration,
}

/// A link, which ends with this value.
pub(crate) struct Link {
    port: u16,
    manner: watch::Sender<Manner>,
    /// Counts up with every cut.
    cuts: watch::Sender<u64>,
    /// What carries it; it ends with this value.
    _carrier: JoinSet<()>,
}

impl Link {
    /// A link to the server at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let server = Url::parse(url).expect("a URL of ours");
        let port = server.port().expect("a server of the tests' own says its port");
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (manner, cuts) = (watch::Sender::new(Manner::default()), watch::Sender::new(0));
        let (each_manner, each_cut) = (manner.subscribe(), cuts.subscribe());
        let mut carrier = JoinSet::new();
        carrier.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server, each_manner.clone(), each_cut.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, manner, cuts, _carrier: carrier }
    }

    /// `url` with this link in the place of its host and port.
    pub(crate) fn instead_of(&self, url: &str) -> String {
        let mut url = Url::parse(url).expect("a URL of ours");
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(self.port)).expect("a port");
        url.into()
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Manner)) {
        self.manner.send_modify(change);
    }

    /// Everything gets across again.
    pub(crate) fn heal(&self) {
        self.manner.send_replace(Manner::default());
    }

    /// What is held is lost with its connection, and what comes after gets across.
    pub(crate) fn let_die(&self) {
        self.cut();
        self.heal();
    }

    /// Every connection is reset.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    manner: watch::Receiver<Manner>,
    mut cuts: watch::Receiver<u64>,
) {
    cuts.mark_unchanged();
    // Whatever ends it, ends with a reset, so that nobody takes it for an orderly end.
    drop(client.set_zero_linger());
    if manner.borrow().is_half_open {
        drop(cuts.changed().await);
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    drop(server.set_zero_linger());
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        // A cut comes before what is let go after it.
        biased;
        _ = cuts.changed() => {}
        () = pump(from_client, to_server, manner.clone(), Side::Client) => {}
        () = pump(from_server, to_client, manner, Side::Server) => {}
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut manner: watch::Receiver<Manner>,
    side: Side,
) {
    let mut piece = vec![0; 16 * 1024];
    loop {
        let room = if manner.borrow().drips { 1 } else { piece.len() };
        let Ok(length @ 1..) = from.read(&mut piece[..room]).await else { return };
        if manner.wait_for(|manner| manner.holds != Some(side)).await.is_err() {
            return;
        }
        let late_by = manner.borrow().late_by;
        if !late_by.is_zero() {
            tokio::time::sleep(late_by).await;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
