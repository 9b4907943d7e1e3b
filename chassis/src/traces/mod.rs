//! Traces: spans of what this process does, sent to a collector if one is named.
//!
//! As with logs and metrics there is one place for the whole process. Without a collector
//! no span is made, and asking for one costs a look at a flag.

mod context;
mod export;
mod sampling;
mod span;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry_otlp::ExporterBuildError;
use url::Url;

pub use self::context::{TraceContext, scope};
use self::export::Export;
pub use self::sampling::Sampling;
pub use self::span::{Kind, Span, now};

static EXPORT: OnceLock<Export> = OnceLock::new();

/// Where spans go, whose they are, and of which traces.
#[derive(Debug, Clone)]
pub struct Collector {
    /// The collector, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it: `/v1/traces` comes after it.
    pub endpoint: Url,
    /// What this process is called there.
    pub service_name: String,
    /// Which traces are recorded.
    pub sampling: Sampling,
}

/// Spans cannot be exported as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// One of the variables that the exporter reads by itself, such as
    /// `OTEL_EXPORTER_OTLP_TIMEOUT`, cannot be used.
    #[error("spans cannot be exported: check the variables OTEL_EXPORTER_OTLP_…")]
    Exporter(#[from] ExporterBuildError),
    /// This process exports already.
    #[error("this process exports spans already")]
    AlreadyStarted,
}

/// Begins to export. To be called once, before anything that is to be traced; a thread of
/// its own sends the spans.
///
/// # Errors
/// [`StartError`].
pub fn start(collector: &Collector) -> Result<(), StartError> {
    let export = Export::to(collector)?;
    EXPORT.set(export).map_err(|_| StartError::AlreadyStarted)?;
    tracing::info!(service = collector.service_name, "spans are exported");
    Ok(())
}

/// Sends what waits and ends the export; within `limit`, whatever the collector does. It
/// does nothing where nothing is exported.
pub async fn flush(limit: Duration) {
    if let Some(export) = EXPORT.get() {
        export.finish(limit).await;
    }
}

/// The export, where there is one.
fn export() -> Option<&'static Export> {
    EXPORT.get()
}
