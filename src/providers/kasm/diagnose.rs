//! `diagnose_kasm`: which tools will work with this server's API key and a session, and what is missing.
//!
//! Kasm answers a missing permission, a wrong key and a read-only key alike, and never names what is
//! missing. So each endpoint is called in a way that changes nothing (with ids that do not exist, or values
//! that are taken), and what works proves permissions that others need as well.

mod probes;

use std::collections::BTreeSet;

use futures::{FutureExt, StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{KasmProvider, acting_user, place};
use crate::kasm::plane::{Place, PlaneError};
use crate::kasm::{Kasm, KasmError, KasmId, UserId};
use crate::tool::{Call, Effect, Reply, Tool, ToolError};
use probes::{COMMANDS, Nobody, PROBES, Probe, call};

/// What an operator can do when the address that Kasm names for its sessions does not answer.
pub const UNREACHABLE_REMEDY: &str = "Kasm names this address for its sessions, and commands, files and the desktop go \
                                      through it: let this server reach it, or correct the proxy port of the zone in \
                                      Kasm (Infrastructure, Zones)";

/// Endpoints asked at a time.
const AT_A_TIME: usize = 4;

pub(super) struct DiagnoseKasm;

/// What an API key was found to allow.
#[derive(Debug)]
pub struct Findings {
    /// Permissions that it lacks for certain.
    pub missing: Vec<&'static str>,
    /// Where several permissions could be the missing one: groups of these.
    pub possibly_missing: Vec<Vec<&'static str>>,
    /// One for each endpoint.
    pub checks: Vec<Check>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct DiagnoseArgs {
    /// A running session, to look at its channels and its desktop as well.
    kasm_id: Option<KasmId>,
    /// Not needed: the user follows from the token.
    user_id: Option<UserId>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Diagnosis {
    /// Everything that was looked at works.
    well: bool,
    /// Permissions that the API key lacks for certain.
    missing_permissions: Vec<String>,
    /// Where several permissions could be the missing one: grant all of an entry.
    possibly_missing: Vec<Vec<String>>,
    checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Check {
    /// What was looked at.
    pub what: String,
    /// Absent: it could not be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub works: Option<bool>,
    /// The tools that need it.
    pub tools: Vec<&'static str>,
    /// Why it does not work, or cannot be found out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What an administrator can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// The permissions that are, or may be, the missing ones.
    #[serde(skip)]
    pub lacking: Vec<&'static str>,
}

impl Tool for DiagnoseKasm {
    type Provider = KasmProvider;
    type Args = DiagnoseArgs;
    type Output = Diagnosis;
    const NAME: &'static str = "diagnose_kasm";
    const TITLE: &'static str = "Find out what works";
    const ABOUT: &'static str = "Tell which tools work with this server's API key, and with a session if one is named, and \
                                 what an administrator has to grant. Changes nothing.";
    const EFFECT: Effect = Effect::Read;

    async fn call(
        &self,
        cx: Call<'_, KasmProvider>,
        args: DiagnoseArgs,
    ) -> Result<Reply<Diagnosis>, ToolError> {
        let user = acting_user(cx.caller, args.user_id)?;
        let Findings {
            missing,
            possibly_missing,
            mut checks,
        } = findings(&cx.provider.kasm, user).await;
        if let Some(kasm_id) = args.kasm_id {
            let place = place(&cx, kasm_id, args.user_id).await?;
            checks.extend(session_checks(&cx.provider.kasm, &place).await);
        }
        let well = checks.iter().all(|check| check.works == Some(true));
        let message = match (well, missing.is_empty()) {
            (true, _) => "all is well".to_owned(),
            (false, false) => format!("the API key lacks: {}", missing.join(", ")),
            (false, true) => "something does not work: see `checks`".to_owned(),
        };
        let diagnosis = Diagnosis {
            well,
            missing_permissions: owned(&missing),
            possibly_missing: possibly_missing.iter().map(|group| owned(group)).collect(),
            checks,
        };
        Ok(Reply::new(diagnosis, message))
    }
}

/// Tries every endpoint with the API key, so that nothing changes.
pub async fn findings(kasm: &Kasm, user: UserId) -> Findings {
    let nobody = Nobody::random();
    let asked: Vec<_> = PROBES
        .iter()
        .map(|probe| call(kasm, user, nobody, probe.endpoint).map(move |answer| (probe, answer)))
        .collect();
    let answers: Vec<_> = stream::iter(asked).buffered(AT_A_TIME).collect().await;
    let (missing, possibly_missing) = missing(&answers);
    let checks = answers
        .iter()
        .map(|(probe, answer)| check(probe, answer, &missing))
        .collect();
    Findings {
        missing,
        possibly_missing,
        checks,
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

type Answered = (&'static Probe, Result<(), KasmError>);

fn is_refused(answer: &Result<(), KasmError>) -> bool {
    matches!(answer, Err(KasmError::Permission { .. }))
}

/// Whether an answer shows that the permissions are there: Kasm looked at what was asked.
fn is_admitted(answer: &Result<(), KasmError>) -> bool {
    !is_refused(answer)
        && !matches!(
            answer,
            Err(KasmError::Unavailable(_)
                | KasmError::TimedOut { .. }
                | KasmError::Protocol { .. })
        )
}

/// What is missing for certain, and groups of which one is. What an endpoint that works needs is there;
/// a refusal that is explained by what is missing for certain says nothing more.
fn missing(answers: &[Answered]) -> (Vec<&'static str>, Vec<Vec<&'static str>>) {
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

fn check(probe: &Probe, answer: &Result<(), KasmError>, missing: &[&str]) -> Check {
    let mut check = Check {
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
            "grant the API key: {}. If it has that, check that it is enabled, not expired and not read-only",
            check.lacking.join(", ")
        ));
    }
    check
}

/// What a running session allows.
pub async fn session_checks(kasm: &Kasm, place: &Place) -> Vec<Check> {
    let allowed = |what: &str, allowed: Option<bool>, setting: &str, tools: &[&'static str]| {
        let forbidden = allowed == Some(false);
        Check {
            what: what.to_owned(),
            works: allowed.or(Some(true)),
            tools: tools.to_vec(),
            problem: forbidden.then(|| format!("`{setting}` is off for the user's group")),
            remedy: forbidden.then(|| {
                format!(
                    "switch `{setting}` on in the group's settings, or set MCP_PUBLIC_URL of this \
                                               server so that results can be posted to it"
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
    let desktop = kasm.desktop(place).await.err().map(ToolError::from);
    let desktop = Check {
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

/// Asks the session's web server for a file that is not there. That it answers shows that output can be read.
async fn try_address(kasm: &Kasm, place: &Place, check: &mut Check) {
    let Err(error) = kasm.download(place, ".kmcp-check").await else {
        return;
    };
    check.works = Some(false);
    check.problem = Some(error.to_string());
    check.remedy = Some(match error {
        PlaneError::Unavailable(_) | PlaneError::Broken(_) => UNREACHABLE_REMEDY.to_owned(),
        PlaneError::Refused(_) | PlaneError::NoService(_) | PlaneError::Unexpected(_) => {
            super::exec::REMEDY.to_owned()
        }
    });
}
