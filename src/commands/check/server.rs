//! The checks of this server: credentials, folders, ports.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::report::{CheckProblem, CheckReport};
use crate::access::edit;
use crate::app;
use crate::commands::health::loopback_address;
use crate::commands::tools::unmatched_names;
use crate::config::{Config, token_rules};
use crate::oauth;

/// Time limit for the local server's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time limit for an issuer: three metadata documents at five seconds each, and its keys.
const ISSUER_PATIENCE: Duration = Duration::from_secs(25);

/// Checks that callers can authenticate.
pub(super) async fn check_credentials(
    report: &mut CheckReport,
    config: &Config,
) -> std::io::Result<()> {
    const ROW: &str = "credentials";
    let http = &config.http;
    let mut there = Vec::new();
    if http.auth_token.is_some() {
        there.push("MCP_AUTH_TOKEN".to_owned());
    }
    if let Some(file) = &http.tokens_file {
        let entries = edit::read_entries(file, &token_rules(config.usual_kasm_user()));
        let entries = entries.unwrap_or_default();
        there.push(format!("{} tokens in {}", entries.len(), file.display()));
        for entry in &entries {
            for name in unmatched_names(&entry.reach) {
                let fact = format!(
                    "the token `{}` lists `{name}`, and no tool has such a name",
                    entry.name
                );
                report.add_note(
                    "tokens",
                    fact,
                    "correct `tools` of that token, if such a tool is not to come",
                )?;
            }
        }
    }
    if let Some(oauth) = &http.oauth {
        there.push(format!("{} OAuth issuers", oauth.issuers.len()));
    }
    if !there.is_empty() {
        report.add_ok(ROW, there.join(", "))?;
    } else if !http.lacks_credential() {
        report.add_ok(ROW, "none; only this machine can connect")?;
    } else if config.state_dir.is_some() {
        let fact = "none: `serve` creates a token at its first start and shows it once";
        report.add_note(ROW, fact, "or set MCP_AUTH_TOKEN (openssl rand -hex 32)")?;
    } else {
        let fact = format!("none, but other machines can reach {}", http.listen.ip());
        let remedy = "set MCP_AUTH_TOKEN (openssl rand -hex 32), or MCP_SERVER_HOST=127.0.0.1";
        report.add_failure(ROW, &CheckProblem::new(fact, remedy))?;
    }
    for issuer in http.oauth.iter().flat_map(|oauth| &oauth.issuers) {
        let found = timeout(ISSUER_PATIENCE, oauth::examine_issuer(issuer)).await;
        let found = found.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let outcome = match found {
            Ok(0) => Err(
                "it has no key of an accepted algorithm (RS256, PS256, ES256, EdDSA)".to_owned(),
            ),
            Ok(keys) => Ok(format!("{issuer} has {keys} keys")),
            Err(why) => Err(why),
        };
        let remedy = "set MCP_OAUTH_ISSUERS to the issuer exactly as its metadata states it, and let this machine \
            reach it";
        report.add_result(
            "oauth issuer",
            outcome.map_err(|why| CheckProblem::new(format!("{issuer}: {why}"), remedy)),
        )?;
    }
    Ok(())
}

/// Checks that this user can write state and audit log.
pub(super) fn check_folders(report: &mut CheckReport, config: &Config) -> std::io::Result<()> {
    const STATE: &str = "state";
    const AUDIT: &str = "audit";
    let user = "run the check as the server's user, and let that user write there";
    match &config.state_dir {
        None => report.add_note(
            STATE,
            "MCP_STATE_DIR is not set: leases and created tokens are lost at a restart",
            "",
        )?,
        Some(folder) if !folder.exists() => report.add_note(
            STATE,
            format!(
                "{} does not exist: leases are lost at a restart",
                folder.display()
            ),
            "create it, accessible to the server's user alone, or set MCP_STATE_DIR to another folder",
        )?,
        Some(folder) => {
            let outcome =
                try_writing_in(folder).map(|()| format!("{} can be written", folder.display()));
            let told = |error| CheckProblem::new(format!("{}: {error}", folder.display()), user);
            report.add_result(STATE, outcome.map_err(told))?;
        }
    }
    let Some(audit) = &config.audit else {
        return report.add_skipped(
            AUDIT,
            "no audit log is written (MCP_AUDIT_FILE, MCP_STATE_DIR)",
        );
    };
    let file = &audit.file;
    // The file is only opened: a line from here would break the chain of a running server.
    let outcome = if file.exists() {
        OpenOptions::new().append(true).open(file).map(drop)
    } else {
        try_writing_in(file.parent().unwrap_or(Path::new(".")))
    };
    let outcome = outcome.map(|()| format!("{} can be written", file.display()));
    let told = |error| CheckProblem::new(format!("{}: {error}", file.display()), user);
    report.add_result(AUDIT, outcome.map_err(told)).map(drop)
}

