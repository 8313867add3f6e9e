//! The way that clients take: the public URL, and whether streams pass on it.

use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, ORIGIN};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use tokio::time::timeout;

use super::net::{self, Target};
use super::report::{Problem, Report};
use super::server::version;
use crate::commands::health::nearest;
use crate::config::Config;
use crate::oauth::is_safe;

const HEALTH: &str = "public health";
const STREAM: &str = "public stream";
/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the first event of a stream may take. A server sends it at once.
const EVENT_PATIENCE: Duration = Duration::from_secs(5);
/// What is read of a stream, bytes: the first event is shorter.
const STREAM_BYTES_MAX: usize = 16 * 1_024;

/// What the stream is opened with.
#[derive(Debug)]
pub(super) enum Key {
    /// This token.
    Token(SecretString),
    /// No token is needed.
    Nothing,
    /// There is none: why.
    Unknown(&'static str),
}

/// Goes the way that clients go. `serves`: a server runs where these settings say.
pub(super) async fn way(
    report: &mut Report,
    config: &Config,
    key: &Key,
    serves: bool,
) -> anyhow::Result<()> {
    const ROW: &str = "public url";
    let rest = ["public name", "public port", "public tls", HEALTH, STREAM];
    let Some(text) = &config.http.public_url else {
        report.skip(
            ROW,
            "MCP_PUBLIC_URL is not set: nobody knows where clients find this server",
        )?;
        return Ok(());
    };
    let url = match look(text) {
        Ok(url) => url,
        Err(problem) => {
            report.fail(ROW, &problem)?;
            return skip(report, &rest, "the public URL cannot be used");
        }
    };
    if is_safe(text) {
        report.ok(ROW, format!("clients use {text}/mcp"))?;
    } else {
        let fact = format!("clients use {text}/mcp, and tokens travel there unprotected");
        report.note(
            ROW,
            fact,
            "put a proxy with TLS in front, and write https:// (docs/deployment.md)",
        )?;
    }
    if !serves && url.scheme() == "http" {
        return skip(report, &rest, "no server runs with these settings");
    }
    let target = Target {
        label: "public",
        variable: "MCP_PUBLIC_URL",
        url: &url,
        ca_file: None,
        insecure: false,
        trust: "clients refuse it too, unless they know its issuer: take a certificate of a public authority (Caddy gets \
                one by itself), or give each client the CA; for this check SSL_CERT_FILE names it",
        aside: "; clients elsewhere may get there all the same, if this network hides its own public address from itself",
    };
    if !net::reach(report, &target).await? {
        return skip(report, &rest[3..], "the public URL cannot be reached");
    }
    let http = Client::builder().redirect(Policy::none()).build()?;
    match health(&http, text).await {
        Ok(fact) => report.ok(HEALTH, fact)?,
        Err(Unwell::Behind(why)) if !serves => {
            let why = format!("{why}, and no server runs with these settings");
            return skip(report, &rest[3..], &why);
        }
        Err(Unwell::Behind(why)) => {
            let remedy = format!(
                "the server runs: let the proxy send to http://{} (MCP_SERVER_HOST and MCP_SERVER_PORT)",
                nearest(config.http.listen)
            );
            report.fail(HEALTH, &Problem::new(why, remedy))?;
            return skip(report, &[STREAM], "the server is not behind the public URL");
        }
        Err(Unwell::Other(problem)) => {
            report.fail(HEALTH, &problem)?;
            return skip(report, &[STREAM], "the server is not behind the public URL");
        }
    }
    stream(report, config, &http, text, key, serves).await
}

fn skip(report: &mut Report, rows: &[&str], why: &str) -> anyhow::Result<()> {
    for row in rows {
        report.skip(row, why)?;
    }
    Ok(())
}

/// The public URL, if nothing about it would surprise.
fn look(text: &str) -> Result<Url, Problem> {
    let remedy =
        "write scheme, host and, if the proxy takes it off, a path: https://mcp.example.org";
    let url: Url = text
        .parse()
        .map_err(|_| Problem::new(format!("{text} is no URL"), remedy))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Problem::new(format!("{text} has more than a path"), remedy));
    }
    let last = url
        .path()
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if ["sse", "mcp", "messages", "health", "readonly"].contains(&last) {
        let fact = format!("{text} ends with /{last}, so clients would have to use {text}/mcp");
        return Err(Problem::new(
            fact,
            format!("leave /{last} out: the server adds its own paths"),
        ));
    }
    Ok(url)
}

/// Why the public URL does not lead to a healthy server.
enum Unwell {
    /// A proxy answers for a server that does not.
    Behind(String),
    /// Something else.
    Other(Problem),
}

