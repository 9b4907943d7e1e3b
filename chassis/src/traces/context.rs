//! The place of a span in its trace, and how it is told to others: W3C `traceparent`.

use std::future::Future;
use std::num::NonZeroU64;

use rand::RngExt as _;

/// A span by its ids, whether it is recorded or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    parent: Option<NonZeroU64>,
    /// The parent is a span of somebody else's, or of an earlier time.
    has_remote_parent: bool,
    is_sampled: bool,
}

tokio::task_local! {
    /// The span that what runs now belongs to, where spans are recorded.
    static CURRENT: Option<TraceContext>;
}

/// Runs `work` as a part of the span `of`: what it does can be traced below that one.
pub fn scope<F: Future>(of: Option<TraceContext>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(of, work)
}

impl TraceContext {
    /// A child of the span that a `traceparent` names; the first span of a new trace where
    /// there is none, or one that does not follow the W3C recommendation.
    #[must_use]
    pub fn continuing(traceparent: Option<&str>) -> Self {
        let parent = traceparent.and_then(Self::parse);
        let trace_id =
            parent.map_or_else(|| rand::rng().random_range(1..=u128::MAX), |parent| parent.trace_id);
        let is_sampled = match super::export() {
            Some(export) => export.samples(trace_id, parent.as_ref()),
            // Whoever comes next may still record it.
            None => parent.is_none_or(|parent| parent.is_sampled),
        };
        Self {
            trace_id,
            span_id: new_span_id(),
            parent: parent.and_then(|parent| NonZeroU64::new(parent.span_id)),
            has_remote_parent: parent.is_some(),
            is_sampled,
        }
    }

    /// The span that a valid `traceparent` names, of version 00 or one that extends it.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let (version, trace_id, span_id, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let is_hex = |text: &str, digits| {
            text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        let is_valid = is_hex(version, 2)
            && version != "ff"
            && is_hex(trace_id, 32)
            && is_hex(span_id, 16)
            && is_hex(flags, 2)
            && (version != "00" || parts.next().is_none());
        if !is_valid {
            return None;
        }
        Some(Self {
            trace_id: u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?,
            span_id: u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?,
            parent: None,
            has_remote_parent: false,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        })
    }

    /// A span below this one, recorded if this one is.
    #[must_use]
    pub fn child(&self) -> Self {
        let parent = NonZeroU64::new(self.span_id);
        Self { span_id: new_span_id(), parent, has_remote_parent: false, ..*self }
    }

    /// The span whose [`scope`] this runs in, where spans are recorded.
    #[must_use]
    pub fn current() -> Option<Self> {
        super::export()?;
        CURRENT.try_with(|current| *current).ok().flatten()
    }

    /// The trace's id, which is also the `Request-Id`: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// The header that carries this trace on.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }

    /// Whether the span, and those below it, are to be recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// The trace's id and the span's.
    pub(super) fn ids(&self) -> (u128, u64) {
        (self.trace_id, self.span_id)
    }

    /// The parent's id, 0 for none, and whether the parent is another process's.
    pub(super) fn parent(&self) -> (u64, bool) {
        (self.parent.map_or(0, NonZeroU64::get), self.has_remote_parent)
    }
}

fn new_span_id() -> u64 {
    rand::rng().random_range(1..=u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

    #[test]
    fn takes_only_valid_parents() {
        let id = TRACE;
        let parent = TraceContext::parse(&format!("00-{id}-b7ad6b7169203331-01")).expect("a parent");
        assert_eq!((parent.trace_id().as_str(), parent.span_id), (id, 0xb7ad_6b71_6920_3331));
        let later = TraceContext::parse(&format!("01-{id}-b7ad6b7169203331-01-more"));
        assert_eq!(later, Some(parent));
        for bad in [
            String::new(),
            format!("00-{id}-b7ad6b7169203331"),
            format!("00-{id}-0000000000000000-01"),
            format!("ff-{id}-b7ad6b7169203331-01"),
            format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)),
            format!("00-{}-b7ad6b7169203331-01", id.to_uppercase()),
            format!("00-+{}-b7ad6b7169203331-01", &id[1..]),
            format!("00-{id}-b7ad6b7169203331-01-more"),
        ] {
            assert_eq!(TraceContext::parse(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_child_keeps_the_trace_and_its_flag() {
        for flag in ["00", "01"] {
            let header = format!("00-{TRACE}-b7ad6b7169203331-{flag}");
            let span = TraceContext::continuing(Some(&header));
            assert_eq!(span.parent(), (0xb7ad_6b71_6920_3331, true));
            let told = span.traceparent();
            assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with(flag), "{told}");
            let child = span.child();
            assert_eq!(child.parent(), (span.span_id, false));
            assert_eq!((child.trace_id, child.is_sampled), (span.trace_id, flag == "01"));
        }
        let first = TraceContext::continuing(None);
        assert_eq!(first.parent(), (0, false));
        assert_eq!(TraceContext::parse(&first.traceparent()).map(|span| span.ids()), Some(first.ids()));
    }
}
