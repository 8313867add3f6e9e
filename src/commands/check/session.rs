//! The session checks: reads a running session without changing it, or starts one for the check and destroys
//! it.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::KasmUnderCheck;
use super::report::{CheckProblem, CheckReport};
use crate::commands::stop;
use crate::files::{CheckedTarget, SessionFiles, WriteRequest};
use crate::jobs::{JobError, JobSpec, SessionJobs};
use crate::kasm::model::{SessionRequest, SessionStatus};
use crate::kasm::session_proxy::RunningSession;
use crate::kasm::{Kasm, KasmError, KasmId, UserId};
use crate::policy::FileAccess;
use crate::providers::kasm::diagnose::{UNREACHABLE_REMEDY, session_checks};
use crate::tool::ToolError;

const START: &str = "session: start";
const COMMANDS: &str = "session: commands";
const FILES: &str = "session: files";
const SCREEN: &str = "session: screen";
const END: &str = "session: end";
/// Time limit for one request to a session.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time limit for a session to start.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// Time limit for a session to end.
const END_PATIENCE: Duration = Duration::from_secs(45);
/// Time limit for the test command.
const COMMAND_PATIENCE: Duration = Duration::from_secs(20);

/// Checks a running session of the user, without changing it.
pub(super) async fn check_running_session(
    report: &mut CheckReport,
    under_check: &KasmUnderCheck<'_>,
    kasm_id: KasmId,
) -> std::io::Result<()> {
    let user = under_check.user;
    match under_check.kasm.session_of(user, kasm_id).await {
        Ok(session) => {
            let place = RunningSession {
                user,
                kasm_id,
                session,
            };
            check_permissions(report, under_check, &place).await?;
        }
        Err(error) => {
            let error = ToolError::from(error);
            report.add_failure("session", &CheckProblem::new(error.message, error.hint))?;
        }
    }
    // A command would run beside the work of the person or agent that uses this session.
    for row in [COMMANDS, FILES] {
        report.add_skipped(
            row,
            "no command is run in a session that is in use; --start WORKSPACE tests it in a new one",
        )?;
    }
    Ok(())
}

/// Checks what the group's settings and the image allow.
async fn check_permissions(
    report: &mut CheckReport,
    under_check: &KasmUnderCheck<'_>,
    place: &RunningSession,
) -> std::io::Result<()> {
    let Ok(checks) = timeout(PATIENCE, session_checks(&under_check.kasm, place)).await else {
        let remedy = "check the load of Kasm's agents";
        return report.add_failure(
            "session",
            &CheckProblem::new("the session did not answer in time", remedy),
        );
    };
    for check in checks {
        let row = format!("session: {}", check.what);
        let problem = check.problem.unwrap_or_default();
        let remedy = check.remedy.unwrap_or_default();
        // Large files use another channel, and output can be posted to the relay.
        let other_way =
            check.what == "uploads" || (check.what == "downloads" && under_check.has_relay);
        match check.works {
            Some(true) => report.add_ok(&row, "it works")?,
            _ if other_way => report.add_note(
                &row,
                format!("{problem}; another channel can be used"),
                &remedy,
            )?,
            _ => report.add_failure(&row, &CheckProblem::new(problem, remedy))?,
        }
    }
    Ok(())
}

/// Skips all session checks, with the reason.
pub(super) fn skip_session_rows(report: &mut CheckReport, why: &str) -> std::io::Result<()> {
    for row in [COMMANDS, FILES, SCREEN] {
        report.add_skipped(row, why)?;
    }
    Ok(())
}

/// Starts a session of `workspace`, checks everything in it, and always destroys it.
pub(super) async fn check_with_new_session(
    report: &mut CheckReport,
    under_check: &KasmUnderCheck<'_>,
    workspace: &str,
) -> anyhow::Result<()> {
    let KasmUnderCheck { kasm, user, .. } = under_check;
    let stop = stop::stop_signal()?;
    // The id is sent as soon as Kasm names the session, so an interrupted check can still destroy it.
    let (tell, mut named) = watch::channel(None);
    let stopped = tokio::select! {
        // The signal is polled first, so it counts even if the steps end at the same time.
        biased;
        () = stop => true,
        done = check_steps(report, under_check, workspace, tell) => { done?; false }
    };
    if stopped {
        let problem = CheckProblem::new("interrupted by a signal", "run the check again");
        report.add_failure(START, &problem)?;
    }
    // A request in flight continues, and reports its session later.
    let kasm_id = timeout(
        under_check.backend.connection.request_timeout,
        named.wait_for(Option::is_some),
    )
    .await;
    let kasm_id = match kasm_id {
        Ok(Ok(kasm_id)) => *kasm_id,
        Ok(Err(_)) | Err(_) => None,
    };
    match kasm_id {
        Some(kasm_id) => Ok(end_session(report, kasm, *user, kasm_id).await?),
        None => Ok(report.add_skipped(END, "no session was created")?),
    }
}

