//! One trace from a request to the commit that it leads to, as a collector gets it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use accrue_testkit::eventually;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Attribute;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use prost::Message as _;
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;

use crate::system::{Shape, System, send};

const ABOVE: &str = "00f067aa0ba902b7";
const SERVER: i32 = 2;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
const INTERNAL: i32 = 1;

/// A span as the collector got it, with ids in hexadecimal digits.
#[derive(Debug, Clone)]
struct Told {
    service: String,
    trace_id: String,
    span_id: String,
    parent: String,
    name: String,
    kind: i32,
    /// From its beginning to its end, in nanoseconds since 1970.
    time: (u64, u64),
    is_error: bool,
    attributes: BTreeMap<String, String>,
}

/// A collector of the test's own.
struct Collector {
    url: String,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Collector {
    async fn start() -> Self {
        let told = Arc::<Mutex<Vec<Told>>>::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&told));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, told }
    }

    /// Sends spans here, and soon.
    fn settings(&self) -> [(&str, &str); 2] {
        [("OTEL_EXPORTER_OTLP_ENDPOINT", &self.url), ("OTEL_BSP_SCHEDULE_DELAY", "50")]
    }

    fn of_trace(&self, trace_id: &str) -> Vec<Told> {
        let told = self.told.lock().expect("nobody panics with it");
        told.iter().filter(|span| span.trace_id == trace_id).cloned().collect()
    }

    /// The one span of the trace with this kind and parent, once it is here.
    async fn span(&self, (trace_id, parent): (&str, &str), kind: i32) -> Told {
        let mut spans = eventually(&format!("a span of kind {kind} below {parent}"), async || {
            let mut spans = self.of_trace(trace_id);
            spans.retain(|span| span.kind == kind && span.parent == parent);
            (!spans.is_empty()).then_some(spans)
        })
        .await;
        assert_eq!(spans.len(), 1, "{spans:?}");
        spans.remove(0)
    }
}

async fn take(State(told): State<Arc<Mutex<Vec<Told>>>>, body: Bytes) -> Vec<u8> {
    let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
    let mut told = told.lock().expect("nobody panics with it");
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.expect("a resource").attributes);
        for span in of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans) {
            told.push(Told {
                service: resource["service.name"].clone(),
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                time: (span.start_time_unix_nano, span.end_time_unix_nano),
                is_error: span.status.is_some_and(|status| status.code == 2),
                attributes: texts(span.attributes),
            });
        }
    }
    ExportTraceServiceResponse::default().encode_to_vec()
}

fn hex(id: &[u8]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a text takes all");
        text
    })
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<AnyValue>| match value.and_then(|value| value.value) {
        Some(Attribute::StringValue(text)) => text,
        Some(Attribute::IntValue(number)) => number.to_string(),
        other => panic!("an attribute that is neither text nor number: {other:?}"),
    };
    attributes.into_iter().map(|one| (one.key, text(one.value))).collect()
}

fn below(trace_id: &str, flags: &str) -> String {
    format!("00-{trace_id}-{ABOVE}-{flags}")
}

/// The services' names by the shape: of auth and of accounting.
fn services(shape: &Shape) -> (&'static str, &'static str) {
    match shape {
        Shape::AllInOne(_) => ("accrue", "accrue"),
        Shape::TwoServices(_) => ("accrue-auth", "accrue-accounting"),
    }
}

pub(crate) async fn a_request_is_traced_to_its_commit(shape: Shape) {
    let (auth, accounting) = services(&shape);
    let collector = Collector::start().await;
    let system = System::start_with(shape, &collector.settings()).await;

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let body = json!({"email": "ada@example.com", "password": "correct horse ada"});
    let request = system.request(Method::POST, &system.auth, "/v1/users").json(&body);
    let reply = send(request.header("traceparent", below(trace, "01"))).await.expect("an answer");
    assert_eq!((reply.status, &reply.headers["request-id"]), (201, &trace.parse().expect("a header")));
    let user_id = reply.body["user_id"].as_str().expect("a user id");

    let server = collector.span((trace, ABOVE), SERVER).await;
    assert_eq!((server.name.as_str(), server.service.as_str()), ("POST /v1/users", auth));
    let expected =
        [("http.request.method", "POST"), ("http.response.status_code", "201"), ("http.route", "/v1/users")];
    assert!(server.attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).eq(expected));
    let publish = collector.span((trace, &server.span_id), PRODUCER).await;
    assert_eq!(publish.service, auth);
    let exchange = &publish.attributes["messaging.destination.name"];
    assert_eq!(publish.name, format!("publish {exchange}"));
    assert_eq!(publish.attributes["messaging.rabbitmq.destination.routing_key"], "user.registered");
    let consume = collector.span((trace, &publish.span_id), CONSUMER).await;
    assert_eq!(consume.service, accounting);
    let queue = &consume.attributes["messaging.destination.name"];
    assert_eq!(consume.name, format!("consume {queue}"));
    assert_eq!(exchange.replace(".users", ".accounting.users"), *queue);
    for key in ["messaging.system", "messaging.message.id"] {
        assert_eq!(publish.attributes[key], consume.attributes[key], "{key}");
    }
    let commit = collector.span((trace, &consume.span_id), INTERNAL).await;
    assert_eq!((commit.name.as_str(), commit.service.as_str()), ("ledger commit", accounting));
    assert!(consume.time.0 <= commit.time.0 && commit.time.1 <= consume.time.1, "{consume:?} {commit:?}");

    let trace_2 = "0af7651916cd43dd8448eb211c80319c";
    let path = format!("/v1/accounts/{user_id}/allocations");
    let request =
        system.service_request(Method::POST, &system.accounting, &path).json(&json!({"credits": 5}));
    let request = request.header("Idempotency-Key", "k").header("traceparent", below(trace_2, "01"));
    assert_eq!(send(request).await.expect("an answer").status, 201);
    let server = collector.span((trace_2, ABOVE), SERVER).await;
    assert_eq!(server.attributes["http.route"], "/v1/accounts/{user_id}/allocations");
    let commit = collector.span((trace_2, &server.span_id), INTERNAL).await;
    assert_eq!(
        (commit.name.as_str(), &commit.attributes["accrue.batch.size"]),
        ("ledger commit", &"1".into())
    );

    // Nothing is of a person, nothing twice, and nothing failed.
    for (trace, count) in [(trace, 4), (trace_2, 2)] {
        let spans = collector.of_trace(trace);
        assert_eq!(spans.len(), count, "{spans:?}");
        assert!(spans.iter().all(|span| !span.is_error && span.time.0 <= span.time.1), "{spans:?}");
        assert!(!format!("{spans:?}").contains(user_id) && !format!("{spans:?}").contains("ada"));
    }
    // A probe is no part of anybody's story.
    let everything = collector.told.lock().expect("nobody panics with it").clone();
    assert!(everything.iter().all(|span| !span.name.contains("healthz") && !span.name.contains("metrics")));
    system.finish(0).await;
}

