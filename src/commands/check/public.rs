//! The checks of the public URL, and of event streams through it.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, ORIGIN};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::timeout;

use super::net::{self, CheckTarget};
use super::report::{CheckProblem, CheckReport};
use super::server::version_in_health;
use crate::commands::health::loopback_address;
use crate::config::Config;
use crate::oauth::is_safe_url;

const HEALTH: &str = "public health";
const STREAM: &str = "public stream";
/// Time limit for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time limit for the first event of a stream. A server sends it at once.
const EVENT_PATIENCE: Duration = Duration::from_secs(5);
/// The most that is read of a stream, in bytes: the first event is shorter.
const STREAM_BYTES_MAX: usize = 16 * 1_024;

/// The credential to open the stream with.
#[derive(Debug)]
pub(super) enum ClientKey {
    /// This token.
    Token(SecretString),
    /// No token is needed.
    Nothing,
    /// No token is known: why.
    Unknown(&'static str),
}

/// Checks the public URL as a client uses it. `serves`: a server runs with these settings.
pub(super) async fn check_public_url(
    report: &mut CheckReport,
    config: &Config,
    key: &ClientKey,
    serves: bool,
) -> anyhow::Result<()> {
    const ROW: &str = "public url";
    let rest = ["public name", "public port", "public tls", HEALTH, STREAM];
    let Some(text) = &config.http.public_url else {
        report.add_skipped(
            ROW,
            "MCP_PUBLIC_URL is not set, so the URL of the clients cannot be checked",
        )?;
        return Ok(());
    };
    let url = match parse_public_url(text) {
        Ok(url) => url,
        Err(problem) => {
            report.add_failure(ROW, &problem)?;
            return skip_public_rows(report, &rest, "the public URL cannot be used");
        }
    };
    if is_safe_url(text) {
        report.add_ok(ROW, format!("clients use {text}/mcp"))?;
    } else {
        let fact = format!("clients use {text}/mcp, and tokens travel there unencrypted");
        report.add_note(
            ROW,
            fact,
            "put a proxy with TLS in front, and write https:// (docs/deployment.md)",
        )?;
    }
    // Without TLS there is no proxy to check, only a server, and none runs.
    if !serves && url.scheme() == "http" {
        return skip_public_rows(report, &rest, "no server runs with these settings");
    }
    let target = CheckTarget {
        label: "public",
        variable: "MCP_PUBLIC_URL",
        url: &url,
        ca_file: None,
        insecure: false,
        trust: "clients reject it too, unless they trust its issuer: use a certificate of a public CA (Caddy gets \
            one itself), or give each client the CA. For this check, SSL_CERT_FILE can name it",
        aside: "; clients in other networks may still reach it, if this network cannot use its own public address",
    };
    if !net::check_connection(report, &target).await? {
        return skip_public_rows(report, &rest[3..], "the public URL cannot be reached");
    }
    // Clients of MCP do not follow redirects, so a redirect must show as a failure here.
    let http = Client::builder().redirect(Policy::none()).build()?;
    match fetch_health(&http, text).await {
        Ok(fact) => report.add_ok(HEALTH, fact)?,
        Err(HealthProblem::Behind(why)) if !serves => {
            let why = format!("{why}, and no server runs with these settings");
            return skip_public_rows(report, &rest[3..], &why);
        }
        Err(HealthProblem::Behind(why)) => {
            let remedy = format!(
                "the server runs: let the proxy forward to http://{} (MCP_SERVER_HOST and MCP_SERVER_PORT)",
                loopback_address(config.http.listen)
            );
            report.add_failure(HEALTH, &CheckProblem::new(why, remedy))?;
            return skip_public_rows(report, &[STREAM], "the server is not behind the public URL");
        }
        Err(HealthProblem::Other(problem)) => {
            report.add_failure(HEALTH, &problem)?;
            return skip_public_rows(report, &[STREAM], "the server is not behind the public URL");
        }
    }
    check_stream(report, config, &http, text, key, serves).await
}

fn skip_public_rows(report: &mut CheckReport, rows: &[&str], why: &str) -> anyhow::Result<()> {
    for row in rows {
        report.add_skipped(row, why)?;
    }
    Ok(())
}

/// Checks the form of the public URL.
fn parse_public_url(text: &str) -> Result<Url, CheckProblem> {
    let remedy = "use scheme, host and, if the proxy removes it, a path: https://mcp.example.org";
    let url: Url = text
        .parse()
        .map_err(|_| CheckProblem::new(format!("{text} is not a URL"), remedy))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(CheckProblem::new(
            format!("{text} has a query or a fragment"),
            remedy,
        ));
    }
    let last = url
        .path()
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if ["sse", "mcp", "messages", "health", "readonly"].contains(&last) {
        let fact = format!("{text} ends with /{last}, so clients would have to use {text}/mcp");
        return Err(CheckProblem::new(
            fact,
            format!("remove /{last}: the server adds its own paths"),
        ));
    }
    Ok(url)
}

/// Why the public URL does not reach a healthy server.
enum HealthProblem {
    /// A proxy answered because its upstream failed.
    Behind(String),
    /// Any other failure.
    Other(CheckProblem),
}

