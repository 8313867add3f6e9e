//! `diagnose_kasm`: which tools the API key and a session allow, and what is missing.
//!
//! Kasm gives one error for a missing permission, a wrong key and a read-only key, and never names what is
//! missing. So each endpoint is called in a way that changes nothing (with ids that do not exist, or values
//! that are taken). A call that works proves its permissions for other endpoints too.

mod probes;

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KasmProvider, SessionNeed, acting_user, running_session};
use crate::kasm::session_proxy::{ProxyError, RunningSession};
use crate::kasm::{Kasm, KasmError, KasmId, UserId};
use crate::tool::{Effect, Tool, ToolCallContext, ToolError, ToolReply};
use probes::{COMMANDS, EndpointProbe, PROBES, UnknownIds, call_probe};

/// The remedy if the address that Kasm names for its sessions does not answer.
pub const UNREACHABLE_REMEDY: &str = "commands, files and the desktop use this address, which Kasm names for its \
    sessions: let this server reach it, or correct the zone's proxy port in Kasm (Infrastructure, Zones)";

/// The most endpoints that are probed at a time.
const AT_A_TIME: usize = 4;

pub(super) struct DiagnoseKasm;

/// The permissions of an API key, as far as probes show.
#[derive(Debug)]
pub struct PermissionFindings {
    /// Permissions that are certainly missing.
    pub missing: Vec<&'static str>,
    /// Groups of permissions of which at least one is missing.
    pub possibly_missing: Vec<Vec<&'static str>>,
    /// One entry per endpoint.
    pub checks: Vec<DiagnosisCheck>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct DiagnoseArgs {
    /// A running session whose output channels and desktop are checked too.
    kasm_id: Option<KasmId>,
    /// Optional: must be the id of the token's own Kasm user.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Diagnosis {
    /// Whether every check succeeded.
    well: bool,
    /// Permissions that the API key certainly lacks.
    missing_permissions: Vec<String>,
    /// Groups of permissions of which at least one is missing: grant all of a group.
    possibly_missing: Vec<Vec<String>>,
    checks: Vec<DiagnosisCheck>,
}

/// One check.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosisCheck {
    /// What was checked.
    pub what: String,
    /// Whether it works. Absent if that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub works: Option<bool>,
    /// The tools that depend on it.
    pub tools: Vec<&'static str>,
    /// Why it does not work, or why that is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What an administrator can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The permissions that are missing or may be missing.
    #[serde(skip)]
    pub lacking: Vec<&'static str>,
}

impl Tool for DiagnoseKasm {
    type Provider = KasmProvider;
    type Args = DiagnoseArgs;
    type Output = Diagnosis;
    const NAME: &'static str = "diagnose_kasm";
    const TITLE: &'static str = "Diagnose Kasm";
    const ABOUT: &'static str = "Check which tools this server's API key and, optionally, a session allow, and \
        which permissions an administrator must grant. Changes nothing.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: ToolCallContext<'_, KasmProvider>,
        args: DiagnoseArgs,
    ) -> Result<ToolReply<Diagnosis>, ToolError> {
        let user = acting_user(cx.caller, args.user_id)?;
        let PermissionFindings {
            missing,
            possibly_missing,
            mut checks,
        } = permission_findings(&cx.provider.kasm, user).await;
        if let Some(kasm_id) = args.kasm_id {
            let place = running_session(&cx, kasm_id, args.user_id, SessionNeed::Probe).await?;
            checks.extend(session_checks(&cx.provider.kasm, &place).await);
        }
        let well = checks.iter().all(|check| check.works == Some(true));
        let message = match (well, missing.is_empty()) {
            (true, _) => "every check succeeded".to_owned(),
            (false, false) => format!("the API key lacks: {}", missing.join(", ")),
            (false, true) => "some checks failed: see `checks`".to_owned(),
        };
        let diagnosis = Diagnosis {
            well,
            missing_permissions: owned_names(&missing),
            possibly_missing: possibly_missing
                .iter()
                .map(|group| owned_names(group))
                .collect(),
            checks,
        };
        Ok(ToolReply::new(diagnosis, message))
    }
}

/// Calls every endpoint with the API key, in ways that change nothing.
pub async fn permission_findings(kasm: &Kasm, user: UserId) -> PermissionFindings {
    let nobody = UnknownIds::random();
    let asked: Vec<_> = PROBES
        .iter()
        .map(|probe| {
            call_probe(kasm, user, nobody, probe.endpoint).map(move |answer| (probe, answer))
        })
        .collect();
    // `buffered` keeps the order of the probes, so two diagnoses can be compared.
    let answers: Vec<_> = stream::iter(asked).buffered(AT_A_TIME).collect().await;
    let (missing, possibly_missing) = missing_permissions(&answers);
    let checks = answers
        .iter()
        .map(|(probe, answer)| diagnosis_check(probe, answer, &missing))
        .collect();
    PermissionFindings {
        missing,
        possibly_missing,
        checks,
    }
}

fn owned_names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

