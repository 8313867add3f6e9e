//! Checks name, port and TLS of a URL, each with its own row.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::report::{CheckProblem, CheckReport};
use super::tls::{self, CertificateFlaw, HandshakeOutcome, SeenCertificate};

/// Time limit for a DNS lookup, and for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 4;

/// A URL to check.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckTarget<'a> {
    /// The prefix of its rows.
    pub(super) label: &'static str,
    /// The setting that holds the URL.
    pub(super) variable: &'static str,
    pub(super) url: &'a Url,
    /// A PEM file with additional trusted certificates.
    pub(super) ca_file: Option<&'a Path>,
    /// Whether any certificate is accepted.
    pub(super) insecure: bool,
    /// The remedy for an untrusted certificate.
    pub(super) trust: &'static str,
    /// Added to the facts of failed rows.
    pub(super) aside: &'static str,
}

impl CheckTarget<'_> {
    fn row_name(&self, link: &str) -> String {
        format!("{} {link}", self.label)
    }

    fn host_name(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.trim_matches(['[', ']'])
    }

    fn port_number(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(0)
    }

    /// The environment's proxy for this URL, if there is one.
    fn proxy_address(&self) -> Option<(String, u16)> {
        let uri: http::Uri = self.url.as_str().parse().ok()?;
        let proxy = Matcher::from_env().intercept(&uri)?;
        let default = match proxy.uri().scheme_str() {
            Some("https") => 443,
            Some("socks4" | "socks4a" | "socks5" | "socks5h") => 1080,
            _ => 80,
        };
        let host = proxy.uri().host()?.trim_matches(['[', ']']).to_owned();
        Some((host, proxy.uri().port_u16().unwrap_or(default)))
    }
}

/// Checks name, port and TLS. Returns whether an HTTP request can be tried.
pub(super) async fn check_connection(
    report: &mut CheckReport,
    target: &CheckTarget<'_>,
) -> std::io::Result<bool> {
    // With a proxy, only the proxy itself can be checked from here: it makes the connection to the target.
    let proxy = target.proxy_address();
    let (host, port) = match &proxy {
        Some((host, port)) => (host.as_str(), *port),
        None => (target.host_name(), target.port_number()),
    };
    let rest = [target.row_name("port"), target.row_name("tls")];
    let addresses = match resolve_host(host, port).await {
        Ok(addresses) => addresses,
        Err(problem) => {
            report.add_failure(
                &target.row_name("name"),
                &with_row_name(problem, target, proxy.is_some()),
            )?;
            for row in &rest {
                report.add_skipped(row, "the name cannot be resolved")?;
            }
            return Ok(false);
        }
    };
    let through = if proxy.is_some() {
        "the environment's proxy (HTTPS_PROXY, HTTP_PROXY or ALL_PROXY): "
    } else {
        ""
    };
    report.add_ok(
        &target.row_name("name"),
        format!("{through}{}", resolved_text(host, &addresses)),
    )?;
    let address = match connect_to_any(&addresses).await {
        Ok((address, _)) => address,
        Err(problem) => {
            report.add_failure(&rest[0], &with_row_name(problem, target, proxy.is_some()))?;
            report.add_skipped(&rest[1], "the port cannot be reached")?;
            return Ok(false);
        }
    };
    report.add_ok(&rest[0], format!("{address} accepts connections"))?;
    if proxy.is_some() {
        report.add_skipped(&rest[1], "the proxy makes this connection")?;
        return Ok(true);
    }
    if target.url.scheme() == "http" {
        return check_plain_http(report, target, address).await;
    }
    check_tls(report, target, address).await
}

fn with_row_name(
    mut problem: CheckProblem,
    target: &CheckTarget<'_>,
    proxied: bool,
) -> CheckProblem {
    let what = if proxied {
        "the environment's proxy (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY; NO_PROXY lists exceptions)"
    } else {
        target.variable
    };
    problem.remedy = format!("{what}: {}{}", problem.remedy, target.aside);
    problem
}

fn resolved_text(host: &str, addresses: &[SocketAddr]) -> String {
    if host.parse::<IpAddr>().is_ok() {
        return format!("{host} is an IP address");
    }
    let addresses: Vec<_> = addresses.iter().map(|it| it.ip().to_string()).collect();
    format!("{host} resolves to {}", addresses.join(", "))
}

