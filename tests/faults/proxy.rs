//! A link between a process and a server, which can be held, slowed, and cut.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of bytes that go one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    Pass,
    /// They stay where they are: with both ways held, a peer that accepts and never answers.
    Hold,
    Delay(Duration),
    /// One byte at a time.
    Drip,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    ToServer,
    ToProcess,
}

#[derive(Debug, Clone, Copy)]
struct State {
    flows: [Flow; 2],
    /// Connections made in an earlier era are cut.
    era: u64,
}

/// One listening address in front of one server.
pub(crate) struct Link {
    address: SocketAddr,
    server: SocketAddr,
    state: watch::Sender<State>,
}

impl Link {
    /// Listens on a free port and connects each client to the server of a URL such as
    /// `scheme://user@127.0.0.1:1234/path`.
    #[expect(clippy::disallowed_methods, reason = "a link lasts as long as the test's runtime")]
    pub(crate) async fn to(url: &str) -> Self {
        let server = address_of(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (state, watched) = watch::channel(State { flows: [Flow::Pass; 2], era: 0 });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, watched.clone()));
            }
        });
        Self { address, server, state }
    }

    /// The URL of the server, by way of this link.
    pub(crate) fn instead_of(&self, url: &str) -> String {
        url.replace(&self.server.to_string(), &self.address.to_string())
    }

    pub(crate) fn set(&self, way: Way, flow: Flow) {
        self.state.send_modify(|state| state.flows[way as usize] = flow);
    }

    /// Sets both ways.
    pub(crate) fn set_both(&self, flow: Flow) {
        self.state.send_modify(|state| state.flows = [flow; 2]);
    }

    /// Cuts every connection with a RST; what was held is lost.
    pub(crate) fn reset(&self) {
        self.state.send_modify(|state| state.era += 1);
    }
}

fn address_of(url: &str) -> SocketAddr {
    let address = url.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.and_then(|address| address.rsplit('@').next());
    address.and_then(|address| address.parse().ok()).expect("an address of ours")
}

async fn carry(client: TcpStream, server: SocketAddr, mut state: watch::Receiver<State>) {
    let era = state.borrow_and_update().era;
    let Ok(server) = TcpStream::connect(server).await else { return };
    for stream in [&client, &server] {
        drop(stream.set_nodelay(true));
        // What is cut ends with a RST, as by a firewall or a machine that is gone.
        drop(stream.set_zero_linger());
    }
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let up = pump(from_client, to_server, state.clone(), Way::ToServer);
    let down = pump(from_server, to_client, state.clone(), Way::ToProcess);
    tokio::select! {
        // A cut comes before what is let go after it.
        biased;
        _ = state.wait_for(|state| state.era != era) => {}
        () = up => {}
        () = down => {}
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut state: watch::Receiver<State>, way: Way) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        // Looked at after the read, so that what was under way when it was held is held too.
        let open = state.wait_for(|state| state.flows[way as usize] != Flow::Hold).await;
        let Ok(flow) = open.map(|state| state.flows[way as usize]) else { return };
        let step = if flow == Flow::Drip { 1 } else { length };
        if let Flow::Delay(time) = flow {
            tokio::time::sleep(time).await;
        }
        for part in buffer[..length].chunks(step) {
            if to.write_all(part).await.is_err() {
                return;
            }
        }
    }
}
