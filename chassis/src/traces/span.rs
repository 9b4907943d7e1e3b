//! A span that is being recorded.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::TraceContext;
use super::export::Export;
use crate::clock::{Clock as _, SystemClock};

/// What a span stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request that was answered.
    Server,
    /// A message that was sent.
    Producer,
    /// A message that was received.
    Consumer,
    /// Something within this process.
    Internal,
}

/// A span that began, and ends when it is dropped. Nothing in it may be of a person: no
/// path, no query, no id of a user.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
    /// There until it ends.
    data: Option<Box<SpanData>>,
    export: &'static Export,
}

impl Span {
    /// Begins the span `context`, now; nothing if it is not to be recorded. Its name is
    /// made only if it is.
    #[must_use]
    pub fn begin(
        context: TraceContext,
        kind: Kind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Option<Self> {
        Self::begin_at(context, kind, name, None)
    }

    /// Begins a span below the one that a `traceparent` names, or in a new trace; nothing
    /// if it is not to be recorded.
    #[must_use]
    pub fn continuing(
        traceparent: Option<&str>,
        kind: Kind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Option<Self> {
        super::export()?;
        Self::begin(TraceContext::continuing(traceparent), kind, name)
    }

    /// A span that began at `start`; now, if it is not given.
    #[must_use]
    pub fn begin_at(
        context: TraceContext,
        kind: Kind,
        name: impl FnOnce() -> Cow<'static, str>,
        start: Option<SystemTime>,
    ) -> Option<Self> {
        let export = super::export().filter(|_| context.is_sampled())?;
        let (trace_id, span_id) = context.ids();
        let (parent_id, parent_span_is_remote) = context.parent();
        let start_time = start.unwrap_or_else(now);
        let data = SpanData {
            span_context: SpanContext::new(
                trace_id.into(),
                span_id.into(),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            ),
            parent_span_id: parent_id.into(),
            parent_span_is_remote,
            span_kind: kind.into(),
            name: name(),
            start_time,
            end_time: start_time,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: export.instrumentation(),
        };
        Some(Self { context, data: Some(Box::new(data)), export })
    }

    /// Its place in the trace.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        self.context
    }

    /// Says something more of it. To be called once for each key.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        if let Some(data) = &mut self.data {
            data.attributes.push(KeyValue::new(key, value));
        }
    }

    /// Says that what it stands for failed, and by which of few kinds of errors. Of several
    /// the first one counts.
    pub fn fail(&mut self, kind: impl Into<Cow<'static, str>>) {
        if let Some(data) = self.data.as_mut().filter(|data| data.status == Status::Unset) {
            data.attributes.push(KeyValue::new("error.type", Value::from(kind.into())));
            data.status = Status::error("");
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut data) = self.data.take() {
            data.end_time = now();
            self.export.take(*data);
        }
    }
}

impl From<Kind> for SpanKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Server => Self::Server,
            Kind::Producer => Self::Producer,
            Kind::Consumer => Self::Consumer,
            Kind::Internal => Self::Internal,
        }
    }
}

/// The machine's time, as spans have it.
#[must_use]
pub fn now() -> SystemTime {
    SystemClock.now().into()
}