type ProbeAnswer = (&'static EndpointProbe, Result<(), KasmError>);

fn is_refused(answer: &Result<(), KasmError>) -> bool {
    matches!(answer, Err(KasmError::Permission { .. }))
}

/// Whether the answer shows that the permissions exist: Kasm processed the request.
fn is_admitted(answer: &Result<(), KasmError>) -> bool {
    // Kasm checks permissions before it searches the id, so `not found` shows that they exist.
    !is_refused(answer)
        && !matches!(
            answer,
            Err(KasmError::Unavailable(_)
                | KasmError::TimedOut { .. }
                | KasmError::Protocol { .. })
        )
}

/// Returns the permissions that are certainly missing, and groups of which one is missing. The permissions of
/// an endpoint that works exist. A refusal that a certainly missing permission explains proves nothing more.
fn missing_permissions(answers: &[ProbeAnswer]) -> (Vec<&'static str>, Vec<Vec<&'static str>>) {
    let admitted = answers.iter().filter(|(_, answer)| is_admitted(answer));
    let proven: BTreeSet<_> = admitted.flat_map(|(probe, _)| probe.permissions).collect();
    let suspects: Vec<Vec<&str>> = answers
        .iter()
        .filter(|(_, answer)| is_refused(answer))
        .map(|(probe, _)| {
            let open = probe
                .permissions
                .iter()
                .filter(|name| !proven.contains(name));
            open.copied().collect()
        })
        .collect();
    let certain: BTreeSet<_> = suspects
        .iter()
        // All other permissions of this endpoint are proven, so the one that is left is the cause.
        .filter(|group| group.len() == 1)
        .flatten()
        .copied()
        .collect();
    let explained = |group: &[&str]| group.iter().any(|name| certain.contains(name));
    let open: BTreeSet<_> = suspects
        .iter()
        .filter(|group| !explained(group))
        .cloned()
        .collect();
    (certain.into_iter().collect(), open.into_iter().collect())
}

fn diagnosis_check(
    probe: &EndpointProbe,
    answer: &Result<(), KasmError>,
    missing: &[&str],
) -> DiagnosisCheck {
    let mut check = DiagnosisCheck {
        what: probe.endpoint.to_owned(),
        works: Some(true),
        tools: probe.tools.to_vec(),
        problem: None,
        remedy: None,
        lacking: Vec::new(),
    };
    if is_admitted(answer) {
        return check;
    }
    check.works = is_refused(answer).then_some(false);
    check.problem = answer.as_ref().err().map(ToString::to_string);
    if is_refused(answer) {
        let certain = |name: &&&str| missing.contains(*name);
        let lacking = probe.permissions.iter().filter(certain);
        check.lacking = lacking.copied().collect();
        if check.lacking.is_empty() {
            check.lacking = probe.permissions.to_vec();
        }
        check.remedy = Some(format!(
            "grant the API key: {}. If it has that permission, check that it is enabled, not expired and not \
             read-only",
            check.lacking.join(", ")
        ));
    }
    check
}

/// Checks what a running session allows.
pub async fn session_checks(kasm: &Kasm, place: &RunningSession) -> Vec<DiagnosisCheck> {
    let allowed = |what: &str, allowed: Option<bool>, setting: &str, tools: &[&'static str]| {
        let forbidden = allowed == Some(false);
        DiagnosisCheck {
            what: what.to_owned(),
            // Without a report of the setting from Kasm, it counts as allowed.
            works: allowed.or(Some(true)),
            tools: tools.to_vec(),
            problem: forbidden.then(|| format!("`{setting}` is off for the user's group")),
            remedy: forbidden.then(|| {
                format!(
                    "turn `{setting}` on in the group's settings, or set this server's MCP_PUBLIC_URL so that \
                     output can be posted to it"
                )
            }),
            lacking: Vec::new(),
        }
    };
    let session = &place.session;
    let mut downloads = allowed(
        "downloads",
        session.downloads_allowed,
        "allow_kasm_downloads",
        COMMANDS,
    );
    // A forbidden download fails in any case and would show nothing about the address.
    if downloads.works == Some(true) {
        try_address(kasm, place, &mut downloads).await;
    }
    let large = &["write_kasm_file", "link_kasm_file"];
    let uploads = allowed(
        "uploads",
        session.uploads_allowed,
        "allow_kasm_uploads",
        large,
    );
    let desktop = kasm
        .connected_desktop(place)
        .await
        .err()
        .map(ToolError::from);
    let desktop = DiagnosisCheck {
        what: "desktop".to_owned(),
        works: Some(desktop.is_none()),
        tools: vec![
            "control_desktop",
            "desktop_clipboard",
            "get_session_screenshot",
        ],
        problem: desktop.as_ref().map(|error| error.message.clone()),
        remedy: desktop.map(|error| error.hint),
        lacking: Vec::new(),
    };
    vec![downloads, uploads, desktop]
}

/// Requests a file that does not exist from the session's web server. An answer shows that output can be read.
async fn try_address(kasm: &Kasm, place: &RunningSession, check: &mut DiagnosisCheck) {
    let Err(error) = kasm.open_download(place, ".kmcp-check").await else {
        return;
    };
    check.works = Some(false);
    check.problem = Some(error.to_string());
    check.remedy = Some(match error {
        ProxyError::Unavailable(_) | ProxyError::Broken(_) => UNREACHABLE_REMEDY.to_owned(),
        ProxyError::Refused(_) | ProxyError::NoService(_) | ProxyError::Unexpected(_) => {
            super::exec::REMEDY.to_owned()
        }
    });
}
