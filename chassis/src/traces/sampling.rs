//! Which traces are recorded, in the words of OpenTelemetry.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanKind, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample as _};

use super::TraceContext;

/// Which traces are recorded.
#[derive(Debug, Clone)]
pub struct Sampling(Sampler);

impl Sampling {
    /// What `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` say: `always_on`,
    /// `always_off` or `traceidratio`, the same after `parentbased_` to ask a parent first, and
    /// for a ratio a number from 0 to 1; all without one.
    ///
    /// # Errors
    /// What is wrong with which of the two.
    pub fn parse(word: &str, argument: Option<&str>) -> Result<Self, String> {
        let (is_parent_based, own) =
            word.strip_prefix("parentbased_").map_or((false, word), |own| (true, own));
        let root = match own {
            "always_on" => Sampler::AlwaysOn,
            "always_off" => Sampler::AlwaysOff,
            "traceidratio" => Sampler::TraceIdRatioBased(ratio(argument)?),
            _ => {
                return Err(format!(
                    "OTEL_TRACES_SAMPLER: {word:?} is none of always_on, always_off and traceidratio, \
                     nor one of these after parentbased_"
                ));
            }
        };
        Ok(Self(if is_parent_based { Sampler::ParentBased(Box::new(root)) } else { root }))
    }

    /// Whether a span of the trace `trace_id`, below `parent`, is recorded.
    pub(super) fn samples(&self, trace_id: u128, parent: Option<&TraceContext>) -> bool {
        let parent = parent.map(|parent| {
            let flags = if parent.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            let (trace_id, span_id) = parent.ids();
            let state = TraceState::NONE;
            let parent = SpanContext::new(trace_id.into(), span_id.into(), flags, true, state);
            Context::new().with_remote_span_context(parent)
        });
        let trace_id = TraceId::from(trace_id);
        let decided = self.0.should_sample(parent.as_ref(), trace_id, "", &SpanKind::Internal, &[], &[]);
        decided.decision == SamplingDecision::RecordAndSample
    }
}

fn ratio(argument: Option<&str>) -> Result<f64, String> {
    let ratio = argument.map_or(Ok(1.0), str::parse);
    ratio.ok().filter(|ratio| (0.0..=1.0).contains(ratio)).ok_or_else(|| {
        format!("OTEL_TRACES_SAMPLER_ARG: {:?} is not a ratio from 0 to 1", argument.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_decide_where_they_are_asked() {
        let parent = |flag| TraceContext::parse(&format!("00-{}-b7ad6b7169203331-{flag}", "a".repeat(32)));
        for (word, argument, alone, below_no, below_yes) in [
            ("parentbased_always_on", None, true, false, true),
            ("parentbased_always_off", None, false, false, true),
            ("parentbased_traceidratio", Some("0"), false, false, true),
            ("parentbased_traceidratio", Some("1"), true, false, true),
            ("always_on", None, true, true, true),
            ("always_off", None, false, false, false),
            ("traceidratio", Some("0.0"), false, false, false),
        ] {
            let sampling = Sampling::parse(word, argument).expect("a word");
            let samples = |parent: Option<TraceContext>| sampling.samples(7, parent.as_ref());
            let decided = (samples(None), samples(parent("00")), samples(parent("01")));
            assert_eq!(decided, (alone, below_no, below_yes), "{word}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (word, argument, named) in [
            ("sometimes", None, "OTEL_TRACES_SAMPLER: \"sometimes\""),
            ("parentbased_", None, "OTEL_TRACES_SAMPLER: \"parentbased_\""),
            ("traceidratio", Some("1.5"), "OTEL_TRACES_SAMPLER_ARG: \"1.5\""),
            ("parentbased_traceidratio", Some("half"), "OTEL_TRACES_SAMPLER_ARG: \"half\""),
        ] {
            let told = Sampling::parse(word, argument).expect_err("a problem");
            assert!(told.starts_with(named), "{told}");
        }
    }
}