async fn check_steps(
    report: &mut CheckReport,
    under_check: &KasmUnderCheck<'_>,
    workspace: &str,
    tell: watch::Sender<Option<KasmId>>,
) -> std::io::Result<()> {
    let KasmUnderCheck { kasm, user, .. } = under_check;
    let begun = Instant::now();
    let place = match start_session(kasm, *user, workspace, tell).await {
        Ok(place) => place,
        Err(error) => {
            let error = ToolError::from(error);
            report.add_failure(START, &CheckProblem::new(error.message, error.hint))?;
            return skip_session_rows(report, "no session is running");
        }
    };
    let seconds = begun.elapsed().as_secs_f64();
    report.add_ok(START, format!("{workspace} started in {seconds:.1} s"))?;
    check_permissions(report, under_check, &place).await?;
    // There is no relay: the public URL leads to the server, not to this process.
    let jobs = SessionJobs::new(kasm.clone(), None);
    if place.session.downloads_allowed == Some(false) && under_check.has_relay {
        let why = "output is posted to the relay of a running server; this command has none";
        report.add_skipped(COMMANDS, why)?;
        report.add_skipped(FILES, why)?;
    } else {
        let commands = try_command(&jobs, &place).await;
        if report.add_result(COMMANDS, commands)? {
            report.add_result(FILES, try_file(jobs, under_check, &place).await)?;
        } else {
            report.add_skipped(FILES, "they need commands")?;
        }
    }
    report.add_result(SCREEN, try_screen(kasm, &place).await)?;
    Ok(())
}

async fn start_session(
    kasm: &Kasm,
    user: UserId,
    workspace: &str,
    tell: watch::Sender<Option<KasmId>>,
) -> Result<RunningSession, KasmError> {
    let image = kasm.resolve_image(workspace).await?;
    let named = move |kasm_id| {
        tell.send_replace(Some(kasm_id));
    };
    let new = kasm
        .create_session(user, &image, SessionRequest::default(), named)
        .await?;
    let kasm_id = new.created.kasm_id;
    new.mark_received();
    let watch = kasm.watch_session(user, kasm_id, SessionStatus::Running, START_PATIENCE);
    let session = watch.last_session().await?;
    if session.status != SessionStatus::Running {
        let seconds = START_PATIENCE.as_secs();
        return Err(KasmError::InvalidState {
            message: format!(
                "the session is `{}` after {seconds} s",
                session.status.status_word()
            ),
            remedy: "check in Kasm that its image is pulled and that its agents have capacity"
                .to_owned(),
        });
    }
    Ok(RunningSession {
        user,
        kasm_id,
        session,
    })
}

fn problem_of_job(error: JobError) -> CheckProblem {
    match error {
        JobError::Kasm(error) => {
            let error = ToolError::from(error);
            CheckProblem::new(error.message, error.hint)
        }
        error @ JobError::NoChannel { .. } => CheckProblem::new(
            format!("the command was sent, but its output cannot be read: {error}"),
            "turn allow_kasm_downloads on for the user's group in Kasm, or set MCP_PUBLIC_URL so that output can be \
             posted to this server",
        ),
        error @ (JobError::Unreachable { .. } | JobError::NotSent { .. }) => {
            unreachable(&error.to_string())
        }
        error @ (JobError::NotStarted
        | JobError::NoSuchJob
        | JobError::NoSuchOffset(_)
        | JobError::DiskFull
        | JobError::BadRecord(_)) => CheckProblem::new(
            error.to_string(),
            "try another workspace; its image needs bash and coreutils, as stock images have",
        ),
    }
}

/// The address that Kasm names for its sessions does not answer.
fn unreachable(fact: &str) -> CheckProblem {
    CheckProblem::new(fact, UNREACHABLE_REMEDY)
}

