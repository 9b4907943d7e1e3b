//! Logs and metrics of a process: set up once, first thing in `main`.

use std::error::Error;
use std::io::IsTerminal as _;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Bounds of latency histograms, in seconds.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Bounds of histograms of lags between the services, in seconds.
const LAG_SECONDS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0];
/// Bounds of histograms of batch sizes.
const SIZES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What is told of others' crates, and what of ours, unless `RUST_LOG` says otherwise.
pub const TALKATIVE: &str =
    "warn,accrue=info,accrue_auth=info,accrue_accounting=info,accrue_events=info,accrue_chassis=info";

/// What is not logged however talkative `RUST_LOG` is: lapin writes the bodies of
/// returned messages, which hold addresses.
const NEVER_LOGGED: [&str; 1] = ["lapin::returned_messages=off"];

/// An error with everything that led to it, in one line for a log.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Some errors already end in the text of their source.
        let told = error.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

/// Sends logs to standard error: for people on a terminal, as JSON otherwise.
/// `RUST_LOG` sets what is told, and `default` when it is not set. A second call
/// changes nothing.
pub fn init_logs(default: &str) {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    for directive in NEVER_LOGGED {
        // A directive of ours always parses.
        filter =
            directive.parse().map_or_else(|_| EnvFilter::new("error"), |rule| filter.add_directive(rule));
    }
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let done = if std::io::stderr().is_terminal() {
        registry.with(layer.with_target(false)).try_init()
    } else {
        registry.with(layer.json().flatten_event(true).with_ansi(false)).try_init()
    };
    drop(done);
}

/// Makes this process's metrics readable. One call a process; parts of the
/// process that serve `/metrics` share the handle.
///
/// # Errors
/// When the process already has a recorder.
pub fn init_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_duration_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_lag_seconds".to_owned()), &LAG_SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZES)?
        .install_recorder()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn a_chain_is_told_whole_and_nothing_twice() {
        let error = Link("a", Some(Box::new(Link("b: c", Some(Box::new(Link("c", None)))))));
        assert_eq!(chain(&error), "a: b: c");
    }
}
