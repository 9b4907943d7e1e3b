//! A mail server for tests: it keeps what it gets, and can be away, refuse or misbehave.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A receiver on a port of its own, until it is dropped.
pub(crate) struct MailServer {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    mails: Mutex<Vec<Mail>>,
    refuses: AtomicBool,
    /// Greets with 554.
    is_closed: AtomicBool,
    takes_utf8: AtomicBool,
    faults: Mutex<HashMap<String, Fault>>,
    is_stopping: AtomicBool,
    /// Offers STARTTLS.
    tls: Option<Arc<rustls::ServerConfig>>,
}

/// What the server does over a mail to a certain recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hangs up when it hears of them.
    HangsUp,
    /// Says 421 instead, and then does.
    GivesNoService,
    /// Does not answer any more.
    Hangs,
    /// Hangs up when it has the mail, before it says so.
    HangsUpAfterData,
    /// Hangs up when it has said so, without a goodbye.
    HangsUpAfterAnswer,
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) message: String,
    /// Whether it came over TLS.
    pub(crate) is_encrypted: bool,
}

impl Mail {
    /// The token in its link.
    pub(crate) fn token(&self) -> String {
        // Quoted-printable breaks long lines and writes `=` as `=3D`.
        let text = self.message.replace("=\r\n", "").replace("=3D", "=");
        let token = text.split("#token=").nth(1).and_then(|rest| rest.split_whitespace().next());
        token.expect("a link with a token").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let line = self.message.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.expect("the header")
    }
}

impl MailServer {
    pub(crate) fn start() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// One that listens where nobody did.
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self::serving(address, State::default())
    }

    /// One that offers STARTTLS.
    pub(crate) fn with_tls(tls: Arc<rustls::ServerConfig>) -> Self {
        let state = State { tls: Some(tls), ..State::default() };
        Self::serving(SocketAddr::from(([127, 0, 0, 1], 0)), state)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    fn serving(address: SocketAddr, state: State) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(state);
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_stopping.load(Ordering::SeqCst) {
                    return;
                }
                // A client that hangs up half-way has sent nothing.
                drop(stream.and_then(|stream| serve(stream, &serving)));
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    /// An address where nothing listens, for now.
    pub(crate) fn free_address() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address")
    }

    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().expect("no test panicked").clone()
    }

    /// The only mail to `to`, once it is here.
    pub(crate) async fn mail_to(&self, to: &str, count: usize) -> Mail {
        accrue_testkit::eventually("the mail arrives", async || {
            let mails: Vec<_> = self.mails().into_iter().filter(|mail| mail.to == to).collect();
            (mails.len() == count).then(|| mails.last().cloned()).flatten()
        })
        .await
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.state.refuses.store(refuses, Ordering::SeqCst);
    }

    pub(crate) fn close(&self, is_closed: bool) {
        self.state.is_closed.store(is_closed, Ordering::SeqCst);
    }

    /// Offers `SMTPUTF8` from now on.
    pub(crate) fn take_utf8(&self) {
        self.state.takes_utf8.store(true, Ordering::SeqCst);
    }

    /// Misbehaves over mail to `to`, until it is mended.
    pub(crate) fn misbehave(&self, to: &str, fault: Fault) {
        self.state.faults.lock().expect("no test panicked").insert(to.to_owned(), fault);
    }

    pub(crate) fn mend(&self) {
        self.state.faults.lock().expect("no test panicked").clear();
    }

    /// How many mails to `to` are here.
    pub(crate) fn count_to(&self, to: &str) -> usize {
        self.mails().iter().filter(|mail| mail.to == to).count()
    }
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("smtp://{address}")
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.state.is_stopping.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the mail server did not panic");
        }
    }
}

/// What the dialogue goes over: the bare connection, then TLS over it.
trait Duplex: Read + Write {}

impl<T: Read + Write> Duplex for T {}

fn serve(stream: TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let bare = stream.try_clone()?;
    let mut wire: BufReader<Box<dyn Duplex>> = BufReader::new(Box::new(stream));
    let (mut to, mut is_encrypted, mut fault) = (String::new(), false, None);
    if state.is_closed.load(Ordering::SeqCst) {
        return say(&mut wire, "554 no service here");
    }
    say(&mut wire, "220 test ESMTP")?;
    while let Some(line) = hear(&mut wire)? {
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match (verb.as_str(), &state.tls) {
            ("EHLO", Some(_)) if !is_encrypted => say(&mut wire, "250-test\r\n250-STARTTLS\r\n250 8BITMIME")?,
            ("EHLO", _) if state.takes_utf8.load(Ordering::SeqCst) => {
                say(&mut wire, "250-test\r\n250-SMTPUTF8\r\n250 8BITMIME")?;
            }
            ("EHLO", _) => say(&mut wire, "250-test\r\n250 8BITMIME")?,
            ("STARTTLS", Some(tls)) => {
                say(&mut wire, "220 go on")?;
                let server = rustls::ServerConnection::new(Arc::clone(tls)).map_err(std::io::Error::other)?;
                wire = BufReader::new(Box::new(rustls::StreamOwned::new(server, bare.try_clone()?)));
                is_encrypted = true;
            }
            ("RCPT", _) if state.refuses.load(Ordering::SeqCst) => {
                say(&mut wire, &format!("451 not now: {line}"))?;
            }
            ("RCPT", _) => {
                line.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut to);
                fault = state.faults.lock().expect("no test panicked").get(&to).copied();
                match fault {
                    Some(Fault::HangsUp) => return Ok(()),
                    Some(Fault::GivesNoService) => return say(&mut wire, "421 closing"),
                    Some(Fault::Hangs) => return std::io::copy(&mut wire, &mut std::io::sink()).map(drop),
                    _ => say(&mut wire, "250 ok")?,
                }
            }
            ("DATA", _) => {
                say(&mut wire, "354 go on")?;
                let mut message = String::new();
                while let Some(line) = hear(&mut wire)?.filter(|line| line != ".") {
                    message.push_str(&line);
                    message.push_str("\r\n");
                }
                let mail = Mail { to: to.clone(), message, is_encrypted };
                state.mails.lock().expect("no test panicked").push(mail);
                if fault == Some(Fault::HangsUpAfterData) {
                    return Ok(());
                }
                say(&mut wire, "250 taken")?;
                if fault == Some(Fault::HangsUpAfterAnswer) {
                    return Ok(());
                }
            }
            ("QUIT", _) => return say(&mut wire, "221 bye"),
            _ => say(&mut wire, "250 ok")?,
        }
    }
    Ok(())
}

fn say(wire: &mut BufReader<Box<dyn Duplex>>, text: &str) -> std::io::Result<()> {
    wire.get_mut().write_all(format!("{text}\r\n").as_bytes())?;
    wire.get_mut().flush()
}

/// The next line; none at the end.
fn hear(wire: &mut BufReader<Box<dyn Duplex>>) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let is_there = wire.read_line(&mut line)? > 0;
    Ok(is_there.then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}