async fn resolve_host(host: &str, port: u16) -> Result<Vec<SocketAddr>, CheckProblem> {
    let remedy = "check the spelling; a name of a private network needs that network's DNS server on this machine \
        (in a container: in the container)";
    let found = timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let problem = match found {
        Err(_) => format!(
            "no DNS server answered for {host} within {} s",
            PATIENCE.as_secs()
        ),
        Ok(Err(error)) => format!("{host} cannot be resolved: {error}"),
        Ok(Ok(addresses)) => {
            let mut addresses: Vec<_> = addresses.collect();
            addresses.dedup();
            addresses.truncate(ADDRESSES_MAX);
            if !addresses.is_empty() {
                return Ok(addresses);
            }
            format!("{host} has no address")
        }
    };
    Err(CheckProblem::new(problem, remedy))
}

/// Connects to the first address that accepts.
async fn connect_to_any(addresses: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), CheckProblem> {
    let mut problem = CheckProblem::new("there is no address to try", "use another name");
    for address in addresses {
        let error = match timeout(PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((*address, stream)),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        problem = unreachable_problem(*address, error.as_ref());
    }
    Err(problem)
}

/// Why a connection failed. No error means that it timed out.
fn unreachable_problem(address: SocketAddr, error: Option<&std::io::Error>) -> CheckProblem {
    let port = address.port();
    match error.map(std::io::Error::kind) {
        None | Some(ErrorKind::TimedOut) => CheckProblem::new(
            format!(
                "{address} does not answer within {} s: timed out",
                PATIENCE.as_secs()
            ),
            format!(
                "a firewall drops the connection, or the address is wrong: let this machine reach port {port} there"
            ),
        ),
        Some(ErrorKind::ConnectionRefused) => CheckProblem::new(
            format!("{address} refuses connections"),
            format!(
                "wrong port? Nothing listens on {port} there: correct the port, or start the server"
            ),
        ),
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) => CheckProblem::new(
            format!("{address} is unreachable: this machine has no route to it"),
            "check the address, the routes and the VPN of this machine",
        ),
        Some(_) => CheckProblem::new(
            format!(
                "{address}: {}",
                error.map_or_else(String::new, ToString::to_string)
            ),
            "check the address and the network of this machine",
        ),
    }
}

/// Checks an `http` URL: the port must speak HTTP.
async fn check_plain_http(
    report: &mut CheckReport,
    target: &CheckTarget<'_>,
    address: SocketAddr,
) -> std::io::Result<bool> {
    let row = target.row_name("tls");
    let answer = plain_answer(target, address).await;
    // TLS servers answer 400 or close the connection.
    if answer.is_some_and(|status| status != 400) {
        report.add_skipped(&row, "the URL has the scheme http")?;
        return Ok(true);
    }
    if let Some(HandshakeOutcome::Done(_)) = try_handshake(target, address).await {
        let fact = format!("{address} speaks TLS, but the URL has the scheme http");
        let remedy = format!("write https:// in {}", target.variable);
        report.add_failure(&row, &CheckProblem::new(fact, remedy))?;
        return Ok(false);
    }
    if answer.is_some() {
        report.add_skipped(&row, "the URL has the scheme http")?;
        return Ok(true);
    }
    let fact = format!("the program on {address} does not speak HTTP");
    let remedy = format!("wrong port? Correct it in {}", target.variable);
    report.add_failure(&row, &CheckProblem::new(fact, remedy))?;
    Ok(false)
}

/// The status of the answer to a plain HTTP request, if one comes.
async fn plain_answer(target: &CheckTarget<'_>, address: SocketAddr) -> Option<u16> {
    let ask = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let host = target.url.host_str()?;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        // `HTTP/1.1 200`: twelve bytes hold the status.
        let mut head = [0; 12];
        stream.read_exact(&mut head).await.ok()?;
        let head = std::str::from_utf8(&head).ok()?;
        head.strip_prefix("HTTP/1.")?.get(2..)?.trim().parse().ok()
    };
    timeout(PATIENCE, ask).await.ok()?
}

async fn try_handshake(target: &CheckTarget<'_>, address: SocketAddr) -> Option<HandshakeOutcome> {
    let (_, stream) = connect_to_any(&[address]).await.ok()?;
    Some(tls::try_handshake(stream, target.host_name(), target.ca_file).await)
}

