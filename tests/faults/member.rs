//! One process of a service, behind links of its own, which keeps its address over restarts.

use std::net::TcpListener;

use url::Url;

use crate::dice::Dice;
use crate::process::Process;
use crate::proxy::Link;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Auth,
    Accounting,
}

impl Service {
    pub(crate) const BOTH: [Self; 2] = [Self::Auth, Self::Accounting];
}

/// Where its servers are, by way of nothing but itself.
pub(crate) struct Links {
    pub(crate) to_broker: Link,
    pub(crate) to_database: Link,
}

impl Links {
    pub(crate) async fn to(broker: &str, database: &str) -> Self {
        Self { to_broker: Link::to(broker).await, to_database: Link::to(database).await }
    }
}

pub(crate) struct Member {
    command: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// None for the all-in-one, whose broker and databases are in it.
    pub(crate) links: Option<Links>,
    process: Option<Process>,
    /// The most memory, in MiB, that a process had which has ended.
    peak_before: u64,
}

impl Member {
    pub(crate) fn new(command: &[&str], environment: Vec<(String, String)>, links: Option<Links>) -> Self {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        Self { command, environment, links, process: None, peak_before: 0 }
    }

    /// Starts it, if it is down.
    pub(crate) fn start(&mut self) {
        self.start_with(&[]);
    }

    /// Starts it, if it is down, with settings for this once.
    pub(crate) fn start_with(&mut self, settings: &[(&str, &str)]) {
        if self.process.is_none() {
            let mut environment = self.environment.clone();
            environment.extend(settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
            let command: Vec<_> = self.command.iter().map(String::as_str).collect();
            self.process = Some(Process::start(&command, &environment));
        }
    }

    /// `kill -9`, if it is up.
    pub(crate) fn kill(&mut self) {
        self.peak_before = self.peak_memory();
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            process.signal(name);
        }
    }

    /// Ends it as a rolling restart does: it finishes what is under way.
    ///
    /// # Panics
    /// When it does not end, or not with 0.
    pub(crate) async fn terminate(&mut self) {
        self.peak_before = self.peak_memory();
        let Some(mut process) = self.process.take() else { return };
        process.signal("TERM");
        let exit = process.exit().await;
        assert_eq!(exit.code(), Some(0), "I10: it does not end well: {}", process.logs());
    }

    /// The most memory that any process of it has had, in MiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let now = self.process.as_ref().and_then(|process| {
            let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        });
        self.peak_before.max(now.unwrap_or(0) / 1024)
    }
}

/// The URL of an address that nobody listens on now. A process that is started again keeps it: so it is
/// taken from below the range of outgoing connections, one of which could have it meanwhile, and from
/// below the ports of the servers.
pub(crate) fn free_url(dice: &mut Dice) -> Url {
    let address = loop {
        let port = u16::try_from(dice.among(11_000..20_000)).expect("it is one");
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            break listener.local_addr().expect("it is bound");
        }
    };
    Url::parse(&format!("http://{address}")).expect("an address makes a URL")
}
