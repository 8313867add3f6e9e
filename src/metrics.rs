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
use declaration::{CounterFamily, MetricDeclarations, MetricLabels, TimerFamily};

/// The media type of [`ServerMetrics::exposition_text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The tool name for calls of unknown tools.
pub const UNKNOWN: &str = "unknown";

/// The table of the documents.
#[must_use]
pub fn metrics_markdown() -> String {
    let mut out = String::from("| Metric | Kind | Labels | Meaning |\n| --- | --- | --- | --- |\n");
    for metric in ServerMetrics::default().metric_infos() {
        let MetricInfo {
            name,
            kind,
            labels,
            help,
        } = metric;
        // OpenMetrics adds these to the names of the samples, which is what an operator searches for.
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
struct ToolLabels {
    tool: &'static str,
}

impl MetricLabels for ToolLabels {
    const NAMES: &'static str = "tool";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    tool: &'static str,
    outcome: &'static str,
}

impl MetricLabels for CallLabels {
    const NAMES: &'static str = "tool, outcome";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndpointLabels {
    endpoint: &'static str,
}

impl MetricLabels for EndpointLabels {
    const NAMES: &'static str = "endpoint";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KasmRequestLabels {
    endpoint: &'static str,
    outcome: &'static str,
}

impl MetricLabels for KasmRequestLabels {
    const NAMES: &'static str = "endpoint, outcome";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    status: &'static str,
}

impl MetricLabels for RouteLabels {
    const NAMES: &'static str = "route, status";
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
}

impl MetricLabels for LimitLabels {
    const NAMES: &'static str = "limit";
}

/// The metrics. Cheap to clone; clones share the counters.
#[derive(Clone)]
pub struct ServerMetrics(Arc<MetricFamilies>);

struct MetricFamilies {
    calls: CounterFamily<CallLabels>,
    call_seconds: TimerFamily<ToolLabels>,
    jobs: Counter,
    denials: CounterFamily<ToolLabels>,
    kasm_requests: CounterFamily<KasmRequestLabels>,
    kasm_seconds: TimerFamily<EndpointLabels>,
    desktops: Gauge,
    http_requests: CounterFamily<RouteLabels>,
    refusals: CounterFamily<LimitLabels>,
    auth_failures: Counter,
    sessions: Gauge,
    streams: Gauge,
    registry: Registry,
    list: Vec<MetricInfo>,
}

impl fmt::Debug for ServerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for ServerMetrics {
    /// Declares all metrics, in the order of the documents.
    fn default() -> Self {
        let mut all = MetricDeclarations::default();
        let counted = MetricFamilies {
            calls: all.declare_counters("kasm_mcp_calls", "Tool calls"),
            call_seconds: all
                .declare_timers("kasm_mcp_call_duration_seconds", "Duration of tool calls"),
            jobs: all.declare_counter("kasm_mcp_jobs_started", "Commands started in sessions"),
            denials: all.declare_counters(
                "kasm_mcp_policy_denials",
                "Calls refused by the policy or by a person",
            ),
            kasm_requests: all.declare_counters(
                "kasm_mcp_kasm_requests",
                "Requests to Kasm's API, with retries",
            ),
            kasm_seconds: all.declare_timers(
                "kasm_mcp_kasm_request_duration_seconds",
                "Duration of requests to Kasm's API",
            ),
            desktops: all.declare_gauge(
                "kasm_mcp_desktop_connections",
                "Open connections to desktops",
            ),
            http_requests: all.declare_counters(
                "kasm_mcp_http_requests",
                "HTTP requests by route and status class",
            ),
            refusals: all.declare_counters(
                "kasm_mcp_rate_limit_refusals",
                "Requests refused by a limit",
            ),
            auth_failures: all.declare_counter(
                "kasm_mcp_authentication_failures",
                "Requests with an invalid token",
            ),
            sessions: all.declare_gauge(
                "kasm_mcp_mcp_sessions",
                "Open MCP sessions of revisions before 2026-07-28",
            ),
            streams: all.declare_gauge("kasm_mcp_open_streams", "Open notification streams"),
            registry: Registry::default(),
            list: Vec::new(),
        };
        declare_constants(&mut all);
        let MetricDeclarations { registry, list } = all;
        Self(Arc::new(MetricFamilies {
            registry,
            list,
            // Both were filled while the families were declared, so they are put in last.
            ..counted
        }))
    }
}

/// Declares the metrics that are set once: start time and version.
fn declare_constants(all: &mut MetricDeclarations) {
    // Monitoring systems derive the uptime from it and detect restarts.
    let started = Gauge::<f64, AtomicU64>::default();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    started.set(now.unwrap_or_default().as_secs_f64());
    all.add_gauge(
        "kasm_mcp_process_start_time_seconds",
        "Start time of the server, Unix time",
        started,
    );
    let version = env!("CARGO_PKG_VERSION");
    all.add_info(
        "kasm_mcp_build",
        "The version, as a label",
        "version",
        version,
    );
}

impl ServerMetrics {
    /// All metrics, in the order of the documents.
    #[must_use]
    pub fn metric_infos(&self) -> &[MetricInfo] {
        &self.0.list
    }

    /// A call of a tool has ended.
    pub fn count_call(&self, tool: &'static str, outcome: &'static str, took: Duration) {
        self.0
            .calls
            .get_or_create(&CallLabels { tool, outcome })
            .inc();
        let seconds = self.0.call_seconds.get_or_create(&ToolLabels { tool });
        seconds.observe(took.as_secs_f64());
    }

    /// Counts a call of an unknown tool, or of one that the caller is not offered.
    pub fn count_unknown_tool(&self) {
        // The name is the text of a client. As a label, invented names would make new series without end.
        let (tool, outcome) = (UNKNOWN, "not_found");
        self.0
            .calls
            .get_or_create(&CallLabels { tool, outcome })
            .inc();
    }

    /// Counts a call that the policy refused.
    pub fn count_denial(&self, tool: &'static str) {
        self.0.denials.get_or_create(&ToolLabels { tool }).inc();
    }

    /// Counts a started command.
    pub fn count_job(&self) {
        self.0.jobs.inc();
    }

    /// Counts a request to Kasm.
    pub fn count_kasm_request(
        &self,
        endpoint: &'static str,
        outcome: &'static str,
        took: Duration,
    ) {
        let of = KasmRequestLabels { endpoint, outcome };
        self.0.kasm_requests.get_or_create(&of).inc();
        let seconds = self
            .0
            .kasm_seconds
            .get_or_create(&EndpointLabels { endpoint });
        seconds.observe(took.as_secs_f64());
    }

    /// Counts a desktop connection while the returned value lives.
    #[must_use]
    pub fn count_desktop(&self) -> GaugeGuard {
        self.0.desktops.inc();
        GaugeGuard(self.0.desktops.clone())
    }

    /// Counts an HTTP request.
    pub fn count_http_request(&self, route: &'static str, status: u16) {
        // The class only: each single status would multiply the series of each route.
        let status = match status {
            ..200 => "1xx",
            200..300 => "2xx",
            300..400 => "3xx",
            400..500 => "4xx",
            500.. => "5xx",
        };
        let of = RouteLabels { route, status };
        self.0.http_requests.get_or_create(&of).inc();
    }

    /// Counts a refusal by a limit.
    pub fn count_refusal(&self, limit: &'static str) {
        self.0.refusals.get_or_create(&LimitLabels { limit }).inc();
    }

    /// Counts an invalid token.
    pub fn count_auth_failure(&self) {
        self.0.auth_failures.inc();
    }

    /// All metrics in the text form of OpenMetrics, with values that are counted elsewhere.
    #[must_use]
    pub fn exposition_text(&self, sessions: usize, streams: usize) -> String {
        // Sessions and streams are counted where they live. They are copied at each scrape.
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
pub struct GaugeGuard(Gauge);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}