async fn fetch_health(http: &Client, public: &str) -> Result<String, HealthProblem> {
    let url = format!("{public}/health");
    let other = |fact: String, remedy: &str| HealthProblem::Other(CheckProblem::new(fact, remedy));
    let answer = http.get(&url).timeout(PATIENCE).send().await;
    let answer = answer.map_err(|error| {
        let fact = format!("{url}: {}", super::error_words(error));
        other(fact, "check the logs of the proxy")
    })?;
    let status = answer.status().as_u16();
    if (502..=504).contains(&status) {
        return Err(HealthProblem::Behind(format!(
            "the proxy answers HTTP {status}: it cannot reach the server"
        )));
    }
    if let Some(location) = answer
        .headers()
        .get(LOCATION)
        .and_then(|it| it.to_str().ok())
    {
        let location = location.split(['?', '#']).next().unwrap_or_default();
        return Err(other(
            format!("{url} redirects to {location} (HTTP {status})"),
            "clients do not follow redirects: set MCP_PUBLIC_URL to that address, or remove the redirect or login \
             page",
        ));
    }
    let body: Option<Value> = answer.json().await.ok();
    match body.as_ref().and_then(version_in_health) {
        Some(version) => Ok(format!("kasm-mcp {version} answers")),
        None => Err(other(
            format!("{url} is answered by another program, not kasm-mcp (HTTP {status})"),
            "let the proxy forward this name and every path below MCP_PUBLIC_URL, with that path removed, to this \
             server",
        )),
    }
}

/// Opens an event stream and waits for the first event, which a server sends at once.
async fn check_stream(
    report: &mut CheckReport,
    config: &Config,
    http: &Client,
    public: &str,
    key: &ClientKey,
    serves: bool,
) -> anyhow::Result<()> {
    if let ClientKey::Unknown(why) = key {
        return skip_public_rows(report, &[STREAM], why);
    }
    // A web page of this origin may call too; most programs send no Origin.
    let origin = public.parse::<Url>()?.origin().ascii_serialization();
    let outcome = match first_event(http, &format!("{public}/mcp"), key, &origin).await {
        Ok(time) => Ok(format!(
            "the first event arrived after {} ms, while the stream was open",
            time.as_millis()
        )),
        Err(StreamSilence::Refused(problem)) => Err(problem),
        Err(StreamSilence::Held) => {
            let seconds = EVENT_PATIENCE.as_secs();
            let direct = format!("http://{}/mcp", loopback_address(config.http.listen));
            // If an event arrives at once without the proxy, the proxy is what delays it.
            let own = Client::builder().no_proxy().build()?;
            let is_direct = serves && first_event(&own, &direct, key, &origin).await.is_ok();
            let fact = if is_direct {
                format!(
                    "events are delayed: none arrived within {seconds} s, but without the proxy one arrived at once"
                )
            } else {
                format!("events are delayed: none arrived within {seconds} s")
            };
            let remedy = "a proxy buffers answers, so clients receive nothing before the end: turn buffering off \
                (nginx: proxy_buffering off; see docs/deployment.md, A proxy in front)";
            Err(CheckProblem::new(fact, remedy))
        }
    };
    report.add_result(STREAM, outcome)?;
    Ok(())
}

/// Why no event arrived.
enum StreamSilence {
    /// The request for the stream was refused.
    Refused(CheckProblem),
    /// No event arrived in time.
    Held,
}

async fn first_event(
    http: &Client,
    url: &str,
    key: &ClientKey,
    origin: &str,
) -> Result<Duration, StreamSilence> {
    let begun = Instant::now();
    match timeout(EVENT_PATIENCE, receive_event(http, url, key, origin)).await {
        Ok(Ok(())) => Ok(begun.elapsed()),
        Ok(Err(problem)) => Err(StreamSilence::Refused(problem)),
        Err(_) => Err(StreamSilence::Held),
    }
}

async fn receive_event(
    http: &Client,
    url: &str,
    key: &ClientKey,
    origin: &str,
) -> Result<(), CheckProblem> {
    let request = http.get(url).header(ACCEPT, "text/event-stream");
    let mut request = request.header(ORIGIN, origin);
    if let ClientKey::Token(token) = key {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    let told = |error: reqwest::Error| {
        CheckProblem::new(
            format!("the stream was interrupted: {}", super::error_words(error)),
            "check the logs of the proxy",
        )
    };
    let mut answer = request.send().await.map_err(told)?;
    let status = answer.status().as_u16();
    let kind = answer
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_stream = kind.is_some_and(|kind| kind.starts_with("text/event-stream"));
    if status != 200 || !is_stream {
        let body: Option<Value> = answer.json().await.ok();
        let detail = body.as_ref().and_then(|body| body.get("detail")?.as_str());
        return Err(refused_stream(
            status,
            detail.unwrap_or("the answer is not an event stream"),
        ));
    }
    let mut seen = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        seen.extend_from_slice(&chunk);
        // An event may be split over chunks, so the whole text is searched again with each chunk.
        let text = String::from_utf8_lossy(&seen);
        if text.contains("event:") && text.contains("data:") {
            return Ok(());
        }
        if seen.len() > STREAM_BYTES_MAX {
            break;
        }
    }
    Err(CheckProblem::new(
        "the stream ended without an event",
        "the server behind the public URL is not kasm-mcp, or a proxy changes its answers",
    ))
}

fn refused_stream(status: u16, detail: &str) -> CheckProblem {
    let remedy = match status {
        401 => {
            "the server rejects this token: give a token of that server in MCP_AUTH_TOKEN or with --token-file, and \
             let the proxy forward the Authorization header"
        }
        403 => {
            "restart the server if its settings changed after its start; let the proxy forward the Host header \
             unchanged, or add the name that it sends to MCP_ALLOWED_HOSTS"
        }
        429 => "wait a minute: a rate limit is reached (MCP_RATE_PER_ADDRESS, MCP_TRUSTED_PROXIES)",
        _ => "let the proxy forward GET requests to /mcp unchanged",
    };
    CheckProblem::new(
        format!("no stream was opened: HTTP {status}, {detail}"),
        remedy,
    )
}
