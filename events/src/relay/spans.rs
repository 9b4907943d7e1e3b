//! The spans of what a relay publishes: one for each message, which the message then names.

use std::borrow::Cow;

use accrue_chassis::traces::{Kind, Span, TraceContext};

use crate::broker::{Message, Place, Publication};
use crate::outbox::Entry;

/// What publishing a window is traced by; empty where nothing is recorded.
pub(super) struct Spans(Vec<(usize, Span)>);

impl Spans {
    /// The messages of `window`, each naming the span of its publishing, if it has one, as
    /// what led to it.
    pub(super) fn begin(window: &[Entry], place: &Place) -> (Vec<Message>, Self) {
        let mut spans = Vec::new();
        let messages = window.iter().enumerate().map(|(index, entry)| {
            let mut message = entry.message.clone();
            if let Some(span) = begin(&message, place) {
                message.traceparent = Some(span.context().traceparent());
                spans.push((index, span));
            }
            message
        });
        (messages.collect(), Self(spans))
    }

    /// Ends them as the broker answered; nothing if it did not.
    pub(super) fn end(self, publications: Option<&[Publication]>) {
        for (index, mut span) in self.0 {
            let publication = publications.and_then(|publications| publications.get(index));
            if publication != Some(&Publication::Confirmed) {
                span.fail("unconfirmed");
            }
        }
    }
}

fn begin(message: &Message, place: &Place) -> Option<Span> {
    let request = TraceContext::parse(message.traceparent.as_deref()?)?;
    let name = || Cow::Owned(format!("publish {}", place.name));
    let mut span = Span::begin(request.child(), Kind::Producer, name)?;
    span.set("messaging.system", place.system);
    span.set("messaging.operation.name", "publish");
    span.set("messaging.operation.type", "send");
    span.set("messaging.destination.name", place.name.clone());
    span.set("messaging.message.id", message.id.to_string());
    span.set("messaging.rabbitmq.destination.routing_key", message.routing_key.clone());
    Some(span)
}
