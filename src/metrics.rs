//! Counters and timers, for a monitoring system.
//!
//! The number of label values is bounded: all are texts of this program. No text of a client, Kasm or an
//! operator becomes a label or a name.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The tool name for calls of unknown tools.
pub const UNKNOWN: &str = "unknown";
/// Upper bounds in seconds, from a read of this server's memory to a long command.
const SECONDS: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 2.0, 10.0, 60.0, 300.0];

/// One metric, for the documents.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its exposed name.
    pub name: &'static str,
    /// counter, gauge, histogram or info.
    pub kind: &'static str,
    /// Its labels, separated by commas.
    pub labels: &'static str,
    /// Its meaning.
    pub help: &'static str,
}

const fn metric(
    name: &'static str,
    kind: &'static str,
    labels: &'static str,
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

const CALLS: Metric = metric("kasm_mcp_calls", "counter", "tool, outcome", "Tool calls");
const CALL_SECONDS: Metric = metric(
    "kasm_mcp_call_duration_seconds",
    "histogram",
    "tool",
    "Duration of tool calls",
);
const JOBS: Metric = metric(
    "kasm_mcp_jobs_started",
    "counter",
    "",
    "Commands started in sessions",
);
const DENIALS: Metric = metric(
    "kasm_mcp_policy_denials",
    "counter",
    "tool",
    "Calls refused by the policy or by a person",
);
const KASM_REQUESTS: Metric = metric(
    "kasm_mcp_kasm_requests",
    "counter",
    "endpoint, outcome",
    "Requests to Kasm's API, with retries",
);
const KASM_SECONDS: Metric = metric(
    "kasm_mcp_kasm_request_duration_seconds",
    "histogram",
    "endpoint",
    "Duration of requests to Kasm's API",
);
const DESKTOPS: Metric = metric(
    "kasm_mcp_desktop_connections",
    "gauge",
    "",
    "Open connections to desktops",
);
const HTTP_REQUESTS: Metric = metric(
    "kasm_mcp_http_requests",
    "counter",
    "route, status",
    "HTTP requests by route and status class",
);
const REFUSALS: Metric = metric(
    "kasm_mcp_rate_limit_refusals",
    "counter",
    "limit",
    "Requests refused by a limit",
);
const AUTH_FAILURES: Metric = metric(
    "kasm_mcp_authentication_failures",
    "counter",
    "",
    "Requests with an invalid token",
);
const SESSIONS: Metric = metric(
    "kasm_mcp_mcp_sessions",
    "gauge",
    "",
    "Open MCP sessions of revisions before 2026-07-28",
);
const STREAMS: Metric = metric(
    "kasm_mcp_open_streams",
    "gauge",
    "",
    "Open notification streams",
);
const STARTED: Metric = metric(
    "kasm_mcp_process_start_time_seconds",
    "gauge",
    "",
    "Start time of the server, Unix time",
);
const BUILD: Metric = metric(
    "kasm_mcp_build",
    "info",
    "version",
    "The version, as a label",
);

/// All metrics, in the order of the documents.
pub const METRICS: &[Metric] = &[
    CALLS,
    CALL_SECONDS,
    JOBS,
    DENIALS,
    KASM_REQUESTS,
    KASM_SECONDS,
    DESKTOPS,
    HTTP_REQUESTS,
    REFUSALS,
    AUTH_FAILURES,
    SESSIONS,
    STREAMS,
    STARTED,
    BUILD,
];

/// The table of the documents.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n");
    for metric in METRICS {
        let Metric {
            name,
            kind,
            labels,
            help,
        } = metric;
        let suffix = match *kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        out.push_str(&format!(
            "| `{name}{suffix}` | {kind} | {labels} | {help} |\n"
        ));
    }
    out
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTool {
    tool: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    tool: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEndpoint {
    endpoint: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    endpoint: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: &'static str,
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLimit {
    limit: &'static str,
}

/// Creates histograms with the bounds of this program.
#[derive(Clone)]
struct Timer;

impl MetricConstructor<Histogram> for Timer {
    fn new_metric(&self) -> Histogram {
        Histogram::new(SECONDS)
    }
}

/// The metrics. Cheap to clone; clones share the counters.
#[derive(Clone)]
pub struct Metrics(Arc<Counted>);

struct Counted {
    registry: Registry,
    calls: Family<OfCall, Counter>,
    call_seconds: Family<OfTool, Histogram, Timer>,
    jobs: Counter,
    denials: Family<OfTool, Counter>,
    kasm_requests: Family<OfRequest, Counter>,
    kasm_seconds: Family<OfEndpoint, Histogram, Timer>,
    desktops: Gauge,
    http_requests: Family<OfRoute, Counter>,
    refusals: Family<OfLimit, Counter>,
    auth_failures: Counter,
    sessions: Gauge,
    streams: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut counted = Counted {
            registry: Registry::default(),
            calls: Family::default(),
            call_seconds: Family::new_with_constructor(Timer),
            jobs: Counter::default(),
            denials: Family::default(),
            kasm_requests: Family::default(),
            kasm_seconds: Family::new_with_constructor(Timer),
            desktops: Gauge::default(),
            http_requests: Family::default(),
            refusals: Family::default(),
            auth_failures: Counter::default(),
            sessions: Gauge::default(),
            streams: Gauge::default(),
        };
        counted.register();
        Self(Arc::new(counted))
    }
}

impl Counted {
    fn register(&mut self) {
        let registry = &mut self.registry;
        let name = |metric: Metric| metric.name.trim_end_matches("_seconds");
        registry.register(name(CALLS), CALLS.help, self.calls.clone());
        registry.register_with_unit(
            name(CALL_SECONDS),
            CALL_SECONDS.help,
            Unit::Seconds,
            self.call_seconds.clone(),
        );
        registry.register(name(JOBS), JOBS.help, self.jobs.clone());
        registry.register(name(DENIALS), DENIALS.help, self.denials.clone());
        registry.register(
            name(KASM_REQUESTS),
            KASM_REQUESTS.help,
            self.kasm_requests.clone(),
        );
        registry.register_with_unit(
            name(KASM_SECONDS),
            KASM_SECONDS.help,
            Unit::Seconds,
            self.kasm_seconds.clone(),
        );
        registry.register(name(DESKTOPS), DESKTOPS.help, self.desktops.clone());
        registry.register(
            name(HTTP_REQUESTS),
            HTTP_REQUESTS.help,
            self.http_requests.clone(),
        );
        registry.register(name(REFUSALS), REFUSALS.help, self.refusals.clone());
        registry.register(
            name(AUTH_FAILURES),
            AUTH_FAILURES.help,
            self.auth_failures.clone(),
        );
        registry.register(name(SESSIONS), SESSIONS.help, self.sessions.clone());
        registry.register(name(STREAMS), STREAMS.help, self.streams.clone());
        let started = Gauge::<f64, AtomicU64>::default();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        started.set(now.unwrap_or_default().as_secs_f64());
        registry.register_with_unit(name(STARTED), STARTED.help, Unit::Seconds, started);
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register(name(BUILD), BUILD.help, version);
    }
}

impl Metrics {
    /// Counts a finished call.
    pub fn call(&self, tool: &'static str, outcome: &'static str, took: Duration) {
        self.0.calls.get_or_create(&OfCall { tool, outcome }).inc();
        let seconds = self.0.call_seconds.get_or_create(&OfTool { tool });
        seconds.observe(took.as_secs_f64());
    }

    /// Counts a call of an unknown tool, or of one that the caller is not offered.
    pub fn call_of_nothing(&self) {
        let (tool, outcome) = (UNKNOWN, "not_found");
        self.0.calls.get_or_create(&OfCall { tool, outcome }).inc();
    }

    /// Counts a call that the policy refused.
    pub fn denial(&self, tool: &'static str) {
        self.0.denials.get_or_create(&OfTool { tool }).inc();
    }

    /// Counts a started command.
    pub fn job(&self) {
        self.0.jobs.inc();
    }

    /// Counts a request to Kasm.
    pub fn kasm_request(&self, endpoint: &'static str, outcome: &'static str, took: Duration) {
        let of = OfRequest { endpoint, outcome };
        self.0.kasm_requests.get_or_create(&of).inc();
        let seconds = self.0.kasm_seconds.get_or_create(&OfEndpoint { endpoint });
        seconds.observe(took.as_secs_f64());
    }

    /// Counts a desktop connection while the returned value lives.
    #[must_use]
    pub fn desktop(&self) -> Counting {
        self.0.desktops.inc();
        Counting(self.0.desktops.clone())
    }

    /// Counts an HTTP request.
    pub fn http_request(&self, route: &'static str, status: u16) {
        let status = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        let of = OfRoute { route, status };
        self.0.http_requests.get_or_create(&of).inc();
    }

    /// Counts a refusal by a limit.
    pub fn refusal(&self, limit: &'static str) {
        self.0.refusals.get_or_create(&OfLimit { limit }).inc();
    }

    /// Counts an invalid token.
    pub fn auth_failure(&self) {
        self.0.auth_failures.inc();
    }

    /// All metrics in the text form of OpenMetrics, with values that are counted elsewhere.
    #[must_use]
    pub fn text(&self, sessions: usize, streams: usize) -> String {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.0.sessions.set(number(sessions));
        self.0.streams.set(number(streams));
        let mut out = String::new();
        match text::encode(&mut out, &self.0.registry) {
            Ok(()) => out,
            // Writing to a String cannot fail.
            Err(fmt::Error) => String::new(),
        }
    }
}

/// Counts an object while it exists.
#[derive(Debug)]
pub struct Counting(Gauge);

impl Drop for Counting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
