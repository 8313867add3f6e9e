//! Counters and timers, for a monitoring system.
//!
//! The number of label values is bounded: all are texts of this program. No text of a client, Kasm or an
//! operator becomes a label or a name.

mod declaration;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use declaration::MetricInfo;
use declaration::{Counters, Declarations, Labels, Timers};

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The tool name for calls of unknown tools.
pub const UNKNOWN: &str = "unknown";

/// The table of the documents.
#[must_use]
pub fn markdown() -> String {
    let mut out =
        String::from("| Metric | Kind | Labels | What it tells |\n| --- | --- | --- | --- |\n");
    for metric in Metrics::default().list() {
        let MetricInfo {
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

impl Labels for OfTool {
    const NAMES: &'static str = "tool";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCall {
    tool: &'static str,
    outcome: &'static str,
}

impl Labels for OfCall {
    const NAMES: &'static str = "tool, outcome";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEndpoint {
    endpoint: &'static str,
}

impl Labels for OfEndpoint {
    const NAMES: &'static str = "endpoint";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    endpoint: &'static str,
    outcome: &'static str,
}

impl Labels for OfRequest {
    const NAMES: &'static str = "endpoint, outcome";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRoute {
    route: &'static str,
    status: &'static str,
}

impl Labels for OfRoute {
    const NAMES: &'static str = "route, status";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfLimit {
    limit: &'static str,
}

impl Labels for OfLimit {
    const NAMES: &'static str = "limit";
}

/// The metrics. Cheap to clone; clones share the counters.
#[derive(Clone)]
pub struct Metrics(Arc<Counted>);

struct Counted {
    calls: Counters<OfCall>,
    call_seconds: Timers<OfTool>,
    jobs: Counter,
    denials: Counters<OfTool>,
    kasm_requests: Counters<OfRequest>,
    kasm_seconds: Timers<OfEndpoint>,
    desktops: Gauge,
    http_requests: Counters<OfRoute>,
    refusals: Counters<OfLimit>,
    auth_failures: Counter,
    sessions: Gauge,
    streams: Gauge,
    registry: Registry,
    list: Vec<MetricInfo>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    /// Declares all metrics, in the order of the documents.
    fn default() -> Self {
        let mut all = Declarations::default();
        let counted = Counted {
            calls: all.counters("kasm_mcp_calls", "Calls of tools"),
            call_seconds: all.timers(
                "kasm_mcp_call_duration_seconds",
                "How long calls of tools took",
            ),
            jobs: all.counter(
                "kasm_mcp_jobs_started",
                "Commands that were started in sessions",
            ),
            denials: all.counters(
                "kasm_mcp_policy_denials",
                "Calls that the policy refused, or a person who was asked",
            ),
            kasm_requests: all.counters(
                "kasm_mcp_kasm_requests",
                "Requests to Kasm's API, repetitions included",
            ),
            kasm_seconds: all.timers(
                "kasm_mcp_kasm_request_duration_seconds",
                "How long Kasm's API took",
            ),
            desktops: all.gauge(
                "kasm_mcp_desktop_connections",
                "Open connections to desktops",
            ),
            http_requests: all.counters(
                "kasm_mcp_http_requests",
                "HTTP requests by what they were for and the class of their status",
            ),
            refusals: all.counters(
                "kasm_mcp_rate_limit_refusals",
                "What was refused because of a limit",
            ),
            auth_failures: all.counter(
                "kasm_mcp_authentication_failures",
                "Requests with a token that is not valid",
            ),
            sessions: all.gauge(
                "kasm_mcp_mcp_sessions",
                "Open MCP sessions of revisions before 2026-07-28",
            ),
            streams: all.gauge(
                "kasm_mcp_open_streams",
                "Open event streams that wait for what belongs to no call",
            ),
            registry: Registry::default(),
            list: Vec::new(),
        };
        declare_constants(&mut all);
        let Declarations { registry, list } = all;
        Self(Arc::new(Counted {
            registry,
            list,
            ..counted
        }))
    }
}

/// What is known at the start and does not change.
fn declare_constants(all: &mut Declarations) {
    let started = Gauge::<f64, AtomicU64>::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    started.set(now.unwrap_or_default().as_secs_f64());
    all.add_gauge(
        "kasm_mcp_process_start_time_seconds",
        "When the server was started, in Unix time",
        started,
    );
    let version = env!("CARGO_PKG_VERSION");
    all.add_info(
        "kasm_mcp_build",
        "Which version this is",
        "version",
        version,
    );
}

impl Metrics {
    /// All metrics, in the order of the documents.
    #[must_use]
    pub fn list(&self) -> &[MetricInfo] {
        &self.0.list
    }

    /// A call of a tool has ended.
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