/// Creates a file there and removes it.
fn try_writing_in(folder: &Path) -> std::io::Result<()> {
    let file = folder.join(format!(".kasm-mcp-check-{}", std::process::id()));
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)?;
    std::fs::remove_file(&file)
}

/// Checks the port. Returns whether kasm-mcp already listens there.
pub(super) async fn check_port(report: &mut CheckReport, config: &Config) -> std::io::Result<bool> {
    const ROW: &str = "listen";
    let listen = config.http.listen;
    // The port is bound and freed at once: only this shows that the server could listen there.
    let taken = match TcpListener::bind(listen).await {
        Ok(_) => {
            report.add_ok(ROW, format!("{listen} is free: no server runs"))?;
            return Ok(false);
        }
        Err(error) => error,
    };
    if taken.kind() != std::io::ErrorKind::AddrInUse {
        let remedy = "use an address of this machine (MCP_SERVER_HOST; `ip address` lists them), and a port above \
            1023 unless the server may use lower ones (MCP_SERVER_PORT)";
        report.add_failure(
            ROW,
            &CheckProblem::new(format!("{listen}: {taken}"), remedy),
        )?;
        return Ok(false);
    }
    match running_version(config).await {
        Some(version) => {
            let fact = format!(
                "kasm-mcp {version} already listens on {listen}; a second server needs another port"
            );
            report.add_ok(ROW, fact)?;
            Ok(true)
        }
        None => {
            let fact = format!("another program, not kasm-mcp, listens on {listen}");
            let remedy = "stop it (`ss -ltnp` shows it), or set another MCP_SERVER_PORT";
            report.add_failure(ROW, &CheckProblem::new(fact, remedy))?;
            Ok(false)
        }
    }
}

/// Checks that metrics can be served at the configured address.
pub(super) async fn check_metrics(
    report: &mut CheckReport,
    config: &Config,
    serves: bool,
) -> std::io::Result<()> {
    const ROW: &str = "metrics";
    let Some(listen) = config.http.metrics_listen else {
        return Ok(());
    };
    match TcpListener::bind(listen).await {
        Ok(_) => report.add_ok(ROW, format!("{listen} is free")),
        Err(error) if serves && error.kind() == std::io::ErrorKind::AddrInUse => report.add_ok(
            ROW,
            format!("{listen} is in use, as expected while a server runs"),
        ),
        Err(error) => {
            let remedy = "stop the program on that port (`ss -ltnp` shows it), or set another MCP_METRICS_LISTEN";
            report.add_failure(
                ROW,
                &CheckProblem::new(format!("{listen}: {error}"), remedy),
            )
        }
    }
}

/// The version of the kasm-mcp that listens on `listen`, if one does.
async fn running_version(config: &Config) -> Option<String> {
    // The environment's proxy is not used for this machine.
    let http = reqwest::Client::builder()
        .timeout(PATIENCE)
        .no_proxy()
        .build()
        .ok()?;
    let url = format!("http://{}/health", loopback_address(config.http.listen));
    let answer: Value = http.get(url).send().await.ok()?.json().await.ok()?;
    version_in_health(&answer)
}

/// The version in the answer of kasm-mcp to `/health`.
pub(super) fn version_in_health(health: &Value) -> Option<String> {
    let is_well = health.get("status")? == "ok";
    let version = health.get("version")?.as_str()?;
    is_well.then(|| version.to_owned())
}

/// Checks that the settings of host names, origins and proxies fit together.
pub(super) fn check_surface(report: &mut CheckReport, config: &Config) -> std::io::Result<()> {
    use crate::http::guard::AllowedHosts;
    let http = &config.http;
    match &http.allowed_hosts {
        AllowedHosts::Any => report.add_ok("host names", "any name: clients need a token")?,
        AllowedHosts::Named(names) if names.is_empty() => {
            report.add_ok("host names", "only the names of this machine")?;
        }
        AllowedHosts::Named(names) => {
            report.add_ok(
                "host names",
                format!(
                    "{} and the names of this machine; other names get 403",
                    names.join(", ")
                ),
            )?;
        }
    }
    // This server speaks plain HTTP only, so an https URL means a proxy.
    let behind_proxy = http
        .public_url
        .as_deref()
        .is_some_and(|url| url.starts_with("https://"));
    if behind_proxy && http.trusted_proxies.is_empty() {
        let fact = "MCP_PUBLIC_URL is https, so a proxy is in front, but MCP_TRUSTED_PROXIES is not set: all \
            clients share one rate limit per address";
        report.add_note(
            "trusted proxies",
            fact,
            "set it to the proxy's address (docs/deployment.md)",
        )?;
    }
    // `serve` refuses to start with these, and no other row checks them.
    if let Some(backend) = &config.kasm
        && let Err(error) = app::kasm_client(backend)
    {
        let remedy = "KASM_TLS_CA_FILE must be unset, or name a PEM file that this user can read";
        report.add_failure(
            "tls settings",
            &CheckProblem::new(error.to_string(), remedy),
        )?;
    }
    Ok(())
}
