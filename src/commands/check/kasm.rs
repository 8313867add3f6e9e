//! The Kasm checks: what answers at KASM_API_URL, its clock, and the permissions of the API key.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{DATE, LOCATION};
use serde_json::Value;
use tokio::time::timeout;

use super::report::{CheckProblem, CheckReport};
use crate::kasm::model::{KasmSession, SessionStatus, UserRef};
use crate::kasm::public::KasmConfig;
use crate::kasm::{Kasm, KasmError, UserId};
use crate::providers::kasm::TOOLSETS;
use crate::providers::kasm::diagnose::{DiagnosisCheck, PermissionFindings, permission_findings};
use crate::tool::ToolError;

/// Time limit for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time limit for all permission checks.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(60);
/// The most that is read of a page that is not from Kasm.
const PAGE_BYTES_MAX: usize = 64 * 1_024;
/// Clock difference in seconds: from the first on it is noted, from the second on tokens and certificates fail.
const CLOCK_NOTE: i64 = 30;
const CLOCK_FAIL: i64 = 300;
/// Optional permissions: only some tools need them (see the README).
const OPTIONAL: &[&str] = &[
    "Users View",
    "Users Create",
    "Users Modify",
    "Users Delete",
    "Session Recordings View",
];

/// Checks whether Kasm answers, and its clock. Returns whether Kasm answered.
pub(super) async fn check_answer(
    report: &mut CheckReport,
    connection: &KasmConfig,
) -> std::io::Result<bool> {
    const ROW: &str = "kasm answers";
    const CLOCK: &str = "clock";
    let asked = SystemTime::now();
    let (status, headers, body) = match first_answer(connection).await {
        Ok(answer) => answer,
        Err(why) => {
            let remedy = "the program there accepts connections but does not answer: check Kasm's services and \
                their logs";
            report.add_failure(ROW, &CheckProblem::new(why, remedy))?;
            report.add_skipped(CLOCK, "no answer was received")?;
            return Ok(false);
        }
    };
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_kasm = report.add_result(
        ROW,
        identify_server(connection, status, text(LOCATION), &body),
    )?;
    match text(DATE).and_then(seconds_of) {
        None => report.add_skipped(CLOCK, "the answer has no Date header")?,
        Some(there) => check_clock(report, there - middle_of_request(asked))?,
    }
    Ok(is_kasm)
}

type FirstAnswer = (u16, reqwest::header::HeaderMap, Vec<u8>);

async fn first_answer(connection: &KasmConfig) -> Result<FirstAnswer, String> {
    let http = connection
        .http_client()
        .map_err(|error| error.to_string())?;
    let mut url = connection.url.clone();
    // Kasm may be served below a path.
    url.set_path(&format!(
        "{}/api/__healthcheck",
        url.path().trim_end_matches('/')
    ));
    let told = |error: reqwest::Error| super::error_words(error);
    let mut response = http.get(url).timeout(PATIENCE).send().await.map_err(told)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(told)? {
        body.extend_from_slice(&chunk);
        // Any program may answer here, so its page is read only so far that its title can be found.
        if body.len() > PAGE_BYTES_MAX {
            break;
        }
    }
    Ok((response.status().as_u16(), response.headers().clone(), body))
}

/// Whether Kasm answered, with its version if the answer has it.
fn identify_server(
    connection: &KasmConfig,
    status: u16,
    location: Option<&str>,
    body: &[u8],
) -> Result<String, CheckProblem> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let well = json.as_ref().and_then(|json| json.get("ok")?.as_bool());
    let version = json.as_ref().and_then(|json| json.get("version")?.as_str());
    let url = &connection.url;
    match (well, location) {
        (Some(true), _) if (200..300).contains(&status) => Ok(version.map_or_else(
            || format!("{url} is a Kasm"),
            |v| format!("{url} is a Kasm {v}"),
        )),
        (Some(_), _) => Err(CheckProblem::new(
            format!("Kasm reports that it is not healthy (HTTP {status})"),
            "check Kasm's Diagnostics, System Info, and the state of its services",
        )),
        (None, Some(location)) => Err(CheckProblem::new(
            format!(
                "{url} redirects to {} (HTTP {status})",
                without_query(location)
            ),
            "if that is Kasm's real address, set KASM_API_URL to it; a login page in front of Kasm must let /api/ \
             and /desktop/ through",
        )),
        (None, None) => Err(not_kasm(status, body)),
    }
}

