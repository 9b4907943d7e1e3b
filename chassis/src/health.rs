//! Whether a service can do its work, and what is wrong when it cannot.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

/// How long a probe may take before its subject counts as down.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Asks something now whether it can be used.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// # Errors
    /// What is wrong, in words that may be shown: no address, no secret.
    async fn check(&self) -> Result<(), String>;
}

/// What a worker last knew of the server it talks to. Clones share one state.
#[derive(Debug, Clone)]
pub struct Link(Arc<Mutex<Result<(), String>>>);

impl Default for Link {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Err("not connected yet".to_owned()))))
    }
}

impl Link {
    /// The server answers.
    pub fn up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Ok(());
    }

    /// The server does not answer; `reason` may be shown.
    pub fn down(&self, reason: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Err(reason.into());
    }

    /// What was last told.
    ///
    /// # Errors
    /// The reason that [`Link::down`] was given.
    pub fn state(&self) -> Result<(), String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a service's readiness depends on.
#[derive(Clone, Default)]
pub struct Readiness {
    required: Vec<(&'static str, Arc<dyn Probe>)>,
    wanted: Vec<(&'static str, Link)>,
}

/// The answer of `/healthz/ready`.
#[derive(Debug, Serialize)]
pub struct Report {
    /// `ready`, `degraded` (it serves, but something it wants is away), or `unavailable`.
    pub status: &'static str,
    /// One line for each part.
    pub checks: Vec<CheckReport>,
}

/// The state of one part.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// What was looked at.
    pub name: &'static str,
    /// `up` or `down`.
    pub status: &'static str,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl CheckReport {
    fn new(name: &'static str, state: Result<(), String>) -> Self {
        match state {
            Ok(()) => Self { name, status: "up", detail: None },
            Err(reason) => Self { name, status: "down", detail: Some(reason) },
        }
    }
}

impl Readiness {
    /// Adds something without which the service can do nothing.
    #[must_use]
    pub fn require(mut self, name: &'static str, probe: Arc<dyn Probe>) -> Self {
        self.required.push((name, probe));
        self
    }

    /// Adds something that may be away for a while: the service goes on, degraded.
    #[must_use]
    pub fn want(mut self, name: &'static str, link: Link) -> Self {
        self.wanted.push((name, link));
        self
    }

    /// Looks at every part now.
    pub async fn report(&self, stopping: bool) -> Report {
        let mut checks = Vec::new();
        for (name, probe) in &self.required {
            let state = tokio::time::timeout(PROBE_LIMIT, probe.check())
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {} s", PROBE_LIMIT.as_secs())));
            checks.push(CheckReport::new(name, state));
        }
        let usable = !stopping && checks.iter().all(|check| check.status == "up");
        checks.extend(self.wanted.iter().map(|(name, link)| CheckReport::new(name, link.state())));
        if stopping {
            checks.push(CheckReport::new("process", Err("is shutting down".to_owned())));
        }
        let whole = checks.iter().all(|check| check.status == "up");
        let status = match (usable, whole) {
            (false, _) => "unavailable",
            (true, false) => "degraded",
            (true, true) => "ready",
        };
        Report { status, checks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(Result<(), String>);

    #[async_trait]
    impl Probe for Fixed {
        async fn check(&self) -> Result<(), String> {
            self.0.clone()
        }
    }

    #[tokio::test]
    async fn a_lost_broker_degrades_and_a_lost_database_stops() {
        let broker = Link::default();
        let ready =
            Readiness::default().require("database", Arc::new(Fixed(Ok(())))).want("broker", broker.clone());
        assert_eq!(ready.report(false).await.status, "degraded");
        broker.up();
        assert_eq!(ready.report(false).await.status, "ready");
        assert_eq!(ready.report(true).await.status, "unavailable");

        let unusable = Readiness::default().require("database", Arc::new(Fixed(Err("gone".into()))));
        let report = unusable.report(false).await;
        assert_eq!(report.status, "unavailable");
        assert_eq!(report.checks[0].detail.as_deref(), Some("gone"));
    }
}
