//! A mail server for tests: it keeps what it gets, and can be away or refuse.

use std::io::{BufRead as _, BufReader, Write as _};
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
    is_stopping: AtomicBool,
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) message: String,
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
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let serving = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.is_stopping.load(Ordering::SeqCst) {
                    return;
                }
                // A client that hangs up half-way has sent nothing.
                drop(stream.and_then(|stream| serve(&stream, &serving)));
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

fn serve(stream: &TcpStream, state: &State) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    let mut lines = BufReader::new(stream).lines();
    let say = |text: &str| (&mut &*stream).write_all(format!("{text}\r\n").as_bytes());
    say("220 test ESMTP")?;
    let mut to = String::new();
    while let Some(line) = lines.next() {
        let line = line?;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => say("250-test\r\n250 8BITMIME")?,
            "RCPT" if state.refuses.load(Ordering::SeqCst) => say(&format!("451 not now: {line}"))?,
            "RCPT" => {
                line.split(['<', '>']).nth(1).unwrap_or_default().clone_into(&mut to);
                say("250 ok")?;
            }
            "DATA" => {
                say("354 go on")?;
                let mut message = String::new();
                for line in lines.by_ref() {
                    let line = line?;
                    if line == "." {
                        break;
                    }
                    message.push_str(&line);
                    message.push_str("\r\n");
                }
                let mail = Mail { to: to.clone(), message };
                state.mails.lock().expect("no test panicked").push(mail);
                say("250 taken")?;
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok")?,
        }
    }
    Ok(())
}