/// Describes what answered instead of Kasm.
fn not_kasm(status: u16, body: &[u8]) -> CheckProblem {
    let what = match page_title(body) {
        Some(title) => format!("a web page called \"{title}\""),
        None if body.trim_ascii().starts_with(b"<") => "a web page".to_owned(),
        None => "another web server".to_owned(),
    };
    match status {
        401 | 403 | 407 => CheckProblem::new(
            format!("{what} requires a login (HTTP {status}) in front of Kasm"),
            "the proxy in front of Kasm must let /api/ and /desktop/ through for this machine",
        ),
        502..=504 => CheckProblem::new(
            format!(
                "{what} answers HTTP {status}: a proxy runs there, but Kasm behind it does not answer"
            ),
            "check that Kasm's services run, and that the proxy forwards to them",
        ),
        500.. => CheckProblem::new(
            format!("{what} answers HTTP {status} to Kasm's health check"),
            "check the logs of Kasm",
        ),
        _ => CheckProblem::new(
            format!("{what} answered, not Kasm (HTTP {status} to the health check)"),
            "correct host, port and path of KASM_API_URL: use the address that opens Kasm in a browser, with a path \
             only if Kasm is served below one",
        ),
    }
}

fn page_title(body: &[u8]) -> Option<String> {
    let page = String::from_utf8_lossy(body);
    // Byte offsets stay those of `page`.
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find('<')?;
    let title: String = page[start..end].trim().chars().take(80).collect();
    (!title.is_empty()).then_some(title)
}

fn without_query(location: &str) -> &str {
    location.split(['?', '#']).next().unwrap_or_default()
}

fn seconds_of(date: &str) -> Option<i64> {
    let time = DateTimeParser::new().parse_timestamp(date).ok()?;
    Some(time.as_second())
}

/// The middle of the time between `asked` and now, in seconds.
fn middle_of_request(asked: SystemTime) -> i64 {
    // The server read its clock at some time between; the middle halves the largest error.
    let half = asked.elapsed().unwrap_or_default() / 2;
    Timestamp::try_from(asked + half).map_or(0, Timestamp::as_second)
}

fn check_clock(report: &mut CheckReport, ahead: i64) -> std::io::Result<()> {
    const ROW: &str = "clock";
    let off = ahead.abs();
    let side = if ahead > 0 { "behind" } else { "ahead of" };
    let fact = format!("this machine is {off} s {side} Kasm");
    let remedy = "synchronise both clocks by NTP (timedatectl set-ntp true): a wrong clock breaks certificates and \
        tokens";
    if off > CLOCK_FAIL {
        report.add_failure(ROW, &CheckProblem::new(fact, remedy))
    } else if off > CLOCK_NOTE {
        report.add_note(ROW, fact, remedy)
    } else {
        report.add_ok(ROW, "the clocks of this machine and Kasm agree")
    }
}

/// Checks the permissions of the API key, one row per toolset.
pub(super) async fn check_api_key(
    report: &mut CheckReport,
    kasm: &Kasm,
    user: UserId,
) -> std::io::Result<bool> {
    const ROW: &str = "api key";
    let found = match timeout(PATIENCE_FOR_ALL, permission_findings(kasm, user)).await {
        Ok(found) => found,
        Err(_) => {
            let fact = format!(
                "Kasm did not finish within {} s",
                PATIENCE_FOR_ALL.as_secs()
            );
            report.add_failure(
                ROW,
                &CheckProblem::new(fact, "check the load of Kasm, and try again"),
            )?;
            return Ok(false);
        }
    };
    if !found.checks.iter().any(|check| check.works == Some(true)) {
        let first = found.checks.iter().find_map(|check| check.problem.clone());
        report.add_failure(ROW, &refused_key(&found, &first.unwrap_or_default()))?;
        return Ok(false);
    }
    report.add_ok(ROW, "Kasm accepts it")?;
    for toolset in TOOLSETS {
        let tools = toolset.tools.iter();
        let infos: Vec<_> = tools.map(|tool| tool.info(toolset)).collect();
        let names: Vec<&str> = infos.iter().map(|info| &*info.name).collect();
        let needs = |check: &&DiagnosisCheck| check.tools.iter().any(|tool| names.contains(tool));
        let needed: Vec<_> = found.checks.iter().filter(needs).collect();
        check_toolsets(report, toolset.name, &names, &needed)?;
    }
    Ok(true)
}

/// The problem if no permission check succeeded.
fn refused_key(found: &PermissionFindings, words: &str) -> CheckProblem {
    if found.checks.iter().all(|check| check.works.is_none()) {
        return CheckProblem::new(
            format!("the key could not be checked: {words}"),
            "check the logs of Kasm, and try again",
        );
    }
    CheckProblem::new(
        format!("Kasm refuses every request: {words}"),
        "KASM_API_KEY or KASM_API_SECRET is wrong, or the key is disabled, expired or has no permission. Kasm does \
         not say which. Compare with Kasm: Settings, Developers. A lost secret needs a new key",
    )
}

