//! The broker's settings, and the broker that they name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use accrue_chassis::clock::SystemClock;
use accrue_chassis::settings::Problems;
use accrue_events::broker::{Broker, Topology, Trust, open};
use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "Broker")]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, beside those of the services")]
pub(crate) struct BrokerArgs {
    /// Where events go: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, `amqps://…` or `sqlite:PATH`
    #[arg(long, env = "BROKER_URL", hide_env_values = true, value_name = "URL")]
    broker_url: Option<String>,
    /// A file that holds that URL
    #[arg(long, env = "BROKER_URL_FILE", value_name = "PATH")]
    broker_url_file: Option<PathBuf>,
    /// A file of certificates, in PEM form, that vouch for a broker at `amqps://`, besides those that
    /// the system trusts
    #[arg(long, env = "BROKER_CA_FILE", value_name = "PATH")]
    broker_ca_file: Option<PathBuf>,
    /// What the names of our exchanges and queues begin with
    #[arg(long, env = "BROKER_PREFIX", default_value = "accrue", value_name = "PREFIX")]
    broker_prefix: String,
}

impl BrokerArgs {
    /// Whether the settings name a broker.
    pub(crate) fn is_given(&self) -> bool {
        self.broker_url.is_some() || self.broker_url_file.is_some()
    }

    /// The broker that the settings name, or else the one at `fallback_url`. Nothing
    /// is connected yet.
    pub(crate) fn open(self, fallback_url: Option<String>, problems: &mut Problems) -> Option<Broker> {
        let given = self.is_given();
        let url = problems.secret("BROKER_URL", self.broker_url, self.broker_url_file);
        let topology = Topology::new(self.broker_prefix).map_err(|error| format!("BROKER_PREFIX: {error}"));
        // With the default in its place a wrong URL is told as well.
        let topology = problems.take(topology).unwrap_or_default();
        let trust = self.broker_ca_file.map(|path| trust(&path)).transpose();
        let trust = problems.take(trust).flatten().unwrap_or_default();
        let url = if given {
            url?
        } else if let Some(url) = fallback_url {
            url
        } else {
            problems.add("BROKER_URL (or BROKER_URL_FILE) is not set: where is the broker?");
            return None;
        };
        let broker = open(&url, trust, topology, Arc::new(SystemClock))
            .map_err(|error| format!("BROKER_URL: {error}"));
        problems.take(broker)
    }
}

fn trust(path: &Path) -> Result<Trust, String> {
    let told = |error: &dyn std::fmt::Display| format!("BROKER_CA_FILE: {}: {error}", path.display());
    let pem = std::fs::read_to_string(path).map_err(|error| told(&error))?;
    Trust::in_certificates(&pem).map_err(|error| told(&error))
}