pub(crate) async fn what_nobody_samples_is_not_told(shape: Shape) {
    let collector = Collector::start().await;
    let mut settings = collector.settings().to_vec();
    settings.extend([("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0")]);
    let system = System::start_with(shape, &settings).await;
    let register = async |name: &str, trace: Option<(&str, &str)>| {
        let body = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
        let mut request = system.request(Method::POST, &system.auth, "/v1/users").json(&body);
        if let Some((trace, flags)) = trace {
            request = request.header("traceparent", below(trace, flags));
        }
        let reply = send(request).await.expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.body);
        system.active_account(reply.body["user_id"].as_str().expect("a user id")).await;
    };
    register("nobody", None).await;
    register("refused", Some(("4bf92f3577b34da6a3ce929d0e0e4736", "00"))).await;
    let sampled = "0af7651916cd43dd8448eb211c80319c";
    register("chosen", Some((sampled, "01"))).await;
    eventually("the trace that its caller samples is told whole", async || {
        collector.of_trace(sampled).len() == 4
    })
    .await;
    let everything = collector.told.lock().expect("nobody panics with it").clone();
    assert!(everything.iter().all(|span| span.trace_id == sampled), "{everything:?}");
    system.finish(0).await;
}

/// One that takes connections and never answers is worse than one that is not there.
pub(crate) async fn a_collector_that_hangs_holds_nothing_up(shape: Shape) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    works_without(shape, &format!("http://{}", listener.local_addr().expect("an address"))).await;
}

pub(crate) async fn a_collector_that_is_away_holds_nothing_up(shape: Shape) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    works_without(shape, &url).await;
}

async fn works_without(shape: Shape, collector: &str) {
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
    let mut system = System::start_with(shape, &settings).await;
    let user_id = system.register("ada").await;
    system.active_account(&user_id).await;
    for number in 0..20 {
        let reply = system.allocate(&user_id, 5, &format!("k{number}")).await.expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.body);
    }
    stop(&mut system).await;
    for process in &system.processes {
        assert!(process.logs().contains("not all spans reached the collector"), "{}", process.logs());
    }
    system.check_logs();
}

/// Ends all processes with a signal, within the time that a shutdown may take.
async fn stop(system: &mut System) {
    let stopped = Instant::now();
    system.processes.iter().for_each(|process| process.signal("TERM"));
    for process in &mut system.processes {
        let exit = process.exit().await;
        assert_eq!(exit.code(), Some(0), "{}", process.logs());
    }
    assert!(stopped.elapsed() < Duration::from_secs(5), "it took {:?}", stopped.elapsed());
}

pub(crate) async fn what_waits_is_sent_at_the_end(shape: Shape) {
    let collector = Collector::start().await;
    let settings = [collector.settings()[0], ("OTEL_BSP_SCHEDULE_DELAY", "600000")];
    let mut system = System::start_with(shape, &settings).await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = system.service_request(Method::POST, &system.accounting, "/v1/accounts/ada/allocations");
    let request = request.header("Idempotency-Key", "k").header("traceparent", below(trace, "01"));
    assert_eq!(send(request.json(&json!({"credits": 5}))).await.expect("an answer").status, 201);
    assert_eq!(collector.of_trace(trace).len(), 0, "they were to wait");
    stop(&mut system).await;
    assert_eq!(collector.of_trace(trace).len(), 2);
    for process in &system.processes {
        assert!(!process.logs().contains("not all spans"), "{}", process.logs());
    }
}