/// The row of one toolset.
fn check_toolsets(
    report: &mut CheckReport,
    toolset: &str,
    names: &[&str],
    needed: &[&DiagnosisCheck],
) -> std::io::Result<()> {
    let row = format!("tools: {toolset}");
    let bad: Vec<_> = needed
        .iter()
        .filter(|check| check.works != Some(true))
        .collect();
    if bad.is_empty() {
        return report.add_ok(&row, format!("all {} tools may be used", names.len()));
    }
    let mut broken: Vec<&str> = Vec::new();
    let mut lacking: Vec<&str> = Vec::new();
    for check in &bad {
        broken.extend(check.tools.iter().filter(|tool| names.contains(*tool)));
        lacking.extend(&check.lacking);
    }
    for list in [&mut broken, &mut lacking] {
        list.sort_unstable();
        list.dedup();
    }
    let broken = broken.join(", ");
    // Nothing was refused: Kasm was slow or failed, which proves nothing about the key.
    if lacking.is_empty() {
        let why = bad.iter().find_map(|check| check.problem.as_deref());
        let fact = format!(
            "unknown whether these work: {broken} ({})",
            why.unwrap_or("no answer")
        );
        return report.add_note(&row, fact, "try again; the logs of Kasm may name the cause");
    }
    let lacking_words = lacking.join(", ");
    let fact = format!("the API key lacks {lacking_words}, so these fail: {broken}");
    let remedy = format!(
        "grant it {lacking_words} (Kasm: Settings, Developers, the key, Permissions); if it already has that, the \
         key is read-only"
    );
    if lacking.iter().all(|name| OPTIONAL.contains(name)) {
        return report.add_note(&row, fact, &remedy);
    }
    report.add_failure(&row, &CheckProblem::new(fact, remedy))
}

/// Counts the workspaces that can be started.
pub(super) async fn check_workspaces(report: &mut CheckReport, kasm: &Kasm) -> std::io::Result<()> {
    const ROW: &str = "workspaces";
    let images = match kasm.list_images().await {
        Ok(images) => images,
        Err(error) => return report.add_skipped(ROW, format!("they cannot be listed: {error}")),
    };
    let usable = images
        .iter()
        // An image that no agent has pulled is enabled but cannot be started yet.
        .filter(|image| image.enabled && image.available)
        .count();
    let fact = format!("{usable} of {} can be started", images.len());
    if usable > 0 {
        return report.add_ok(ROW, fact);
    }
    let remedy = "install and enable a workspace in Kasm (Workspaces, Registry), and wait until its image is pulled";
    report.add_failure(ROW, &CheckProblem::new(fact, remedy))
}

/// Checks that the configured user exists and is enabled.
pub(super) async fn check_user(
    report: &mut CheckReport,
    kasm: &Kasm,
    user: UserId,
) -> std::io::Result<()> {
    const ROW: &str = "user";
    let find = "find the id in Kasm (Access Management, Users) and set KASM_USER_ID to it";
    match kasm.api().fetch_user(&UserRef::Id(user)).await {
        Ok(found) if found.disabled || found.locked => {
            let state = if found.disabled { "disabled" } else { "locked" };
            let remedy = "enable or unlock it in Kasm: Access Management, Users";
            report.add_failure(
                ROW,
                &CheckProblem::new(format!("{} is {state}", found.username), remedy),
            )
        }
        Ok(found) => report.add_ok(ROW, format!("{} ({user})", found.username)),
        Err(KasmError::Permission { .. }) => report.add_skipped(
            ROW,
            "the API key may not read users (Users View), so KASM_USER_ID cannot be checked",
        ),
        Err(KasmError::NotFound { .. }) => report.add_failure(
            ROW,
            &CheckProblem::new(format!("Kasm has no user {user}"), find),
        ),
        Err(error) => report.add_failure(ROW, &CheckProblem::new(error.to_string(), find)),
    }
}

/// Counts the sessions of the user. Returns a running one.
pub(super) async fn check_sessions(
    report: &mut CheckReport,
    kasm: &Kasm,
    user: UserId,
) -> std::io::Result<Option<KasmSession>> {
    const ROW: &str = "sessions";
    match kasm.sessions_of(user).await {
        Ok(sessions) => {
            let mut running: Vec<_> = sessions
                .iter()
                .filter(|it| it.status == SessionStatus::Running)
                .collect();
            let fact = format!("{} of the user, {} running", sessions.len(), running.len());
            report.add_ok(ROW, fact)?;
            Ok(running.pop().cloned())
        }
        Err(error @ KasmError::Permission { .. }) => {
            report.add_skipped(ROW, format!("they cannot be listed: {error}"))?;
            Ok(None)
        }
        Err(error) => {
            let error = ToolError::from(error);
            report.add_failure(ROW, &CheckProblem::new(error.message, error.hint))?;
            Ok(None)
        }
    }
}
