//! One process of the binary under test: started, watched, killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use accrue_testkit::within;
use serde_json::Value;
use url::Url;

/// A process, killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    logs: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `accrue` with nothing of this process's environment.
    pub(crate) fn start(args: &[&str], environment: &[(String, String)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_accrue"))
            .args(args)
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let logs = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().expect("piped");
        let stdout = child.stdout.take().expect("piped");
        collect(stderr, Arc::clone(&logs));
        collect(stdout, Arc::clone(&logs));
        Self { child, logs }
    }

    /// Where `service` listens, once it does.
    pub(crate) async fn url_of(&self, service: &str) -> Url {
        within(Duration::from_secs(30), &format!("{service} listens"), async || {
            self.logs().lines().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let is_it = line["message"] == "listening" && line["service"] == service;
                let address = line["address"].as_str().filter(|_| is_it)?;
                Some(Url::parse(&format!("http://{address}")).expect("an address makes a URL"))
            })
        })
        .await
    }

    /// Everything that it has printed.
    pub(crate) fn logs(&self) -> String {
        self.logs.lock().expect("no reader panics").clone()
    }

    /// Its number to the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as by kill -9.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// Sends a signal, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success(), "SIG{name} was not taken");
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        within(Duration::from_secs(15), "the process ends", async || child.try_wait().expect("asked")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- what the process said:\n{}", self.logs());
        }
    }
}

/// Reads a pipe to its end, so that the process never waits for us.
fn collect(pipe: impl std::io::Read + Send + 'static, logs: Arc<Mutex<String>>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let Ok(line) = line else { return };
            let mut logs = logs.lock().expect("no reader panics");
            logs.push_str(&line);
            logs.push('\n');
        }
    });
}
