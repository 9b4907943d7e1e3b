//! The settings of traces, and their start.

use accrue_chassis::settings::Problems;
use accrue_chassis::traces::{self, Collector, Sampling};
use anyhow::Context as _;
use clap::Args;
use url::Url;

const DEFAULT_SAMPLER: &str = "parentbased_always_on";

#[derive(Debug, Args)]
#[command(next_help_heading = "Traces")]
#[expect(clippy::struct_field_names, reason = "clap names flags by these, after OpenTelemetry's variables")]
pub(crate) struct TracesArgs {
    /// The collector that spans are sent to, over OTLP as HTTP, such as `http://127.0.0.1:4318`;
    /// without it none are made
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true, value_name = "URL")]
    otel_exporter_otlp_endpoint: Option<String>,
    /// What this process is called there; by default `accrue`, `accrue-auth` or `accrue-accounting`
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    otel_service_name: Option<String>,
    /// Which traces are recorded: `always_on`, `always_off` or `traceidratio`; after `parentbased_`
    /// the same of traces on which nobody has decided before
    #[arg(long, env = "OTEL_TRACES_SAMPLER", value_name = "NAME", default_value = DEFAULT_SAMPLER)]
    otel_traces_sampler: String,
    /// The part of traces that is recorded, for samplers that end in `traceidratio`: 0 to 1
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO")]
    otel_traces_sampler_arg: Option<String>,
}

impl TracesArgs {
    /// The collector that the settings name, if any; `service` is this process's name unless
    /// they have another.
    pub(crate) fn check(self, service: &str, problems: &mut Problems) -> Option<Collector> {
        // An empty variable is as one that is not set: OpenTelemetry has it so.
        let set = |text: Option<String>| text.filter(|text| !text.is_empty());
        let endpoint = set(self.otel_exporter_otlp_endpoint)?;
        let argument = set(self.otel_traces_sampler_arg);
        let sampler = set(Some(self.otel_traces_sampler)).unwrap_or_else(|| DEFAULT_SAMPLER.to_owned());
        let sampling = problems.take(Sampling::parse(&sampler, argument.as_deref()));
        let endpoint = problems.take(parse_endpoint(&endpoint));
        let service_name = set(self.otel_service_name).unwrap_or_else(|| service.to_owned());
        let (endpoint, sampling) = endpoint.zip(sampling)?;
        Some(Collector { endpoint, service_name, sampling })
    }
}

/// The URL is not repeated: it may hold a password.
fn parse_endpoint(text: &str) -> Result<Url, &'static str> {
    let is_usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    Url::parse(text)
        .ok()
        .filter(is_usable)
        .ok_or("OTEL_EXPORTER_OTLP_ENDPOINT: it is not a URL of a collector such as http://127.0.0.1:4318")
}

/// Begins to export spans, where a collector is named.
pub(crate) fn start(collector: Option<&Collector>) -> anyhow::Result<()> {
    collector.map_or(Ok(()), traces::start).context("traces could not be set up")
}
