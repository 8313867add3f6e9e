//! `kasm-mcp check`: checks every connection from the settings to a client's event stream. Each check is one
//! row, with a remedy if it fails. A check whose precondition failed is skipped; the others still run.

mod kasm;
mod net;
mod public;
mod report;
mod server;
mod session;
mod tls;

use std::error::Error as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use secrecy::SecretString;

use self::net::CheckTarget;
use self::public::ClientKey;
use self::report::{CheckProblem, CheckReport};
use super::{EXIT_SETTINGS, settings_sources};
use crate::app;
use crate::cli;
use crate::config::{Config, KasmBackend};
use crate::kasm::public::KasmConfig;
use crate::kasm::{Kasm, UserId};

/// Upper limit for one call to Kasm here, even if the server is configured to wait longer.
const CALL_PATIENCE: Duration = Duration::from_secs(10);

/// The rows about Kasm, in order. They are skipped if the network check before them fails.
const KASM_ROWS: [&str; 6] = [
    "kasm answers",
    "clock",
    "api key",
    "workspaces",
    "user",
    "sessions",
];

pub(super) async fn run_check(
    options: &cli::CheckOptions,
    flags: &cli::SettingsFlags,
) -> anyhow::Result<ExitCode> {
    let mut report = CheckReport::new(options.json);
    let mut config = match Config::load_settings(&settings_sources(flags)) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in &mistakes.0 {
                let fact = format!("{}: {}", mistake.variable, mistake.problem);
                report.add_failure("settings", &CheckProblem::new(fact, &mistake.remedy))?;
            }
            report.add_skipped(
                "the rest",
                "these settings are invalid, so nothing can be checked",
            )?;
            report.finish()?;
            return Ok(ExitCode::from(EXIT_SETTINGS));
        }
    };
    if let Some(KasmBackend { connection, .. }) = &mut config.kasm {
        // A check has to show a failure that the server would wait out.
        connection.timeout = connection.timeout.min(CALL_PATIENCE);
        connection.retries = connection.retries.min(1);
        // The report knows all secrets before the first row that could repeat one.
        hide_key(&mut report, connection);
    }
    let key = client_key(options, &config)?;
    if let ClientKey::Token(token) = &key {
        report.hide_secret(token);
    }
    if let Some(token) = &config.http.auth_token {
        report.hide_secret(token);
    }
    report.add_ok("settings", "valid")?;
    for notice in &config.notices {
        report.add_note("settings", notice, "")?;
    }
    match &config.kasm {
        Some(backend) => {
            check_upstream(&mut report, &config, backend, options.start.as_deref()).await?;
        }
        None if options.start.is_some() => {
            let remedy = "omit --start, or set KASM_API_URL and the other settings of Kasm";
            let problem =
                CheckProblem::new("this server has no Kasm to start a session in", remedy);
            report.add_failure("session: start", &problem)?;
        }
        None => {}
    }
    server::check_credentials(&mut report, &config).await?;
    server::check_folders(&mut report, &config)?;
    server::check_surface(&mut report, &config)?;
    let serves = server::check_port(&mut report, &config).await?;
    server::check_metrics(&mut report, &config, serves).await?;
    public::check_public_url(&mut report, &config, &key, serves).await?;
    Ok(if report.finish()? {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The credential to open an event stream with.
fn client_key(options: &cli::CheckOptions, config: &Config) -> anyhow::Result<ClientKey> {
    if let Some(file) = &options.token_file {
        let token = std::fs::read_to_string(file)
            .with_context(|| format!("--token-file {}", file.display()))?;
        return Ok(ClientKey::Token(SecretString::from(
            token.trim().to_owned(),
        )));
    }
    Ok(match &config.http.auth_token {
        Some(token) => ClientKey::Token(token.clone()),
        None if config.http.is_without_credential() && config.http.is_loopback() => {
            ClientKey::Nothing
        }
        None => ClientKey::Unknown(
            "the settings hold only hashes of tokens; name a file with a token by --token-file FILE",
        ),
    })
}

/// Logs why Kasm does not answer, for a server that has just started.
pub(super) async fn log_first_findings(config: &Config) {
    let Some(backend) = &config.kasm else {
        return;
    };
    let Ok(kasm) = app::kasm_client(backend) else {
        return;
    };
    if kasm.api().check_health().await.is_ok() {
        return;
    }
    // A report in JSON prints nothing before its end.
    let mut report = CheckReport::new(true);
    hide_key(&mut report, &backend.connection);
    let looked = check_way_to_kasm(&mut report, &backend.connection).await;
    for (link, fact, remedy) in report.failures() {
        tracing::warn!(link, remedy, "Kasm does not answer: {fact}");
    }
    if looked.is_ok_and(|is_there| is_there) {
        tracing::info!("Kasm did not answer at first, but does now");
    }
}

/// Keeps the API key out of the report.
fn hide_key(report: &mut CheckReport, connection: &KasmConfig) {
    for secret in [&connection.api_key, &connection.api_key_secret] {
        report.hide_secret(secret);
    }
}

/// Checks the connection to Kasm. Returns whether Kasm answered.
async fn check_way_to_kasm(
    report: &mut CheckReport,
    connection: &KasmConfig,
) -> anyhow::Result<bool> {
    let target = CheckTarget {
        label: "kasm",
        variable: "KASM_API_URL",
        url: &connection.url,
        ca_file: connection.tls_ca_file.as_deref(),
        insecure: connection.tls_insecure,
        trust: "put the CA that signed it, or the certificate itself if it is self-signed, into a PEM file and name \
            that in KASM_TLS_CA_FILE (openssl s_client -showcerts prints it); KASM_TLS_INSECURE=true is for tests \
            only",
        aside: "",
    };
    if !net::check_connection(report, &target).await? {
        skip_rows(report, &KASM_ROWS, "Kasm cannot be reached")?;
        return Ok(false);
    }
    let is_kasm = kasm::check_answer(report, connection).await?;
    if !is_kasm {
        // `check_answer` has written the first two rows.
        skip_rows(report, &KASM_ROWS[2..], "no healthy Kasm answered")?;
    }
    Ok(is_kasm)
}

/// Checks what the API key may do in Kasm.
async fn check_upstream(
    report: &mut CheckReport,
    config: &Config,
    backend: &KasmBackend,
    start: Option<&str>,
) -> anyhow::Result<()> {
    if !check_way_to_kasm(report, &backend.connection).await? {
        return Ok(());
    }
    let (Ok(kasm), Ok(user)) = (app::kasm_client(backend), backend.user.parse::<UserId>()) else {
        return skip_rows(report, &KASM_ROWS[2..], "the TLS settings cannot be used");
    };
    if !kasm::check_api_key(report, &kasm, user).await? {
        return skip_rows(report, &KASM_ROWS[3..], "the API key is not accepted");
    }
    kasm::check_workspaces(report, &kasm).await?;
    kasm::check_user(report, &kasm, user).await?;
    let under_check = KasmUnderCheck {
        kasm,
        backend,
        user,
        has_relay: config.http.public_url.is_some(),
    };
    check_in_session(report, &under_check, start).await
}

/// Kasm as the checks in a session use it.
struct KasmUnderCheck<'a> {
    kasm: Kasm,
    backend: &'a KasmBackend,
    /// Whose sessions are used.
    user: UserId,
    /// Whether workspaces can post output to the server.
    has_relay: bool,
}

async fn check_in_session(
    report: &mut CheckReport,
    under_check: &KasmUnderCheck<'_>,
    start: Option<&str>,
) -> anyhow::Result<()> {
    let KasmUnderCheck { kasm, user, .. } = under_check;
    let running = kasm::check_sessions(report, kasm, *user).await?;
    if let Some(workspace) = start {
        return session::check_with_new_session(report, under_check, workspace).await;
    }
    match running.and_then(|session| session.kasm_id) {
        Some(kasm_id) => Ok(session::check_running_session(report, under_check, kasm_id).await?),
        None => Ok(session::skip_session_rows(
            report,
            "no session is running; --start WORKSPACE starts one, and destroys it afterwards",
        )?),
    }
}

fn skip_rows(report: &mut CheckReport, rows: &[&str], why: &str) -> anyhow::Result<()> {
    for row in rows {
        report.add_skipped(row, why)?;
    }
    Ok(session::skip_session_rows(report, why)?)
}

/// A request's error with its causes, without its URL.
fn error_words(error: reqwest::Error) -> String {
    // The outer error says only that the request failed; the cause is in its sources (DNS, TLS, a closed
    // socket).
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