async fn health(http: &Client, public: &str) -> Result<String, Unwell> {
    let url = format!("{public}/health");
    let other = |fact: String, remedy: &str| Unwell::Other(Problem::new(fact, remedy));
    let answer = http.get(&url).timeout(PATIENCE).send().await;
    let answer = answer.map_err(|error| {
        let fact = format!("{url}: {}", super::words(error));
        other(fact, "look at the logs of the proxy")
    })?;
    let status = answer.status().as_u16();
    if (502..=504).contains(&status) {
        return Err(Unwell::Behind(format!(
            "the proxy answers HTTP {status}: it does not reach the server"
        )));
    }
    if let Some(location) = answer
        .headers()
        .get(LOCATION)
        .and_then(|it| it.to_str().ok())
    {
        let location = location.split(['?', '#']).next().unwrap_or_default();
        return Err(other(
            format!("{url} sends to {location} (HTTP {status})"),
            "clients do not follow: write that address in MCP_PUBLIC_URL, or take the redirect or login page away",
        ));
    }
    let body: Option<Value> = answer.json().await.ok();
    match body.as_ref().and_then(version) {
        Some(version) => Ok(format!("a kasm-mcp {version} answers")),
        None => Err(other(
            format!("{url} is answered by something that is no kasm-mcp (HTTP {status})"),
            "let the proxy send this name, and all below the path of MCP_PUBLIC_URL with the path taken off, to this server",
        )),
    }
}

/// Opens an event stream and waits for its first event, which a server sends at once.
async fn stream(
    report: &mut Report,
    config: &Config,
    http: &Client,
    public: &str,
    key: &Key,
    serves: bool,
) -> anyhow::Result<()> {
    if let Key::Unknown(why) = key {
        return skip(report, &[STREAM], why);
    }
    // A page of the same origin may call as well; programs send none.
    let origin = public.parse::<Url>()?.origin().ascii_serialization();
    let outcome = match first_event(http, &format!("{public}/mcp"), key, &origin).await {
        Ok(time) => Ok(format!(
            "the first event came after {} ms, while the stream was open",
            time.as_millis()
        )),
        Err(Silence::Refused(problem)) => Err(problem),
        Err(Silence::Held) => {
            let seconds = EVENT_PATIENCE.as_secs();
            let direct = format!("http://{}/mcp", nearest(config.http.listen));
            let own = Client::builder().no_proxy().build()?;
            let is_direct = serves && first_event(&own, &direct, key, &origin).await.is_ok();
            let fact = if is_direct {
                format!(
                    "events are held back: none came within {seconds} s, and without the proxy one came at once"
                )
            } else {
                format!("events are held back: none came within {seconds} s")
            };
            let remedy = "a proxy in between buffers answers, so clients see nothing until the end: switch that off (nginx: \
                          proxy_buffering off; see docs/deployment.md, A proxy in front)";
            Err(Problem::new(fact, remedy))
        }
    };
    report.judge(STREAM, outcome)?;
    Ok(())
}

/// Why no event came.
enum Silence {
    /// No stream was opened.
    Refused(Problem),
    /// Nothing came in time.
    Held,
}

async fn first_event(
    http: &Client,
    url: &str,
    key: &Key,
    origin: &str,
) -> Result<Duration, Silence> {
    let begun = Instant::now();
    match timeout(EVENT_PATIENCE, event(http, url, key, origin)).await {
        Ok(Ok(())) => Ok(begun.elapsed()),
        Ok(Err(problem)) => Err(Silence::Refused(problem)),
        Err(_) => Err(Silence::Held),
    }
}

async fn event(http: &Client, url: &str, key: &Key, origin: &str) -> Result<(), Problem> {
    let request = http.get(url).header(ACCEPT, "text/event-stream");
    let mut request = request.header(ORIGIN, origin);
    if let Key::Token(token) = key {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    let told = |error: reqwest::Error| {
        Problem::new(
            format!("the stream broke off: {}", super::words(error)),
            "look at the logs of the proxy",
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
        return Err(refused(status, detail.unwrap_or("no event stream")));
    }
    let mut seen = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(told)? {
        seen.extend_from_slice(&chunk);
        let text = String::from_utf8_lossy(&seen);
        if text.contains("event:") && text.contains("data:") {
            return Ok(());
        }
        if seen.len() > STREAM_BYTES_MAX {
            break;
        }
    }
    Err(Problem::new(
        "the stream has no event",
        "the server behind the public URL is no kasm-mcp, or a proxy changes it",
    ))
}

fn refused(status: u16, detail: &str) -> Problem {
    let remedy = match status {
        401 => {
            "the server there has another token: give that one in MCP_AUTH_TOKEN or with --token-file, and see to it \
                that the proxy passes the Authorization header on"
        }
        403 => {
            "restart the server if its settings were changed since it began; let the proxy pass the Host header on as it is, \
                or name what it sends in MCP_ALLOWED_HOSTS"
        }
        429 => {
            "wait a minute: the limits of addresses or callers are reached (MCP_RATE_PER_ADDRESS, MCP_TRUSTED_PROXIES)"
        }
        _ => "let the proxy pass GET requests to /mcp on as they are",
    };
    Problem::new(
        format!("no stream is opened: HTTP {status}, {detail}"),
        remedy,
    )
}