/// Checks an `https` URL: one TLS handshake.
async fn check_tls(
    report: &mut CheckReport,
    target: &CheckTarget<'_>,
    address: SocketAddr,
) -> std::io::Result<bool> {
    let row = target.row_name("tls");
    let why = match try_handshake(target, address).await {
        Some(HandshakeOutcome::Done(certificate)) => {
            return judge_handshake(report, target, &certificate);
        }
        Some(HandshakeOutcome::Unjudged(why)) => {
            let remedy = "install this machine's CA certificates (ca-certificates). KASM_TLS_CA_FILE must be unset, \
                or name a PEM file that this user can read";
            report.add_failure(&row, &CheckProblem::new(why, remedy))?;
            return Ok(false);
        }
        Some(HandshakeOutcome::Failed(why)) => why,
        Some(HandshakeOutcome::Silent) | None => "no answer was received in time".to_owned(),
    };
    // A plain HTTP server answers a TLS handshake with an error, so the same port is tried without TLS.
    let is_plain = plain_answer(target, address)
        .await
        .is_some_and(|status| status != 400);
    let problem = if is_plain {
        let remedy = format!(
            "set the port that speaks TLS in {}, or write http:// if the network is trusted",
            target.variable
        );
        CheckProblem::new(
            format!("{address} speaks plain HTTP, but the URL has the scheme https"),
            remedy,
        )
    } else {
        let remedy = format!(
            "wrong port? The server must speak TLS 1.2 or 1.3: check {} and the server",
            target.variable
        );
        CheckProblem::new(
            format!("the TLS handshake with {address} failed: {why}"),
            remedy,
        )
    };
    report.add_failure(&row, &problem)?;
    Ok(false)
}

fn judge_handshake(
    report: &mut CheckReport,
    target: &CheckTarget<'_>,
    certificate: &SeenCertificate,
) -> std::io::Result<bool> {
    let row = target.row_name("tls");
    // Only a certificate without flaws has this date.
    if let Some(when) = &certificate.ends_soon {
        let fact = format!("the certificate is trusted, but expires on {when}");
        report.add_note(&row, fact, "renew it before that date")?;
        return Ok(true);
    }
    if certificate.flaws.is_empty() {
        report.add_ok(
            &row,
            format!("the certificate is trusted for {}", target.host_name()),
        )?;
        return Ok(true);
    }
    let told: Vec<_> = certificate
        .flaws
        .iter()
        .map(|flaw| problem_of_flaw(flaw, target))
        .collect();
    let join =
        |part: fn(&CheckProblem) -> &str| told.iter().map(part).collect::<Vec<_>>().join("; ");
    let (facts, remedies) = (join(|it| &it.fact), join(|it| &it.remedy));
    if target.insecure {
        let fact = format!("KASM_TLS_INSECURE accepts this: {facts}");
        report.add_note(&row, fact, &remedies)?;
        return Ok(true);
    }
    report.add_failure(&row, &CheckProblem::new(facts, remedies))?;
    Ok(false)
}

fn problem_of_flaw(flaw: &CertificateFlaw, target: &CheckTarget<'_>) -> CheckProblem {
    let host = target.host_name();
    match flaw {
        CertificateFlaw::Expired(when) => CheckProblem::new(
            format!("the certificate expired on {when}"),
            "renew it on the server; if it is still valid, correct this machine's clock",
        ),
        CertificateFlaw::NotYet(when) => CheckProblem::new(
            format!("the certificate is not valid before {when}"),
            "correct this machine's clock, or use a certificate that is already valid",
        ),
        CertificateFlaw::OtherNames(names) => {
            let fact = if names.is_empty() {
                format!("the certificate is not for {host}; it has no name at all")
            } else {
                format!(
                    "the certificate is not for {host} but for: {}",
                    names.join(", ")
                )
            };
            let remedy = format!(
                "use one of the certificate's names in {}, or give the server a certificate for {host}",
                target.variable
            );
            CheckProblem::new(fact, remedy)
        }
        CertificateFlaw::SelfSigned => {
            CheckProblem::new("the certificate is self-signed", target.trust)
        }
        CertificateFlaw::UnknownIssuer => CheckProblem::new(
            "the issuer of the certificate is unknown: no CA that this machine trusts signed it",
            target.trust,
        ),
        CertificateFlaw::Other(words) => CheckProblem::new(
            format!("the certificate is rejected: {words}"),
            "give the server another certificate",
        ),
    }
}