async fn try_command(jobs: &SessionJobs, place: &RunningSession) -> Result<String, CheckProblem> {
    // The output is compared as a whole, so a shell that prints more of its own is found too.
    let script = "printf '%s by uid %s' \"$1\" \"$(id -u)\"";
    let spec = JobSpec::of_internal_script(&[script], vec!["heard".to_owned()])
        .with_limits(COMMAND_PATIENCE, 64 * 1024);
    let begun = Instant::now();
    let done = jobs
        .run_script(place, &spec)
        .await
        .map_err(problem_of_job)?;
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    match said.strip_prefix("heard by ") {
        Some(whom) if done.ended.exit_code == Some(0) => Ok(format!(
            "one ran as {whom}; its output was read after {} ms",
            begun.elapsed().as_millis()
        )),
        _ => Err(CheckProblem::new(
            format!("a command printed unexpected output: {said}"),
            "try another workspace; this image changes the output of commands",
        )),
    }
}

async fn try_file(
    jobs: SessionJobs,
    under_check: &KasmUnderCheck<'_>,
    place: &RunningSession,
) -> Result<String, CheckProblem> {
    let policy = &under_check.backend.tools.policy;
    let root = policy.roots().first().cloned().unwrap_or_default();
    let path = format!("{root}/kasm-mcp-check-{}.txt", place.kasm_id);
    let denied =
        "correct KASM_ALLOWED_ROOTS and KASM_POLICY_FILE: they forbid writing in the first folder";
    let target = |access| {
        let target = CheckedTarget::new(policy, &path, access);
        target.map_err(|_| CheckProblem::new(format!("the policy forbids {path}"), denied))
    };
    let (writing, reading) = (target(FileAccess::Write)?, target(FileAccess::Read)?);
    let text = format!("{}\n", place.kasm_id);
    let told = |error: crate::files::FileError| {
        CheckProblem::new(
            format!("{path}: {error}"),
            "the session's user must be able to write the folder",
        )
    };
    let files = SessionFiles::new(jobs.clone());
    let way = WriteRequest::default();
    files
        .write_file(place, &writing, text.as_bytes(), &way)
        .await
        .map_err(told)?;
    let read = files.read_part(place, &reading, 0, 4_096).await;
    // A persistent profile would keep the file.
    let remove = JobSpec::of_internal_script(&["rm -f -- \"$1\""], vec![path.clone()]);
    let removed = jobs.run_script(place, &remove).await;
    let read = read.map_err(told)?;
    removed.map_err(problem_of_job)?;
    if read.bytes == text.as_bytes() {
        Ok(format!("one was written in {root}, read and removed"))
    } else {
        Err(CheckProblem::new(
            format!("{path} was read with other content than was written"),
            "try another workspace",
        ))
    }
}

async fn try_screen(kasm: &Kasm, place: &RunningSession) -> Result<String, CheckProblem> {
    let look = async { kasm.connected_desktop(place).await?.read_screen().await };
    let told = |error: ToolError| CheckProblem::new(error.message, error.hint);
    match timeout(PATIENCE, look).await {
        Ok(Ok(screen)) => Ok(format!(
            "a screenshot of {} x {} pixels was received",
            screen.width(),
            screen.height()
        )),
        Ok(Err(error)) => Err(told(error.into())),
        Err(_) => Err(CheckProblem::new(
            "no screenshot was received in time",
            "check the load of Kasm's agents",
        )),
    }
}

/// Destroys the session and waits until it is gone.
async fn end_session(
    report: &mut CheckReport,
    kasm: &Kasm,
    user: UserId,
    kasm_id: KasmId,
) -> std::io::Result<()> {
    let by_hand = format!("destroy the session {kasm_id} in Kasm yourself: Sessions");
    let begun = Instant::now();
    let mut asked = kasm.api().destroy(user, kasm_id).await;
    // Kasm destroys asynchronously: the session is listed until its container is gone.
    while begun.elapsed() < END_PATIENCE {
        match kasm.session_of(user, kasm_id).await {
            Err(KasmError::NotFound { .. }) => return report.add_ok(END, "it was destroyed"),
            Ok(_) | Err(_) => sleep(Duration::from_millis(250)).await,
        }
        // The request may have been lost, and to repeat it does no harm.
        if matches!(
            asked,
            Err(KasmError::Unavailable(_) | KasmError::TimedOut { .. })
        ) {
            asked = kasm.api().destroy(user, kasm_id).await;
        }
        // Without the permission, waiting changes nothing.
        if matches!(asked, Err(KasmError::Permission { .. })) {
            break;
        }
    }
    let fact = match asked {
        Ok(()) => "it still exists".to_owned(),
        Err(error) => error.to_string(),
    };
    report.add_failure(END, &CheckProblem::new(fact, by_hand))
}
