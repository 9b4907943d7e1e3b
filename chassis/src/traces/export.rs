//! Sends spans to a collector, never waiting for it and never holding more than so many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter as Exports, SpanProcessor as _,
};

use super::{Collector, Sampling, TraceContext};

/// Spans that wait for the collector at most, some 10 MB; past it they are dropped.
const QUEUE: usize = 8_192;

/// The way of spans to the collector.
#[derive(Debug)]
pub(super) struct Export {
    processor: BatchSpanProcessor,
    sampling: Sampling,
    instrumentation: InstrumentationScope,
    queue: Arc<Queue>,
}

impl Export {
    pub(super) fn to(collector: &Collector) -> Result<Self, ExporterBuildError> {
        let endpoint = format!("{}/v1/traces", collector.endpoint.as_str().trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(endpoint)
            .with_protocol(Protocol::HttpBinary)
            .build()?;
        let queue = Arc::new(Queue::default());
        let mut processor = BatchSpanProcessor::builder(Watched { exporter, queue: Arc::clone(&queue) })
            .with_batch_config(BatchConfigBuilder::default().with_max_queue_size(QUEUE).build())
            .build();
        let resource = Resource::builder().with_service_name(collector.service_name.clone()).build();
        processor.set_resource(&resource);
        let instrumentation =
            InstrumentationScope::builder("accrue").with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self { processor, sampling: collector.sampling.clone(), instrumentation, queue })
    }

    pub(super) fn samples(&self, trace_id: u128, parent: Option<&TraceContext>) -> bool {
        self.sampling.samples(trace_id, parent)
    }

    pub(super) fn instrumentation(&self) -> InstrumentationScope {
        self.instrumentation.clone()
    }

    /// Takes a span that has ended; drops it where too many wait.
    pub(super) fn take(&self, span: SpanData) {
        if self.queue.enter() {
            self.processor.on_end(span);
        }
    }

    /// Sends what waits, and ends; within `limit`.
    pub(super) async fn finish(&'static self, limit: Duration) {
        let sent = tokio::task::spawn_blocking(move || self.processor.shutdown_with_timeout(limit)).await;
        let lost = self.queue.lost.load(Ordering::Relaxed);
        let left = self.queue.waiting.load(Ordering::Relaxed);
        if lost > 0 || !matches!(sent, Ok(Ok(()))) {
            tracing::warn!(lost, left, "not all spans reached the collector");
        }
    }
}

/// What waits for the collector, and what it never got.
#[derive(Debug, Default)]
struct Queue {
    waiting: AtomicUsize,
    lost: AtomicU64,
    has_overflowed: AtomicBool,
    is_failing: AtomicBool,
}

impl Queue {
    /// Takes a place, if one is free. That none was is told once.
    fn enter(&self) -> bool {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < QUEUE {
            return true;
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        self.lose(1);
        if !self.has_overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                waiting = QUEUE,
                "the collector of spans is too slow or away: spans are dropped, and counted in \
                 trace_spans_lost_total. OTEL_TRACES_SAMPLER can have fewer recorded"
            );
        }
        false
    }

    /// Gives places free of spans that are on their way.
    fn leave(&self, spans: usize) {
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
    }

    fn lose(&self, spans: u64) {
        self.lost.fetch_add(spans, Ordering::Relaxed);
        metrics::counter!("trace_spans_lost_total").increment(spans);
    }

    /// Tells of a change: of each failure would be a line every few seconds.
    fn told(&self, sent: &OTelSdkResult, spans: u64) {
        match sent {
            Ok(()) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("spans reach the collector again");
                }
            }
            Err(error) => {
                self.lose(spans);
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "spans do not reach the collector, and are lost meanwhile");
                }
            }
        }
    }
}

/// The exporter, with a look at what comes of it.
#[derive(Debug)]
struct Watched {
    exporter: SpanExporter,
    queue: Arc<Queue>,
}

impl Exports for Watched {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.queue.leave(spans);
        let sent = self.exporter.export(batch).await;
        self.queue.told(&sent, spans as u64);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::error::OTelSdkError;

    use super::*;

    #[test]
    fn no_more_wait_than_there_are_places() {
        let queue = Queue::default();
        assert!((0..QUEUE).all(|_| queue.enter()));
        assert!(!queue.enter() && !queue.enter());
        assert_eq!(queue.lost.load(Ordering::Relaxed), 2);
        queue.leave(1);
        assert!(queue.enter() && !queue.enter());
        assert_eq!(queue.waiting.load(Ordering::Relaxed), QUEUE);
    }

    #[test]
    fn what_could_not_be_sent_is_counted() {
        let queue = Queue::default();
        queue.told(&Err(OTelSdkError::AlreadyShutdown), 3);
        queue.told(&Err(OTelSdkError::AlreadyShutdown), 4);
        assert!(queue.is_failing.load(Ordering::Relaxed));
        queue.told(&Ok(()), 5);
        assert!(!queue.is_failing.load(Ordering::Relaxed));
        assert_eq!(queue.lost.load(Ordering::Relaxed), 7);
    }
}
