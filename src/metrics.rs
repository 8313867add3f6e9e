//! Counters and timers, for a monitoring system.
//!
//! The number of label values is bounded: all are texts of this program. No text of a client, Kasm or an
//! operator becomes a label or a name.

mod declaration;
mod exposed_series;
mod series;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

pub use declaration::MetricInfo;
use declaration::{DeclaredTable, MetricDeclarations};
use series::{DurationCounts, SeriesTable, WordCounters};

/// The media type of [`ServerMetrics::exposition_text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The tool name for calls of unknown tools.
pub const UNKNOWN: &str = "unknown";
/// The most names of tools that have series of their own.
const TOOLS_MAX: usize = 512;
/// The same for the endpoints of Kasm, of which this program knows about thirty.
const ENDPOINTS_MAX: usize = 64;
/// The same for the groups of routes.
const ROUTES_MAX: usize = 16;

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
            "| `{name}{suffix}` | {kind} | {} | {help} |\n",
            labels.join(", ")
        ));
    }
    out
}

/// The series of one tool.
#[derive(Debug, Default)]
struct ToolSeries {
    outcomes: WordCounters,
    durations: DurationCounts,
    denials: AtomicU64,
}

/// The series of one endpoint of Kasm.
#[derive(Debug, Default)]
struct EndpointSeries {
    outcomes: WordCounters,
    durations: DurationCounts,
}

/// Counts the calls of one tool. It is made when the tool is mounted, so that a call neither searches for its series
/// nor takes a lock. A tool that is mounted again continues its series.
#[derive(Clone, Debug)]
pub struct CallCounters(Arc<ToolSeries>);

impl CallCounters {
    /// A call has ended.
    pub fn count_call(&self, outcome: &'static str, took: Duration) {
        self.0.outcomes.count_word(outcome);
        self.0.durations.count_duration(took);
    }

    /// Counts a call that the policy refused.
    pub fn count_denial(&self) {
        self.0.denials.fetch_add(1, Ordering::Relaxed);
    }
}

/// The metrics. Cheap to clone; clones share the counters.
#[derive(Clone)]
pub struct ServerMetrics(Arc<MetricFamilies>);

struct MetricFamilies {
    tools: Arc<SeriesTable<ToolSeries>>,
    jobs: Counter,
    endpoints: Arc<SeriesTable<EndpointSeries>>,
    desktops: Gauge,
    routes: Arc<SeriesTable<WordCounters>>,
    refusals: Arc<WordCounters>,
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
        let tools = DeclaredTable::<ToolSeries>::with_places("tool", TOOLS_MAX);
        let calls = ("kasm_mcp_calls", "Tool calls");
        all.declare_word_table(calls, &tools, "outcome", |tool| &tool.outcomes);
        let durations = ("kasm_mcp_call_duration_seconds", "Duration of tool calls");
        all.declare_duration_table(durations, &tools, |tool| &tool.durations);
        let jobs = all.declare_counter("kasm_mcp_jobs_started", "Commands started in sessions");
        let denials = (
            "kasm_mcp_policy_denials",
            "Calls refused by the policy or by a person",
        );
        all.declare_count_table(denials, &tools, |tool| &tool.denials);
        let endpoints = declare_endpoints(&mut all);
        let desktops = all.declare_gauge(
            "kasm_mcp_desktop_connections",
            "Open connections to desktops",
        );
        let routes = DeclaredTable::<WordCounters>::with_places("route", ROUTES_MAX);
        let requests = (
            "kasm_mcp_http_requests",
            "HTTP requests by route and status class",
        );
        all.declare_word_table(requests, &routes, "status", |statuses| statuses);
        let refusals = all.declare_words(
            "kasm_mcp_rate_limit_refusals",
            "Requests refused by a limit",
            "limit",
        );
        let auth_failures = all.declare_counter(
            "kasm_mcp_authentication_failures",
            "Requests with an invalid token",
        );
        let sessions = all.declare_gauge(
            "kasm_mcp_mcp_sessions",
            "Open MCP sessions of revisions before 2026-07-28",
        );
        let streams = all.declare_gauge("kasm_mcp_open_streams", "Open notification streams");
        declare_constants(&mut all);
        let MetricDeclarations { registry, list } = all;
        Self(Arc::new(MetricFamilies {
            tools: tools.table,
            jobs,
            endpoints,
            desktops,
            routes: routes.table,
            refusals,
            auth_failures,
            sessions,
            streams,
            registry,
            list,
        }))
    }
}

fn declare_endpoints(all: &mut MetricDeclarations) -> Arc<SeriesTable<EndpointSeries>> {
    let endpoints = DeclaredTable::<EndpointSeries>::with_places("endpoint", ENDPOINTS_MAX);
    let requests = (
        "kasm_mcp_kasm_requests",
        "Requests to Kasm's API, with retries",
    );
    all.declare_word_table(requests, &endpoints, "outcome", |endpoint| {
        &endpoint.outcomes
    });
    let durations = (
        "kasm_mcp_kasm_request_duration_seconds",
        "Duration of requests to Kasm's API",
    );
    all.declare_duration_table(durations, &endpoints, |endpoint| &endpoint.durations);
    endpoints.table
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

    /// The counters of a tool.
    #[must_use]
    pub fn call_counters(&self, tool: &str) -> CallCounters {
        CallCounters(self.0.tools.find_series(tool).clone())
    }

    /// Counts a call of an unknown tool, or of one that the caller is not offered.
    pub fn count_unknown_tool(&self) {
        // The name is the text of a client. As a label, invented names would make new series without end.
        self.0
            .tools
            .find_series(UNKNOWN)
            .outcomes
            .count_word("not_found");
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
        let series = self.0.endpoints.find_series(endpoint);
        series.outcomes.count_word(outcome);
        series.durations.count_duration(took);
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
        self.0.routes.find_series(route).count_word(status);
    }

    /// Counts a refusal by a limit.
    pub fn count_refusal(&self, limit: &'static str) {
        self.0.refusals.count_word(limit);
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
